"""Roles, and what the holder of a role is allowed to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from worker.domain.checks import require_name
from worker.domain.errors import Invalid, NotAllowed
from worker.domain.nearest import nearest
from worker.domain.words import Described


class Role(Described):
    """What somebody may do. Each role may do what those before it may."""

    READ = "read", "Look at everything, and change nothing."
    OPERATE = (
        "operate",
        (
            "Send and end pilots, drain VOs, for one VO or all; "
            "hold, resume and drain CEs, for all VOs only."
        ),
    )
    ADMIN = "admin", "Change VOs, CEs, credentials, schedules and tokens."


RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, kw_only=True)
class Access:
    """What somebody may do: a role, for all VOs or, where `vo` names one, for that VO only."""

    role: Role
    vo: str | None = None

    def __post_init__(self) -> None:
        if self.vo is not None and self.role is not Role.OPERATE:
            raise Invalid("vo", f"the role {self.role} is not for one VO", "only operate is")

    def may(self, role: Role) -> bool:
        """Return whether this access has at least this role, even if for one VO only."""
        return RANKS[self.role] >= RANKS[role]

    def may_for(self, role: Role, vo: str | None) -> bool:
        """Return whether this access has at least this role for this VO; `None` is all VOs."""
        return self.may(role) and self.vo in (None, vo)

    def __str__(self) -> str:
        return f"{self.role}{f' for VO {self.vo}' if self.vo else ''}"


def access_of(text: str) -> Access:
    """Read an access: a role, or `operate:VO`."""
    word, colon, vo = text.partition(":")
    if word not in tuple(Role):
        raise Invalid(f"role {word[:40]!r}", nearest(word, map(str, Role)))
    if colon:
        require_name("VO", vo)
    return Access(role=Role(word), vo=vo if colon else None)


def highest(accesses: Iterable[Access]) -> Access | None:
    """Return the access that allows most; if several allow as much, the first."""
    return max(accesses, key=lambda one: (RANKS[one.role], one.vo is None), default=None)


HOST = Access(role=Role.ADMIN)
"""The access of a person with an account on the host: this person has the database's password."""


def require(who: str, access: Access, role: Role) -> None:
    """Refuse an access without this role; the role for one VO only is enough."""
    if not access.may(role):
        raise NotAllowed(f"{who} has the role {access}", f"it needs the role {role}")


def require_for(who: str, access: Access, role: Role, vo: str | None) -> None:
    """Refuse an access without this role for this VO; `None` is all VOs."""
    if not access.may_for(role, vo):
        scope = "all VOs" if vo is None else f"VO {vo}"
        raise NotAllowed(f"{who} has the role {access}", f"it needs the role {role} for {scope}")
