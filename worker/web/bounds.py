"""The border of the server: how long a request may be, how its path is read, what answers bear."""

from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.web.problems import MEDIA_TYPE

LONGEST_BODY = 1 << 20
"""Bytes of a body: more than the longest payload."""

LONGEST_ADDRESS = 8192
"""Bytes of a path and a query together."""

HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with none at all, a browser hides the origin of a form
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
}


class TooLong(Exception):
    """The body of a request is longer than it may be."""


class Border:
    """Bounds what comes in. Behind a proxy the prefix of the path may be there or be taken away."""

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = self._path(scope)
        scope["root_path"] = self._prefix
        address = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        length = Headers(scope=scope).get("content-length", "0")
        if address > LONGEST_ADDRESS:
            await _refusal(414, "URI Too Long")(scope, receive, send)
        elif length.isdecimal() and int(length[:20]) > LONGEST_BODY:
            await _refusal(413, "Content Too Large")(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        begun = False

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LONGEST_BODY:
                raise TooLong
            return message

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, bounded, with_headers)
        except TooLong:
            if not begun:
                await _refusal(413, "Content Too Large")(scope, receive, send)

    def _path(self, scope: Scope) -> str:
        """Return the path with the prefix, and with a slash within a name as `%2F`."""
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        kept = raw.partition("?")[0].replace("%2F", "%252F").replace("%2f", "%252F")
        path = unquote(kept)
        if self._prefix and path != self._prefix and not path.startswith(f"{self._prefix}/"):
            path = f"{self._prefix}{path}"
        return path


def _refusal(status: int, title: str) -> JSONResponse:
    values = {"type": "about:blank", "title": title, "status": status, "detail": title}
    return JSONResponse(values, status, media_type=MEDIA_TYPE)
