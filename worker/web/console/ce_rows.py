"""Rows of CEs in a table: those in trouble first, and many normal ones as one row of sums."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.services.ce_lines import CELine, without_reason
from worker.web.console import states

FOLDED = 60
"""With this many CEs or more, the normal ones are folded into one row of sums."""

AT_ONCE = 100
"""The most rows of one table."""


@dataclass(frozen=True, kw_only=True)
class CESums:
    """The sums over many CEs, in one row."""

    ces: int
    running: int
    waiting: int
    free: int
    capacity: int


def sums(lines: Sequence[CELine]) -> CESums:
    """Sum up these CEs."""
    return CESums(
        ces=len(lines),
        running=sum(line.running for line in lines),
        waiting=sum(line.waiting for line in lines),
        free=sum(line.free for line in lines),
        capacity=sum(line.capacity for line in lines),
    )


@dataclass(frozen=True, kw_only=True)
class StoppedGroup:
    """CEs that get no new pilots, for the same reason."""

    state: str
    reason: str
    ces: list[str]


EACH = 12
"""Up to this number, CEs that get no new pilots have a row each."""


def stopped(lines: Sequence[CELine]) -> list[StoppedGroup]:
    """List the CEs that get no new pilots, with reasons; if there are many, grouped by reason."""
    if len(lines) <= EACH:
        return [
            StoppedGroup(
                state=without_reason(states.shown(line)), reason=_reason(line), ces=[line.name]
            )
            for line in lines
        ]
    alike: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        alike.setdefault((states.short(states.shown(line)), _cause(line)), []).append(line.name)
    groups = [
        StoppedGroup(state=state, reason=reason, ces=names)
        for (state, reason), names in alike.items()
    ]
    return sorted(groups, key=lambda one: (states.PLACES[one.state], -len(one.ces), one.reason))


def _reason(line: CELine) -> str:
    return line.trouble or states.shown(line).partition(": ")[2] or "no new pilots are sent"


def _cause(line: CELine) -> str:
    """Return a reason without its moments, so that equal reasons compare equal."""
    if line.trouble is not None and line.last_error:
        return line.last_error
    if line.setter is not None:
        return line.setter.without_moment
    return states.shown(line).partition(": ")[2] or "no new pilots are sent"
