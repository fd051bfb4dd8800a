"""A change of what an operator owns: who made it, by which door, and what is different now.

Only the values that differ are kept. Each is at most a line long, and whatever looks like a secret
is removed from it.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from worker.domain.access import HOST, Access
from worker.domain.errors import Invalid
from worker.domain.lengths import as_option, clock
from worker.domain.secrets import REMOVED, without_secrets
from worker.domain.texts import legible
from worker.domain.words import Described

LEAST_DAYS = 90
"""The days for which a change is kept at least; the database itself refuses an earlier deletion."""

LONGEST = 200
"""How many characters of one value are kept."""
MOST = 100
"""How many values of one object are kept."""
DEEPEST = 4
"""How many levels of nested values are kept; deeper ones are only counted."""

Values = Mapping[str, Any]


class Door(Described):
    """The way by which a change came."""

    COMMAND = "command", "A person, by a command."
    TASK = "task", "A person, by a task that was run by hand."
    WORKER = "worker", "A worker, by a task that fired."
    API = "api", "A program or a command on another host, by the API."
    CONSOLE = "console", "A person, by a form of the console."


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who makes changes: an account on a host, a task, a token or a person; and its access."""

    who: str
    door: Door = Door.COMMAND
    command: str | None = None
    access: Access = HOST
    reason: str | None = None
    """Why the change is made, in the words of who makes it."""


@dataclass(frozen=True, kw_only=True)
class Setter:
    """Who set a value to its present state, when, and why."""

    at: datetime
    who: str
    reason: str | None

    def phrase(self, now: datetime) -> str:
        """Return time, name and reason as the end of a sentence:
        since 02:10Z, by alice: 'new disks'.
        """
        return f"since {clock(self.at, now, seconds=False)}, {self.without_moment}"

    @property
    def without_moment(self) -> str:
        """The same without the time, for several values that were set one after the other."""
        return f"by {self.who}" + (f": '{self.reason}'" if self.reason else "")


def read_reason(text: str | None) -> str | None:
    """Return the reason of a change. A reason that is too long to be kept whole is refused."""
    reason = (text or "").strip()
    if len(reason) > LONGEST:
        raise Invalid("reason", f"it has more than {LONGEST} characters")
    return reason or None


@dataclass(frozen=True, kw_only=True)
class ObjectChange:
    """What one unit of work does to one object.

    `before` is `None` for a new object, `after` is `None` for an object that was removed.
    `kind` and `name` say which object, `verb` what is done to it.
    """

    kind: str
    name: str
    verb: str
    before: Values | None = None
    after: Values | None = None

    def followed_by(self, other: "ObjectChange") -> "ObjectChange":
        """Return both changes as one."""
        before, after = self.before, other.after
        if before is not None:
            before = {**(other.before or {}), **before}
        if after is not None:
            after = {**(self.after or {}), **after}
        # An object that the first change made is still new; otherwise the last verb counts.
        verb = self.verb if self.before is None else other.verb
        return replace(self, verb=verb, before=before, after=after)

    def difference(self) -> tuple[Values | None, Values | None]:
        """Return the values that differ, before and after, in the form in which they are kept."""
        if self.before is None or self.after is None:
            return _whole(self.before), _whole(self.after)
        before, after = _different(self.before, self.after)
        return _stored(before), _stored(after)


def _whole(values: Values | None) -> Values | None:
    """Return all values of an object that was made or removed, without the empty ones."""
    if values is None:
        return None
    return _stored({name: value for name, value in values.items() if not _is_empty(value)})


def _is_empty(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, Mapping | Sequence) and not value)


def _different(before: Values, after: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    was: dict[str, Any] = {}
    became: dict[str, Any] = {}
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            old, new = _different(old, new)
        if old != new:
            was[name], became[name] = old, new
    return was, became


def _stored(values: Values, depth: int = 1, *, hidden: bool = False) -> dict[str, Any]:
    stored = {
        legible(without_secrets(str(name)), LONGEST): _value(
            value, depth, hidden=hidden or _names_a_secret(str(name))
        )
        for name, value in list(values.items())[:MOST]
    }
    if len(values) > MOST:
        stored["…"] = f"{len(values) - MOST} more"
    return stored


def _value(value: Any, depth: int, *, hidden: bool) -> Any:
    if _is_empty(value):
        return value if isinstance(value, bool) else None
    if isinstance(value, Mapping) and depth < DEEPEST:
        return _stored(value, depth + 1, hidden=hidden)
    if hidden and value is not True:
        return REMOVED
    if isinstance(value, int | float):
        return value
    return legible(without_secrets(_text(value)), LONGEST)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, timedelta):
        return as_option(value)
    if isinstance(value, list | tuple) and not any(_is_deep(one) for one in value):
        return shlex.join(_word(str(word)) for word in value)
    return f"{len(value)} values" if _is_deep(value) else str(value)


def _word(word: str) -> str:
    """Return a word of a list. If it is NAME=VALUE and NAME is that of a secret, hide all of VALUE.

    The value may contain blanks.
    """
    name, sign, _ = word.partition("=")
    return f"{name}={REMOVED}" if sign and _names_a_secret(name) else word


def _is_deep(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _names_a_secret(name: str) -> bool:
    """Return whether a value of this name is a secret, even if it does not look like one."""
    line = f"{name}=x"
    return without_secrets(line) != line
