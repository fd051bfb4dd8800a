"""The place of each argument of an action in a request, derived from its signature.

An argument whose name stands in braces in the path is a part of the path. An argument whose type is
a table of values is the whole body; the others then stand in the query. Without such an argument,
the others stand in the body, or in the query of a GET or a DELETE. A dataclass, such as a filter,
is spread: each of its fields is an argument.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from functools import cache
from inspect import Parameter, signature
from types import GenericAlias
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from worker.services.endpoints import Endpoint

_SEVERAL = (Collection, Sequence)

FROM_ELSEWHERE = ("runtime", "yes", "unless_changed")
"""Arguments that are not in the path, the query or the body. A request needs no `yes`."""

SINGULAR = {"statuses": "status", "uses": "use", "causes": "cause", "tags": "tag"}
"""The name in a query of an argument with several values: a singular, repeated for each value."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of an action, or one field of an argument that is spread."""

    name: str
    of: str
    """The argument whose field it is, or its own name."""
    kind: Any
    default: Any = Parameter.empty

    @property
    def takes_several(self) -> bool:
        return get_origin(self.kind) is list

    @property
    def is_spread(self) -> bool:
        return self.name != self.of


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of an action, grouped by their place in a request."""

    path: tuple[Argument, ...]
    query: tuple[Argument, ...]
    body: tuple[Argument, ...]
    whole_body: Argument | None
    """The argument that is the whole body."""
    spread: Mapping[str, type]
    """The dataclass of each argument that is spread."""
    returns: Any


@cache
def arguments_of(endpoint: Endpoint) -> Arguments:
    """Return the place in a request of each argument of an endpoint's action."""
    hints = get_type_hints(endpoint.action, include_extras=True)
    path, rest = [], []
    for name, parameter in signature(endpoint.action).parameters.items():
        if name in FROM_ELSEWHERE:
            continue
        argument = Argument(name=name, of=name, kind=hints[name], default=parameter.default)
        if f"{{{name}}}" in endpoint.path:
            path.append(argument)
        else:
            rest.append(argument)
    whole = next((one for one in rest if _is_table(one.kind)), None)
    spread: dict[str, Any] = {one.name: one.kind for one in rest if is_dataclass(one.kind)}
    flat = tuple(part for one in rest if one is not whole for part in _parts(one, spread))
    in_query = endpoint.method in ("GET", "DELETE") or whole is not None
    return Arguments(
        path=tuple(path),
        query=flat if in_query else (),
        body=() if in_query else flat,
        whole_body=whole,
        spread=spread,
        returns=hints["return"],
    )


def has_if_match(endpoint: Endpoint) -> bool:
    """Return whether an action takes `unless_changed`, the version that the caller has read."""
    return "unless_changed" in signature(endpoint.action).parameters


def _is_table(kind: Any) -> bool:
    """Return whether a type is a table, which refuses unknown keys."""
    return isinstance(kind, type) and (hasattr(kind, "__total__") or issubclass(kind, BaseModel))


def _parts(argument: Argument, spread: Mapping[str, type]) -> Iterator[Argument]:
    if argument.name not in spread:
        yield _as_list(argument)
        return
    hints = get_type_hints(argument.kind, include_extras=True)
    for field in fields(argument.kind):
        default = _default(field)
        yield _as_list(
            Argument(name=field.name, of=argument.name, kind=hints[field.name], default=default)
        )


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return Parameter.empty if field.default is MISSING else field.default


def _as_list(argument: Argument) -> Argument:
    """Return an argument of several values as a list, which both FastAPI and a query can carry."""
    origin = get_origin(argument.kind)
    if origin not in (tuple, *_SEVERAL):
        return argument
    kind = GenericAlias(list, (get_args(argument.kind)[0],))
    return replace(argument, kind=kind)
