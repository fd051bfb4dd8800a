"""The results of the last ticks by CE: CEs without pilots first, in groups if there are many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.domain.decision import Decision
from worker.services.observe.cycles import Cycle, granted_by_ce
from worker.web.console import words
from worker.web.console.ce_rows import AT_ONCE, FOLDED
from worker.web.console.explain.hour import reason

FIRST = 25
"""If CEs are grouped, how many CEs with pilots are shown: those with most pilots."""


@dataclass(frozen=True, kw_only=True)
class CEResult:
    """The pilots of a CE in the last ticks, and a decision that explains the number."""

    ce: str
    granted: int
    decision: Decision
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReasonGroup:
    """CEs without pilots for the same reason."""

    reason: str
    ces: list[str]


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of the last ticks that are shown."""

    groups: list[ReasonGroup]
    """The CEs without pilots, if there are many CEs."""
    rows: list[CEResult]
    left: int
    """How many CEs with pilots are not shown."""
    left_granted: int


def results(cycles: Sequence[Cycle]) -> Results:
    """List what each CE got; with 60 CEs or more, those without pilots are grouped by reason."""
    by_ce: dict[str, list[Cycle]] = {}
    for cycle in cycles:
        for ce in cycle.granted:
            by_ce.setdefault(ce, []).append(cycle)
    sums = granted_by_ce(cycles)
    without = [_result(ce, by_ce[ce], 0) for ce in sums if not sums[ce]]
    got = sorted(((ce, number) for ce, number in sums.items() if number), key=_most_first)
    is_grouped = len(sums) >= FOLDED
    room = FIRST if is_grouped else AT_ONCE
    rows = [_result(ce, by_ce[ce], number) for ce, number in got[:room]]
    return Results(
        groups=_groups(without) if is_grouped else [],
        rows=rows if is_grouped else [*without, *rows],
        left=len(got) - len(rows),
        left_granted=sum(number for _, number in got[room:]),
    )


def _most_first(one: tuple[str, int]) -> tuple[int, str]:
    return -one[1], one[0]


def _result(ce: str, cycles: Sequence[Cycle], granted: int) -> CEResult:
    """Explain a CE by the tick that gave it most pilots; among equal ones, by the first."""
    decision = max(cycles, key=lambda one: one.granted[ce]).decision(ce)
    return CEResult(ce=ce, granted=granted, decision=decision, reason=reason(decision))


def _groups(without: Sequence[CEResult]) -> list[ReasonGroup]:
    by_reason: dict[str, list[str]] = {}
    for one in without:
        by_reason.setdefault(one.reason, []).append(one.ce)
    groups = [ReasonGroup(reason=why, ces=ces) for why, ces in by_reason.items()]
    return sorted(groups, key=lambda one: (-len(one.ces), one.reason))


def headline(cycles: Sequence[Cycle], until: datetime | None = None) -> str:
    """Write in a sentence how many CEs got no pilots."""
    tick = f"the tick by {until:%d %b %H:%M}" if until else "the last tick"
    got = granted_by_ce(cycles)
    without = sum(not granted for granted in got.values())
    if not got:
        return "Nothing was decided yet." if until is None else "Nothing was decided by then."
    if not without:
        each = "The only CE" if len(got) == 1 else f"All {words.number(len(got))} CEs"
        return f"{each} got pilots in {tick}."
    number = f"{words.number(without)} of {words.counted(len(got), 'CE')}"
    return f"{number} got no pilots in {tick}."


NAMED = 8
"""The most VOs that a sentence names."""


def lede(cycles: Sequence[Cycle]) -> str:
    """Write how many pilots each VO got."""
    if not cycles:
        return "A tick of a VO decides how many pilots each CE gets; there was no tick yet."
    each = [
        f"{one.vo} got {words.counted(sum(one.granted.values()), 'pilot')}"
        for one in cycles[:NAMED]
    ]
    return f"In all, {words.listed(each)}{' and others more' if len(cycles) > NAMED else ''}."


@dataclass(frozen=True, kw_only=True)
class TickResult:
    """The result of the last tick of a VO."""

    vo: str
    at: datetime
    granted: int
    ces: int
    """How many CEs got pilots."""


def of_vos(cycles: Sequence[Cycle]) -> list[TickResult]:
    """Sum up the last tick of each VO; VOs that got no pilots come first."""
    made = [
        TickResult(
            vo=one.vo,
            at=one.at,
            granted=sum(one.granted.values()),
            ces=sum(number > 0 for number in one.granted.values()),
        )
        for one in cycles
    ]
    return sorted(made, key=lambda one: (one.granted > 0, one.vo))
