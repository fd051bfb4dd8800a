"""Whom a service serves: each action checks here what its caller may do, whatever the door.

    @allowed_to(Role.OPERATE)
    def pause(runtime, ce, reason): ...

A caller with a role for one VO alone is let in where the service says so, and checks the VO itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from worker.domain.access import Role, require, require_for
from worker.services.runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")
Service = Callable[Concatenate[Runtime, P], T]


def allowed_to(role: Role, *, for_one_vo: bool = False) -> Callable[[Service[P, T]], Service[P, T]]:
    """Refuse callers without this role for all VOs, or with none for any."""

    def decorate(service: Service[P, T]) -> Service[P, T]:
        @wraps(service)
        def checked(runtime: Runtime, /, *args: P.args, **kwargs: P.kwargs) -> T:
            actor = runtime.database.actor
            if for_one_vo or role is Role.READ:
                require(actor.who, actor.access, role)
            else:
                require_for(actor.who, actor.access, role, None)
            return service(runtime, *args, **kwargs)

        checked.role = role  # type: ignore[attr-defined]
        return checked

    return decorate


def role_of(service: Callable[..., object]) -> Role:
    """Return the role that an action takes."""
    role: Role = service.role  # type: ignore[attr-defined]
    return role


def require_vo(runtime: Runtime, vo: str | None) -> None:
    """Refuse a caller that may not operate for a VO, or with none for all of them."""
    actor = runtime.database.actor
    require_for(actor.who, actor.access, Role.OPERATE, vo)
