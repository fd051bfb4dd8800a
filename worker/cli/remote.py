"""Remote actions: a call becomes a request to the server, and its answer the returned value.

The request follows from the table of endpoints and the signature of the action, as it does on the
server. So a command shows the same, wherever its action is performed. An error of the server is
raised again here, with its class.
"""

import time
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from worker import wiring
from worker.domain import errors
from worker.domain.addresses import may_go_by_proxy
from worker.domain.errors import (
    ConfigurationError,
    ConfirmationNeeded,
    OnlyOnHost,
    PilotageError,
    ServerUnavailable,
    ServerUnreadable,
)
from worker.services.arguments import SINGULAR, Argument, Arguments, arguments_of
from worker.services.endpoints import ENDPOINTS, Endpoint
from worker.services.runtime import Runtime

Query = list[tuple[str, str | int | float | bool | None]]
P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 180.0
"""Seconds to wait for an answer. The output of a pilot may take as long as a call to a CE."""

LONGEST_ANSWER = 256 << 20
"""The longest answer in bytes, so that a server cannot fill the memory of a command."""


def perform_remotely(
    action: Callable[Concatenate[Runtime, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Let the server perform an action, and return its result."""
    endpoint = next((one for one in ENDPOINTS if one.action is action), None)
    if endpoint is None:
        raise OnlyOnHost
    values = signature(action).bind(None, *args, **kwargs).arguments
    if values.get("yes") is False:
        name = " ".join(str(value) for value in values.values() if isinstance(value, str))
        raise ConfirmationNeeded(f"this would change {name}")
    arguments = arguments_of(endpoint)
    response = _send(endpoint, arguments, values)
    if endpoint.is_text:
        return response.text  # type: ignore[return-value]
    if response.status_code == httpx.codes.NO_CONTENT and endpoint.returns_nothing:
        return None  # type: ignore[return-value]
    return _read(arguments, response)  # type: ignore[no-any-return]


def _send(endpoint: Endpoint, arguments: Arguments, values: Mapping[str, Any]) -> httpx.Response:
    path = endpoint.path
    for one in arguments.path:
        path = path.replace(f"{{{one.name}}}", quote(str(values[one.name]), safe=""))
    body = _body(arguments, values)
    url = f"{str(wiring.server()).rstrip('/')}/api{path}"
    headers = {"Authorization": f"Bearer {_token()}", "Accept-Encoding": "identity"}
    query = _query(arguments, values)
    try:
        with httpx.stream(
            endpoint.method,
            url,
            params=query,
            json=body,
            headers=headers,
            timeout=PATIENCE,
            trust_env=may_go_by_proxy(url),
        ) as response:
            content = _whole(response)
    except UnicodeError:
        raise ServerUnavailable(str(wiring.server()), "no host has such a name") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerUnavailable(str(wiring.server()), str(error) or type(error).__name__) from None
    response = httpx.Response(response.status_code, content=content)
    if response.is_success:
        return response
    raise _problem(response)


def _whole(response: httpx.Response) -> bytes:
    """Return the whole body of an answer; refuse one that is too long or too slow."""
    content, ends = bytearray(), time.monotonic() + PATIENCE
    for piece in response.iter_raw():
        content += piece
        if len(content) > LONGEST_ANSWER:
            raise ServerUnreadable(
                str(wiring.server()), f"it is longer than {LONGEST_ANSWER} bytes"
            )
        if time.monotonic() > ends:
            raise ServerUnavailable(str(wiring.server()), f"no complete answer in {PATIENCE:g} s")
    return bytes(content)


def _token() -> str:
    token = wiring.settings().token
    if token is None:
        raise ConfigurationError("the server asks for a token", "name its file with --token-file")
    secret = token.get_secret_value()
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigurationError(
            "this is not a token of a server", "name its file with --token-file"
        )
    return secret


def _query(arguments: Arguments, values: Mapping[str, Any]) -> Query:
    query: Query = []
    for one in arguments.query:
        value = _plain(one, _value(one, values))
        name = SINGULAR.get(one.name, one.name)
        items = value if isinstance(value, list) else [value]
        query += [(name, item) for item in items if item is not None]
    return query


def _body(arguments: Arguments, values: Mapping[str, Any]) -> Any:
    whole = arguments.whole_body
    if whole is not None:
        return _plain(whole, values[whole.name]) if whole.name in values else None
    if not arguments.body:
        return None
    return {
        one.name: _plain(one, value)
        for one in arguments.body
        if (value := _value(one, values)) is not None
    }


def _value(argument: Argument, values: Mapping[str, Any]) -> Any:
    value = values.get(argument.of)
    return getattr(value, argument.name, None) if argument.is_spread else value


def _plain(argument: Argument, value: Any) -> Any:
    if value is None:
        return None
    return TypeAdapter(argument.kind).dump_python(value, mode="json", warnings=False)


def _read(arguments: Arguments, response: httpx.Response) -> Any:
    try:
        return TypeAdapter(arguments.returns).validate_json(response.content)
    except ValidationError:
        raise ServerUnreadable(
            str(wiring.server()), "it has another version, or it is not a server of Pilotage"
        ) from None


def _problem(response: httpx.Response) -> PilotageError:
    """Return the error in the server's answer, as an exception of the same class."""
    try:
        values = response.json()
        kind = errors.kinds().get(str(values["type"]).rpartition("/")[2])
        details = [str(part) for part in values.get("details", [])]
        detail = str(values["detail"])
    except (ValueError, KeyError, TypeError):
        return ServerUnreadable(str(wiring.server()), f"status {response.status_code}")
    if kind is not None:
        error = kind.__new__(kind)
        PilotageError.__init__(error, *details)
        return error
    return ServerUnreadable(str(wiring.server()), f"status {response.status_code}", detail)
