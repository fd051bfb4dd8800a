"""HTTP for all sources that need it: secrets, deadline and bounds of a request in one place.

Redirects are not followed: secrets in headers would be sent to an address that nobody configured.
"""

import re
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import AfterValidator, Field

from worker.demand.contract import SourceOptions
from worker.demand.deadline import Connection, with_deadline
from worker.demand.files import check, read_line
from worker.domain.addresses import is_private, may_go_by_proxy
from worker.domain.errors import DemandUnknown

MOST = 1_000_000
"""The most bytes of an answer that are read."""
_EITHER = 32 + zlib.MAX_WBITS
"""The window size for zlib that accepts gzip and zlib."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_KINDS = {
    ssl.SSLCertVerificationError: "its certificate is not trusted here",
    socket.gaierror: "the name of the host is unknown",
    ConnectionRefusedError: "the connection was refused",
    UnicodeError: "no host has such a name",
}
"""Reasons why there is no connection, in words."""
_OURS = frozenset({
    "accept", "accept-encoding", "connection", "content-encoding", "content-length",
    "content-type", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding",
    "upgrade",
})  # fmt: skip
"""Headers that are set by this module or by httpx, and not by a file."""


def _header_names(files: dict[str, Path]) -> dict[str, Path]:
    for name in files:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not the name of a header")
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise ValueError(f"the header {name} cannot be set by a file")
    if len({name.lower() for name in files}) < len(files):
        raise ValueError("a header is named twice")
    return files


class EndpointOptions(SourceOptions):
    """The options of every source that is asked over HTTP."""

    url: str = Field(pattern=r"^https?://[^\s@]+$")
    """The address; '{vo}' becomes the VO's name. No user or password: use token_file."""

    token_file: Path | None = None
    """A file that holds a bearer token; it is read again for each request."""

    header_files: Annotated[dict[str, Path], AfterValidator(_header_names)] = Field(
        default_factory=dict
    )
    """Headers, each with a file that holds its value: {"X-Api-Key": "/etc/pilotage/key"}."""

    ca_file: Path | None = None
    """A file of certificate authorities to trust instead of the system's."""

    plain_token: bool = False
    """Whether secrets may be sent over http, where everybody on the way can read them."""

    def objection(self) -> str | None:
        """Return why secrets must not be sent with these options, or another objection."""
        if self.token_file is not None and "authorization" in map(str.lower, self.header_files):
            return "token_file and the header Authorization are the same: leave one out"
        has_secret = self.token_file is not None or bool(self.header_files)
        if has_secret and not (self.plain_token or is_private(self.url)):
            return "a token over http can be read on the way: use https"
        return super().objection()


@dataclass(frozen=True, kw_only=True)
class EndpointQuestion:
    """A request to an endpoint."""

    url: str
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    content_type: str | None = None
    authorization: str | None = field(default=None, repr=False)
    """The value of the header Authorization, instead of the token of the options."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Additional headers, without secrets."""


@dataclass(frozen=True, kw_only=True)
class EndpointReply:
    """The answer of an endpoint."""

    status: int
    text: str = field(repr=False)


def fetch(question: EndpointQuestion, options: EndpointOptions) -> str:
    """Return the text of an endpoint's answer; raise `DemandUnknown` if its status is not 200."""
    reply = converse(question, options)
    if reply.status != httpx.codes.OK:
        raise DemandUnknown(place_of(question.url), f"it answered {reply.status}")
    return reply.text


def converse(question: EndpointQuestion, options: EndpointOptions) -> EndpointReply:
    """Return the answer of an endpoint and its status; `DemandUnknown` if there is no answer."""
    place = place_of(question.url)
    try:
        headers = _headers(question, options)
        if options.ca_file is not None:
            check(options.ca_file, options.ca_file.stat())
        return with_deadline(options.timeout, place, partial(_send, question, headers, options))
    except OSError as error:
        raise DemandUnknown(str(error.filename), error.strerror or "it cannot be read") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise DemandUnknown(place, kind_of(error)) from error


def kind_of(error: BaseException) -> str:
    """Return the kind of a failure in words. Its own text may hold the address with a secret."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, words in _KINDS.items():
            if isinstance(cause, kind):
                return words
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def place_of(url: str) -> str:
    """Return the host of an address, without its other parts, which may hold secrets."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "the url"


def _headers(question: EndpointQuestion, options: EndpointOptions) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if question.content_type is not None:
        headers["Content-Type"] = question.content_type
    for name, path in options.header_files.items():
        headers[name] = _value(path)
    headers |= question.headers
    if question.authorization is not None:
        headers["Authorization"] = question.authorization
    elif options.token_file is not None:
        headers["Authorization"] = f"Bearer {_value(options.token_file)}"
    return headers


def _value(path: Path) -> str:
    value = read_line(path)
    if not value or not value.isascii() or not value.isprintable():
        raise DemandUnknown(str(path), "it is not one line of plain characters")
    return value


def _send(
    question: EndpointQuestion,
    headers: Mapping[str, str],
    options: EndpointOptions,
    connection: Connection,
) -> EndpointReply:
    url = question.url
    trust = str(options.ca_file) if options.ca_file else True
    with (
        httpx.Client(
            timeout=options.timeout,
            verify=trust,
            headers=headers,
            trust_env=may_go_by_proxy(url),
        ) as client,
        client.stream(
            question.method, url, content=question.body, extensions={"trace": connection.note}
        ) as answer,
    ):
        content = b""
        for piece in answer.iter_raw() if answer.is_success else ():
            content += piece
            _bound(content, url)
    if not answer.is_success:
        # The body of a failure is not used, so it is not read or unpacked.
        return EndpointReply(status=answer.status_code, text="")
    text = _unpacked(content, answer.headers.get("Content-Encoding", ""), url)
    return EndpointReply(status=answer.status_code, text=text)


def _unpacked(content: bytes, encoding: str, url: str) -> str:
    """Decode a body. A small body may unpack to a very large one: at most `MOST` bytes are
    unpacked.
    """
    if encoding in ("gzip", "deflate"):
        packed = zlib.decompressobj(_EITHER)
        try:
            content = packed.decompress(content, MOST + 1)
        except zlib.error:
            raise DemandUnknown(place_of(url), f"it is not {encoding}") from None
        _bound(content, url)
        if not packed.eof:
            raise DemandUnknown(place_of(url), "its answer is cut short")
    elif encoding not in ("", "identity"):
        raise DemandUnknown(place_of(url), f"it answered in {encoding[:40]!r}")
    return content.decode(errors="replace")


def _bound(content: bytes, url: str) -> None:
    if len(content) > MOST:
        raise DemandUnknown(place_of(url), f"it answered more than {MOST} bytes")
