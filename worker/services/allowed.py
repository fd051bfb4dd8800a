"""Access checks of services: each action checks what its caller may do, whatever the door.

    @allowed_to(Role.OPERATE)
    def pause(runtime, ce, reason): ...

A caller whose role is for one VO only is admitted if the action says so with `for_one_vo`. The
service then checks the VO itself.
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
    """The role that the caller of an action must have: for all VOs, or for a single one."""

    role: Role
    for_one_vo: bool = True


def allowed_to(role: Role, *, for_one_vo: bool = False) -> Callable[[Service[P, T]], Service[P, T]]:
    """Refuse callers without this role.

    With `for_one_vo` a role for a single VO is enough, and the service itself calls `require_vo`.
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
    """Return the right that an action requires."""
    right: Right = service.right  # type: ignore[attr-defined]
    return right


def require_right(who: str, access: Access, right: Right) -> None:
    """Refuse a caller without this right. The arguments of the request do not matter."""
    if right.for_one_vo:
        require(who, access, right.role)
    else:
        require_for(who, access, right.role, None)


def require_vo(runtime: Runtime, vo: str | None) -> None:
    """Refuse a caller that may not operate for this VO; `None` is all VOs."""
    actor = runtime.database.actor
    require_for(actor.who, actor.access, Role.OPERATE, vo)
