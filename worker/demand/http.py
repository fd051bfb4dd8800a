"""The demand as an HTTP endpoint answers it."""

from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import Field

from worker.demand.answers import number_in
from worker.demand.contract import Source, SourceOptions
from worker.domain.errors import DemandUnknown

MOST = 1_000_000
"""Bytes of an answer that are read at the most."""


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


def ask(vo: str, options: HttpOptions) -> int:
    """Ask the endpoint."""
    url = options.url.replace("{vo}", quote(vo, safe=""))
    try:
        return number_in(_get(url, options), options.path)
    except OSError as error:
        raise DemandUnknown(str(error.filename), error.strerror or "it cannot be read") from error
    except httpx.HTTPError as error:
        # Its text may hold the address with what is secret in it: its kind is enough.
        raise DemandUnknown(_place(url), type(error).__name__) from error


def _get(url: str, options: HttpOptions) -> str:
    headers = {"Accept": "application/json"}
    if options.token_file is not None:
        token = options.token_file.read_text(encoding="utf-8").strip()
        headers["Authorization"] = f"Bearer {token}"
    trust = str(options.ca_file) if options.ca_file else True
    with (
        httpx.Client(timeout=options.timeout, verify=trust, headers=headers) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise DemandUnknown(_place(url), f"it answered {answer.status_code}")
        text = b""
        for piece in answer.iter_bytes():
            text += piece
            if len(text) > MOST:
                raise DemandUnknown(_place(url), f"it answered more than {MOST} bytes")
    return text.decode(errors="replace")


def _place(url: str) -> str:
    return httpx.URL(url).host


HTTP = Source(
    name="http",
    about="An HTTP endpoint that answers JSON.",
    options=HttpOptions,
    ask=ask,
)
