"""Work: whether the pilots of a VO find any, and at which CE alone they do not.

A pilot that ends well after seconds may have found no work, or a CE may have let it end for
nothing. Which of both it was shows a comparison of pilots that began in the same minutes:

- its VO's pilots at other CEs are of use: the CE swallows pilots, as any black hole does;
- none of its VO's is of use, wherever it began: the VO has no work, and no CE is to blame.

A good pilot is known later than a short one. So only minutes count whose good pilots are known.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, log
from operator import add
from typing import NamedTuple

from worker.policy.learning import Hole
from worker.policy.outcomes import Event, EventKind
from worker.policy.parameters import DEFAULTS, Parameters

MINUTE = timedelta(minutes=1)
WINDOW = timedelta(hours=1)
"""How far back beginnings are looked at."""

LEAST_USEFUL = 2
"""Useful pilots at other CEs that are enough to compare with."""

LEAST_ELSEWHERE = 3
"""Pilots without use beside those of one CE that show that it is not the CE."""


class Cohort(NamedTuple):
    """The pilots of a VO that began at a CE in one minute, as far as their use is known."""

    vo: str
    ce: str
    minute: datetime
    useful: int = 0
    short: int = 0
    empty: int = 0
    served: int = 0
    """How many were of use whatever they said of it: these alone show that the CE is well."""

    @property
    def of_no_use(self) -> int:
        """How many ended well for nothing."""
        return self.short + self.empty


@dataclass(frozen=True, kw_only=True)
class NoWork:
    """That the pilots of a VO find no work: why we think so, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a comparison of the CEs shows."""

    holes: Mapping[str, Hole]
    """By CE."""
    without_work: Mapping[str, NoWork]
    """By VO."""


def counted(vo: str, ce: str, event: Event, *, known_at_start: bool) -> Cohort | None:
    """Return what one event adds to a cohort, if it says something of a pilot's use.

    One that outlives its first minutes has work, and counts then; where a VO asks for a longer
    life, its end counts.
    """
    if event.began is None:
        return None
    cohort = Cohort(vo, ce, event.began.replace(second=0, microsecond=0))
    if event.kind is (EventKind.STARTED if known_at_start else EventKind.FINISHED):
        return cohort._replace(useful=1, served=1)
    if event.kind is EventKind.EMPTY:
        return cohort._replace(empty=1)
    return cohort._replace(short=1) if event.kind is EventKind.SHORT else None


def merged(cohorts: Iterable[Cohort]) -> list[Cohort]:
    """Add up what is said of the same pilots."""
    sums: dict[tuple[str, str, datetime], Cohort] = {}
    for one in cohorts:
        sum_ = sums.get(one[:3])
        sums[one[:3]] = one if sum_ is None else Cohort(*one[:3], *map(add, sum_[3:], one[3:]))
    return [cohort for _, cohort in sorted(sums.items())]


def judge(cohorts: Iterable[Cohort], now: datetime, parameters: Parameters = DEFAULTS) -> Verdicts:
    """Return which CEs swallow pilots, and which VOs have no work."""
    last_known = now - parameters.survival - parameters.known_after - MINUTE
    # What began in the future began by a clock that was set back since.
    recent = [one for one in cohorts if now - WINDOW < one.minute <= now]
    by_vo: dict[str, list[Cohort]] = defaultdict(list)
    served_at: dict[str, list[Cohort]] = defaultdict(list)
    for one in recent:
        by_vo[one.vo].append(one)
        if one.served > 0:
            served_at[one.ce].append(one)
    holes: dict[str, Hole] = {}
    without_work = {}
    for vo, of_vo in sorted(by_vo.items()):
        missing = _no_work(of_vo, last_known, parameters)
        if missing is not None:
            without_work[vo] = missing
            continue
        for ce, (hole, streak) in _holes(vo, of_vo, last_known, parameters).items():
            # Whoever else has had work there meanwhile shows that it is not the CE. In the minute
            # in which it began to swallow, a pilot may have begun just before.
            since = min(hole.since + MINUTE, streak.latest)
            if not any(one.minute >= since for one in served_at[ce]):
                holes.setdefault(ce, hole)
    return Verdicts(holes=holes, without_work=without_work)


def demand_without(
    missing: NoWork | None, demand: int | None, parameters: Parameters = DEFAULTS
) -> int | None:
    """Return the demand of a VO, which is a trickle while its pilots find no work."""
    if missing is None:
        return demand
    return parameters.trickle if demand is None else min(demand, parameters.trickle)


def _no_work(
    cohorts: Sequence[Cohort], last_known: datetime, parameters: Parameters
) -> NoWork | None:
    latest = max((one.minute for one in cohorts if one.useful > 0), default=None)
    after = [one for one in cohorts if latest is None or one.minute > latest]
    for_nothing = [one for one in after if one.minute <= last_known and one.of_no_use > 0]
    by_ce: dict[str, int] = defaultdict(int)
    for one in for_nothing:
        by_ce[one.ce] += one.of_no_use
    number = sum(by_ce.values())
    before = [one for one in cohorts if latest is not None and one.minute <= latest]
    if number < _limit(before, parameters):
        return None
    if number - max(by_ce.values()) < LEAST_ELSEWHERE and len({one.ce for one in after}) > 1:
        return None
    since = min(one.minute for one in for_nothing)
    places = "1 CE" if len(by_ce) == 1 else f"{len(by_ce)} CEs"
    return NoWork(
        reason=f"its last {number} pilots in a row found no work, at {places}", since=since
    )


class _Streak(NamedTuple):
    """Short pilots in a row: how many, and the minutes in which the first and the last began."""

    short: int
    first: datetime
    latest: datetime


def _holes(
    vo: str, cohorts: Sequence[Cohort], last_known: datetime, parameters: Parameters
) -> dict[str, tuple[Hole, _Streak]]:
    by_ce: dict[str, list[Cohort]] = defaultdict(list)
    for one in cohorts:
        by_ce[one.ce].append(one)
    holes = {}
    for ce, own in by_ce.items():
        streak = _short_in_a_row(own, last_known)
        if streak is None or streak.short < parameters.least_short:
            continue
        # What pilots only say shows nothing: it must not blame a CE.
        others = [
            one._replace(useful=min(one.useful, one.served))
            for one in cohorts
            if one.ce != ce and one.minute >= streak.first
        ]
        useful = sum(max(0, one.useful) for one in others)
        if useful >= LEAST_USEFUL and streak.short >= _limit(others, parameters):
            compared = useful + sum(one.of_no_use for one in others)
            reason = (
                f"{streak.short} pilots of VO {vo} in a row ended for nothing; at other CEs"
                f" {useful} of {compared} were of use"
            )
            holes[ce] = Hole(reason=reason, since=streak.first), streak
    return holes


def _short_in_a_row(cohorts: Sequence[Cohort], last_known: datetime) -> _Streak | None:
    """Return the short pilots since the last useful one."""
    streak = None
    for one in sorted(cohorts, key=lambda one: one.minute, reverse=True):
        if one.useful > 0:
            break
        if one.short and one.minute <= last_known:
            short, latest = (streak.short, streak.latest) if streak else (0, one.minute)
            streak = _Streak(short + one.short, one.minute, latest)
    return streak


def _limit(cohorts: Sequence[Cohort], parameters: Parameters) -> int:
    """Return how many pilots without use in a row luck does not explain."""
    useful = sum(max(0, one.useful) for one in cohorts)
    for_nothing = sum(one.of_no_use for one in cohorts)
    luck = (for_nothing + 1) / (useful + for_nothing + 2)
    return max(parameters.least_short, ceil(log(parameters.surprise) / log(luck)))


class Usual:
    """How long the pilots of a VO usually live, by the time that they take of slots.

    So however many short ones there are, they change it little. One that has outlived its first
    minutes is expected to live for six times as long until its end says more.
    """

    GUESS = 6.0

    def __init__(self, state: Mapping[str, float] | None, parameters: Parameters) -> None:
        values = state or {}
        self._parameters = parameters
        self._at: float | None = values.get("at")
        self._weight: float = values.get("weight", 0.0)
        self._sum: float = values.get("sum", 0.0)

    def stored(self) -> dict[str, float]:
        """Return the state to store."""
        return {"at": self._at or 0.0, "weight": self._weight, "sum": self._sum}

    def add(self, event: Event) -> None:
        """Count the life of a pilot."""
        if event.ran is None:
            return
        survival = self._parameters.survival.total_seconds()
        if event.kind is EventKind.STARTED and event.ran.total_seconds() >= survival:
            self._add(survival, self.GUESS * survival, event.at)
        elif event.kind in (EventKind.FINISHED, EventKind.SHORT, EventKind.EMPTY):
            ran = event.ran.total_seconds()
            self._add(ran, ran, event.at)

    @property
    def length(self) -> timedelta | None:
        """How long they usually live, if any has."""
        return timedelta(seconds=self._sum / self._weight) if self._weight > 0 else None

    @property
    def useful_after(self) -> timedelta:
        """How long a pilot must have run to have been of use, where nobody says it."""
        length = self.length or timedelta()
        return min(self._parameters.survival, self._parameters.short_part * length)

    def _add(self, weight: float, length: float, moment: datetime) -> None:
        at = moment.astimezone(UTC).timestamp()
        if self._at is not None and at > self._at:
            left = 0.5 ** ((at - self._at) / self._parameters.memory.total_seconds())
            self._weight *= left
            self._sum *= left
        self._at = max(at, self._at or at)
        self._weight += weight
        self._sum += weight * length
