"""Work: whether the pilots of a VO find work, and whether they find none at one CE only.

If a pilot ends well after seconds, either its VO had no work, or the CE let it end for nothing. A
comparison with pilots that began in the same minutes shows which:

- the VO's pilots at other CEs are of use: the CE swallows pilots (a black hole);
- no pilot of the VO is of use, wherever it began: the VO has no work, and no CE is to blame.

That a pilot is of use is known later than that it was short. So only those minutes count whose
useful pilots are already known.
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
"""Only pilots that began within this time are compared."""

LEAST_USEFUL = 2
"""At least so many useful pilots at other CEs are needed for a comparison."""

LEAST_ELSEWHERE = 3
"""At least so many pilots of no use at other CEs show that the CE is not the reason."""


class Cohort(NamedTuple):
    """The pilots of a VO that began at a CE in one minute, as far as their use is known."""

    vo: str
    ce: str
    minute: datetime
    useful: int = 0
    short: int = 0
    empty: int = 0
    served: int = 0
    """How many were of use by more than their own report: only these show that the CE works."""

    @property
    def of_no_use(self) -> int:
        """How many ended well for nothing."""
        return self.short + self.empty


@dataclass(frozen=True, kw_only=True)
class NoWork:
    """A VO whose pilots find no work: the evidence, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The result of a comparison of the CEs."""

    holes: Mapping[str, Hole]
    """The CEs that swallow pilots, by name."""
    without_work: Mapping[str, NoWork]
    """The VOs without work, by name."""


def counted(vo: str, ce: str, event: Event, *, known_at_start: bool) -> Cohort | None:
    """Return what one event adds to a cohort, if it says something about a pilot's use.

    A pilot that survives its first minutes has work, and counts from then on. If its VO asks for a
    longer life (`known_at_start` is false), the pilot counts when it ends well.
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
    """Add up the cohorts of the same VO, CE and minute."""
    sums: dict[tuple[str, str, datetime], Cohort] = {}
    for one in cohorts:
        sum_ = sums.get(one[:3])
        sums[one[:3]] = one if sum_ is None else Cohort(*one[:3], *map(add, sum_[3:], one[3:]))
    return [cohort for _, cohort in sorted(sums.items())]


def judge(cohorts: Iterable[Cohort], now: datetime, parameters: Parameters = DEFAULTS) -> Verdicts:
    """Return which CEs swallow pilots, and which VOs have no work."""
    last_known = now - parameters.survival - parameters.known_after - MINUTE
    # A beginning in the future comes from a clock that was set back meanwhile.
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
            # If pilots of any VO have had work at the CE since then, the CE is not the reason. The
            # first minute is left out: a useful pilot in it may have begun before the trouble.
            since = min(hole.since + MINUTE, streak.latest)
            if not any(one.minute >= since for one in served_at[ce]):
                holes.setdefault(ce, hole)
    return Verdicts(holes=holes, without_work=without_work)


def demand_without(
    missing: NoWork | None, demand: int | None, parameters: Parameters = DEFAULTS
) -> int | None:
    """Return the demand of a VO; while its pilots find no work, at most the trickle."""
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
    """A row of short pilots: how many, and the minutes in which the first and the last began."""

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
        # Uses that are known only from pilot reports are left out: they must not blame a CE.
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
    """Return the number of pilots of no use in a row from which chance does not explain them."""
    useful = sum(max(0, one.useful) for one in cohorts)
    for_nothing = sum(one.of_no_use for one in cohorts)
    luck = (for_nothing + 1) / (useful + for_nothing + 2)
    return max(parameters.least_short, ceil(log(parameters.surprise) / log(luck)))


class Usual:
    """How long the pilots of a VO usually live: a mean that is weighted by their run time.

    So even many short pilots change it little. A pilot that has survived its first minutes is
    expected to live six times as long, until its end shows its real life.
    """

    GUESS = 6.0

    def __init__(
        self,
        state: Mapping[str, float] | None,
        parameters: Parameters,
        now: datetime | None = None,
    ) -> None:
        values = state or {}
        self._parameters = parameters
        self._at: float | None = values.get("at")
        if self._at is not None and now is not None:
            # A moment after now comes from a clock that was set back.
            self._at = min(self._at, now.timestamp())
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
        """How long the pilots usually live; `None` if nothing is known yet."""
        return timedelta(seconds=self._sum / self._weight) if self._weight > 0 else None

    @property
    def useful_after(self) -> timedelta:
        """How long a pilot must have run to have been of use, if its payload does not set it."""
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
