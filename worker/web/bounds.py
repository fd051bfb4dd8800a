"""The border of the server: the bounds of a request, its path, and the headers of every answer."""

from contextlib import suppress
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.web.plain_pages import error_page, is_for_a_person
from worker.web.problems import MEDIA_TYPE

LONGEST_BODY = 1 << 20
"""The longest body in bytes: more than the longest payload has."""

NUL = b"%00"
"""The character NUL in a path. No database stores it in a text."""

LONGEST_ADDRESS = 8192
"""The longest path and query together, in bytes."""

HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
}
"""The headers of every answer. Without a referrer a browser would hide the origin of our forms."""


class TooLong(Exception):
    """The body of a request is too long."""


class Border:
    """Refuses requests that are too long, and completes their path with the prefix.

    A proxy may have left the prefix in the path or removed it.
    """

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = self._path(scope)
        scope["root_path"] = self._prefix
        bounded = _Bounded(receive, send)
        address = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        length = Headers(scope=scope).get("content-length", "0")
        if address > LONGEST_ADDRESS:
            await _refusal(scope, 414, "URI Too Long")(scope, receive, bounded.send)
        elif NUL in (scope.get("raw_path") or b"") or NUL in scope["query_string"]:
            await _refusal(scope, 422, "No text has the character NUL")(
                scope, receive, bounded.send
            )
        elif length.isdecimal() and int(length[:20]) > LONGEST_BODY:
            await _refusal(scope, 413, "Content Too Large")(scope, receive, bounded.send)
        else:
            await self._serve(scope, bounded)

    async def _serve(self, scope: Scope, bounded: "_Bounded") -> None:
        with suppress(TooLong):
            await self._app(scope, bounded.receive, bounded.send_unless_too_long)
        if bounded.is_too_long and not bounded.has_begun:
            await _refusal(scope, 413, "Content Too Large")(scope, bounded.receive, bounded.send)

    def _path(self, scope: Scope) -> str:
        """Return the path with the prefix; a slash within a name stays `%2F`."""
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        kept = raw.partition("?")[0].replace("%2F", "%252F").replace("%2f", "%252F")
        path = unquote(kept)
        if self._prefix and path != self._prefix and not path.startswith(f"{self._prefix}/"):
            path = f"{self._prefix}{path}"
        return path


class _Bounded:
    """One request, whose body is bounded, and its answer, with our headers."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._size = 0
        self.has_begun = False
        self.is_too_long = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > LONGEST_BODY:
            self.is_too_long = True
            raise TooLong
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def send_unless_too_long(self, message: Message) -> None:
        """Send an answer, except the framework's own answer to a body that was too long."""
        if self.has_begun or not self.is_too_long:
            await self.send(message)


def _refusal(scope: Scope, status: int, title: str) -> Response:
    if is_for_a_person(scope):
        return error_page(scope, status, title, ["It was not read, and nothing was changed."])
    values = {"type": "about:blank", "title": title, "status": status, "detail": title}
    return JSONResponse(values, status, media_type=MEDIA_TYPE)
