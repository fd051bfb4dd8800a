"""The ticks of an hour, as a small drawing and as rows; equal neighbours are one row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from statistics import median

from worker.domain.decision import Decision
from worker.services.observe.cycles import DecisionFacts, facts_behind
from worker.web.console.explain.kinds import ReasonKind, kind_of
from worker.web.console.explain.sentences import because

WIDTH = 100
HEIGHT = 20
"""The height of the drawing above its axis, in units; ticks without pilots are below it."""

MOST = 200
"""The most ticks that are drawn: the latest ones."""

ROWS = 8
"""The most rows that are shown: the latest ones."""

_STOPPED = frozenset({ReasonKind.VO_CLOSED, ReasonKind.CE_CLOSED, ReasonKind.NO_RATE})
_PAUSED = frozenset({ReasonKind.PAUSED, ReasonKind.POOR, ReasonKind.PROBE})


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One tick in the drawing."""

    at: datetime
    title: str
    kind: str
    begin: float
    breadth: float
    height: float
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class TickRun:
    """Consecutive ticks with equal decisions."""

    begin: datetime
    end: datetime
    ticks: int
    granted: int
    text: str
    kind: str
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The ticks of an hour as they are shown."""

    begin: datetime
    end: datetime
    ticks: int
    most: int
    bars: list[Bar]
    runs: list[TickRun]
    before: datetime | None
    after: datetime | None


def hour(ticks: Sequence[Decision], begin: datetime, end: datetime, chosen: datetime) -> Hour:
    """Lay out the ticks between two moments; one of them is chosen."""
    drawn = ticks[-MOST:]
    most = max((one.granted for one in drawn), default=0)
    return Hour(
        begin=begin,
        end=end,
        ticks=len(ticks),
        most=most,
        bars=_bars(drawn, begin, end, chosen),
        runs=_runs(ticks, chosen)[-ROWS:][::-1],
        before=max((one.at for one in ticks if one.at < chosen), default=None),
        after=min((one.at for one in ticks if one.at > chosen), default=None),
    )


def _bars(ticks: Sequence[Decision], begin: datetime, end: datetime, chosen: datetime) -> list[Bar]:
    whole = max(1.0, (end - begin).total_seconds())
    most = max(1, *(one.granted for one in ticks)) if ticks else 1
    gaps = [(after.at - one.at).total_seconds() for one, after in pairwise(ticks)]
    usual = median(gaps) if gaps else whole
    breadth = round(max(0.12, min(1.4, 0.8 * WIDTH * usual / whole)), 2)
    return [
        Bar(
            at=one.at,
            title=f"{one.at:%H:%M:%S}: {one.granted}",
            kind=kind(one),
            begin=round((WIDTH - breadth) * (one.at - begin).total_seconds() / whole, 2),
            breadth=breadth,
            height=round(max(1.0, HEIGHT * one.granted / most), 2) if one.granted else 0.0,
            is_chosen=one.at == chosen,
        )
        for one in ticks
    ]


def kind(decision: Decision) -> str:
    """Return how a tick is drawn: with pilots, or by the reason why it has none."""
    if decision.granted:
        return "got"
    return kind_without(facts_behind(decision))


def kind_without(case: DecisionFacts | None) -> str:
    """Return the kind of the reason why a tick has no pilots."""
    decided = kind_of(case) if case else ReasonKind.OTHER
    if decided in _STOPPED:
        return "stopped"
    return "paused" if decided in _PAUSED else "none"


def _runs(ticks: Sequence[Decision], chosen: datetime) -> list[TickRun]:
    return [_run(list(equal), chosen) for _, equal in groupby(ticks, _group_key)]


def _run(ticks: Sequence[Decision], chosen: datetime) -> TickRun:
    last = ticks[-1]
    return TickRun(
        begin=ticks[0].at,
        end=last.at,
        ticks=len(ticks),
        granted=sum(one.granted for one in ticks),
        text=reason(last),
        kind=kind(last),
        is_chosen=any(one.at == chosen for one in ticks),
    )


def _group_key(decision: Decision) -> object:
    """Return the key that ticks with equal decisions share; their numbers may differ."""
    case = facts_behind(decision)
    decided = kind_of(case) if case else decision.reason
    if case is not None and decided in (
        ReasonKind.VO_CLOSED,
        ReasonKind.CE_CLOSED,
        ReasonKind.OTHER,
    ):
        return because(case)
    return decided, decision.granted > 0


def reason(decision: Decision) -> str:
    """Return the reason in a few words."""
    case = facts_behind(decision)
    return decision.reason if case is None else because(case)
