"""The demand as an HTTP endpoint answers it."""

import zlib
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import Field

from worker.demand.answers import number_in
from worker.demand.contract import Source, SourceOptions
from worker.demand.deadline import Connection, within
from worker.demand.files import check, read_line
from worker.domain.errors import DemandUnknown

MOST = 1_000_000
"""Bytes of an answer that are read at the most."""
_EITHER = 32 + zlib.MAX_WBITS
"""The window for gzip or zlib, whichever it is."""


class HttpOptions(SourceOptions):
    """An endpoint that answers GET with JSON."""

    url: str = Field(pattern=r"^https?://[^\s@]+$")
    """The address; '{vo}' becomes the VO's name. No user or password: use token_file."""

    path: str | None = None
    """Where the number stands in the JSON: 'jobs.waiting'; left out, the answer is the number."""

    token_file: Path | None = None
    """A file that holds a bearer token; it is read anew for each question."""

    ca_file: Path | None = None
    """A file of certificate authorities to trust instead of the system's."""

    plain_token: bool = False
    """Whether the token may travel over http, where everybody on the way can read it."""

    def objection(self) -> str | None:
        """Return why a token of ours must not travel this way."""
        if self.token_file is None or self.plain_token or _is_private(self.url):
            return None
        return "a token over http can be read on the way: use https"


def _is_private(url: str) -> bool:
    """Return whether nobody else reads what goes to an address: it is encrypted, or stays here."""
    if url.startswith("https://"):
        return True
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False


def ask(vo: str, options: HttpOptions) -> int:
    """Ask the endpoint."""
    url = options.url.replace("{vo}", quote(vo, safe=""))
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if options.token_file is not None:
        headers["Authorization"] = f"Bearer {read_line(options.token_file)}"
    try:
        if options.ca_file is not None:
            check(options.ca_file, options.ca_file.stat())
        answer = within(options.timeout, _place(url), partial(_get, url, headers, options))
        return number_in(answer, options.path)
    except OSError as error:
        raise DemandUnknown(str(error.filename), error.strerror or "it cannot be read") from error
    except httpx.HTTPError as error:
        # Its text may hold the address with what is secret in it: its kind is enough.
        raise DemandUnknown(_place(url), type(error).__name__) from error


def _get(url: str, headers: Mapping[str, str], options: HttpOptions, connection: Connection) -> str:
    trust = str(options.ca_file) if options.ca_file else True
    with (
        httpx.Client(timeout=options.timeout, verify=trust, headers=headers) as client,
        client.stream("GET", url, extensions={"trace": connection.note}) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise DemandUnknown(_place(url), f"it answered {answer.status_code}")
        content = b""
        for piece in answer.iter_raw():
            content += piece
            _bound(content, url)
    return _unpacked(content, answer.headers.get("Content-Encoding", ""), url)


def _unpacked(content: bytes, encoding: str, url: str) -> str:
    """Decode a body. A small one may be packed from a very large one: no more is unpacked."""
    if encoding in ("gzip", "deflate"):
        packed = zlib.decompressobj(_EITHER)
        try:
            content = packed.decompress(content, MOST + 1)
        except zlib.error:
            raise DemandUnknown(_place(url), f"it is not {encoding}") from None
        _bound(content, url)
        if not packed.eof:
            raise DemandUnknown(_place(url), "its answer is cut short")
    elif encoding not in ("", "identity"):
        raise DemandUnknown(_place(url), f"it answered in {encoding[:40]!r}")
    return content.decode(errors="replace")


def _bound(content: bytes, url: str) -> None:
    if len(content) > MOST:
        raise DemandUnknown(_place(url), f"it answered more than {MOST} bytes")


def _place(url: str) -> str:
    return httpx.URL(url).host


HTTP = Source(
    name="http",
    about="An HTTP endpoint that answers JSON.",
    options=HttpOptions,
    ask=ask,
)
