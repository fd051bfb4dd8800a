"""Whom a service serves: each action checks here what its caller may do, whatever the door.

    @allowed_to(Role.OPERATE)
    def pause(runtime, ce, reason): ...

A caller with a role for one VO alone is let in where the service says so, and checks the VO itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from worker.domain.access import Access, Role, require, require_for
from worker.services.runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")
Service = Callable[Concatenate[Runtime, P], T]


@dataclass(frozen=True, kw_only=True)
class Right:
    """What a caller of an action must have: a role, for all VOs unless one is enough."""

    role: Role
    for_one_vo: bool = True


def allowed_to(role: Role, *, for_one_vo: bool = False) -> Callable[[Service[P, T]], Service[P, T]]:
    """Refuse callers without this role.

    With `for_one_vo` the role for a single VO is enough, and the service asks `require_vo` itself.
    """
    right = Right(role=role, for_one_vo=for_one_vo or role is Role.READ)

    def decorate(service: Service[P, T]) -> Service[P, T]:
        @wraps(service)
        def checked(runtime: Runtime, /, *args: P.args, **kwargs: P.kwargs) -> T:
            actor = runtime.database.actor
            require_right(actor.who, actor.access, right)
            return service(runtime, *args, **kwargs)

        checked.right = right  # type: ignore[attr-defined]
        return checked

    return decorate


def right_of(service: Callable[..., object]) -> Right:
    """Return the right that an action takes."""
    right: Right = service.right  # type: ignore[attr-defined]
    return right


def require_right(who: str, access: Access, right: Right) -> None:
    """Refuse somebody who may not have this done, whatever the request says."""
    if right.for_one_vo:
        require(who, access, right.role)
    else:
        require_for(who, access, right.role, None)


def require_vo(runtime: Runtime, vo: str | None) -> None:
    """Refuse a caller that may not operate for this VO; `None` is all VOs."""
    actor = runtime.database.actor
    require_for(actor.who, actor.access, Role.OPERATE, vo)
