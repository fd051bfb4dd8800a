"""The demand of a VO: the answer of its source, the pilots that are subtracted, and the bounds.

A source may count how many pilots are wanted altogether; or how many more, those that wait
included; or the open jobs, one pilot for each; or how many are wanted ever, those that are done
included. Bounds and delays need one measure: pilots altogether, that is the running ones and those
that are wanted in addition.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.domain.checks import LARGEST
from worker.domain.words import Described


class DemandCounts(Described):
    """What the number of a source counts."""

    MORE = "more", "The waiting and new pilots that are wanted."
    TOTAL = "total", "All pilots that are wanted, those that wait or run included."
    JOBS = "jobs", "Open jobs, one for each pilot; a pilot that ends has done its job."
    EVER = "ever", "All pilots that are ever wanted, those that were useful, wait or run included."

    def of(self, number: int) -> str:
        """Return in words how many pilots this number wants: '5 more pilots'."""
        few, many = _WANTED[self]
        return few if number == 1 else f"{number:,} {many}"


_WANTED = {
    DemandCounts.MORE: ("1 more pilot", "more pilots"),
    DemandCounts.TOTAL: ("1 pilot in all", "pilots in all"),
    DemandCounts.JOBS: ("1 pilot, for the one open job", "pilots, one for each open job"),
    DemandCounts.EVER: ("1 pilot of use, ever", "pilots of use, those done included"),
}


@dataclass(frozen=True, kw_only=True)
class EndedPilots:
    """How many pilots of a VO have ended, for a source that counts ended pilots, too."""

    useful: int = 0
    failed: int = 0
    """How many ever began and failed by themselves."""
    since: int = 0
    """How many have ended in any way since the source was last asked."""


NONE_ENDED = EndedPilots()


@dataclass(frozen=True, kw_only=True)
class BatchProgress:
    """How many pilots are to be of use in all, and how many have been so far."""

    number: int
    ended: EndedPilots
    most_failed: int | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether so many failed that no more are wanted."""
        return self.most_failed is not None and self.ended.failed >= self.most_failed

    @property
    def left(self) -> int:
        """How many are still wanted, those that wait or run included."""
        return 0 if self.is_given_up else max(0, self.number - self.ended.useful)

    @property
    def words(self) -> str:
        """The progress as a text, for the status and the explanation."""
        text = f"{self.ended.useful} of {self.number} done, {self.ended.failed} failed"
        if self.ended.useful >= self.number:
            return f"{text}: all are done"
        return f"{text}: given up" if self.is_given_up else text


@dataclass(frozen=True, kw_only=True)
class DemandBounds:
    """The bounds of the demand of a VO, in pilots altogether. `None` is no bound."""

    least: int | None = None
    most: int | None = None
    delay: timedelta | None = None
    """How long a number is held while the source answers lower numbers."""


@dataclass(frozen=True, kw_only=True)
class HeldTotal:
    """The total that is held during the VO's delay while the answers are lower."""

    held: int | None = None
    lower: int | None = None
    """The highest of the lower answers; it is held next."""
    lower_since: datetime | None = None

    def at(self, now: datetime, delay: timedelta) -> "HeldTotal":
        """Return what is held at a moment; after the delay, the highest of the lower answers."""
        if self.lower_since is None or now - self.lower_since < delay:
            return self
        return HeldTotal(held=self.lower)

    def after(self, total: int, now: datetime, delay: timedelta) -> "HeldTotal":
        """Return what is held after a new answer of the source."""
        before = self.at(now, delay)
        if before.held is None or total >= before.held:
            return HeldTotal(held=total)
        lower = total if before.lower is None else max(total, before.lower)
        return HeldTotal(held=before.held, lower=lower, lower_since=before.lower_since or now)


@dataclass(frozen=True, kw_only=True)
class CountedDemand:
    """A demand after the pilots of the VO were subtracted. `None` is unlimited."""

    demand: int | None
    """More pilots that the VO could use, those that wait included."""
    wanted: int | None = None
    """Pilots that the VO wants altogether, where these were counted."""
    has: int | None = None
    """The pilots of the VO that wait or run, which were subtracted."""
    words: str | None = None


NO_BOUNDS = DemandBounds()
NOTHING_HELD = HeldTotal()


def total_of(number: int, counts: DemandCounts, running: int) -> int:
    """Return how many pilots are wanted altogether."""
    return min(LARGEST, number if counts is DemandCounts.TOTAL else number + running)


def count(
    number: int | None,
    counts: DemandCounts,
    *,
    occupying: int,
    waiting: int,
    bounds: DemandBounds = NO_BOUNDS,
    held: int | None = None,
) -> CountedDemand:
    """Apply the bounds of a VO and subtract the pilots that it has.

    If the minimum is above the maximum, the maximum decides.
    """
    running = occupying - waiting
    answered = None if number is None else total_of(number, counts, running)
    total, rule = _bounded(answered, bounds, held)
    if total is None or (rule is None and counts is DemandCounts.MORE):
        return CountedDemand(demand=number)
    more = max(0, total - occupying)
    words = f"wants {total} in all, has {occupying}, so {more} more"
    return CountedDemand(
        demand=max(0, total - running),
        wanted=total,
        has=occupying,
        words=words if rule is None else f"{words}: {rule}",
    )


def _bounded(
    total: int | None, bounds: DemandBounds, held: int | None
) -> tuple[int | None, str | None]:
    """Return a total within the bounds, and the rule that decided it."""
    rule = None
    if total is not None and held is not None and held > total:
        total, rule = held, f"scale_down_delay keeps {held}, though {total} are wanted"
    if total is not None and bounds.least is not None and total < bounds.least:
        total, rule = bounds.least, f"demand_min keeps {bounds.least}"
    if bounds.most is not None and (total is None or total > bounds.most):
        total, rule = bounds.most, f"demand_max allows {bounds.most}"
    return total, rule
