"""The feed of transitions: which of the ids that were read may be given out.

PostgreSQL numbers a row before it is committed, so a lower id may appear after a higher one. The
rows after a gap wait until the gap is filled, or until every transaction that could fill it has
ended.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.domain.pilot import Transition

SETTLED_AFTER = 1.0
"""Seconds after which a transaction that has drawn an id certainly has a number, too."""

MOST = 1000
"""The most events of one reading."""


@dataclass(frozen=True, kw_only=True)
class PilotEvent(Transition):
    """A transition, with the stamp, the VO and the CE of its pilot."""

    stamp: str
    vo: str
    ce: str


@dataclass(frozen=True)
class Snapshot:
    """The transactions at the moment of a reading, by their numbers.

    Transactions below `oldest` have ended. Transactions from `following` on have not begun.
    """

    oldest: int
    following: int


@dataclass(frozen=True)
class Gap:
    """Ids without a row, from `first` to `last`, between two ids that have a row.

    The gap is dead when every transaction below `horizon` has ended: nothing can fill it any more.
    The horizon is `None` while the gap is younger than `SETTLED_AFTER`.
    """

    first: int
    last: int
    noticed_at: float
    horizon: int | None = None

    def at(self, snapshot: Snapshot, now: float) -> "Gap":
        """Return the gap, with a horizon if it is old enough by now."""
        if self.horizon is None and now - self.noticed_at >= SETTLED_AFTER:
            return replace(self, horizon=snapshot.following)
        return self

    def is_dead(self, snapshot: Snapshot) -> bool:
        return self.horizon is not None and snapshot.oldest >= self.horizon


@dataclass(frozen=True)
class Passage:
    """How far the feed may go: the last id that may be given out, and the gaps after that id.

    A reader that goes on from long ago begins with one gap up to the newest id. So all ids that
    are missing before the newest have the same age.
    """

    position: int
    gaps: tuple[Gap, ...] = ()


def passage(start: Passage, ids: Sequence[int], snapshot: Snapshot | None, now: float) -> Passage:
    """Go from a position through the ids after it, in their order, up to the first open gap.

    The snapshot is that of the statement which read the ids. Without a snapshot, the database has a
    single writer, and missing ids stay missing. The gaps after the first open one are kept as well.
    """
    if snapshot is None:
        return Passage(ids[-1] if ids else start.position)
    end = ids[-1] if ids else start.position
    older = _behind(start.gaps, end)
    gaps = tuple(gap.at(snapshot, now) for gap in (*_gaps(start, ids, now), *older))
    opens = [gap.first for gap in gaps if gap.last < end and not gap.is_dead(snapshot)]
    if opens:
        passed = bisect_right(ids, opens[0])
        end = ids[passed - 1] if passed else start.position
    return Passage(end, _behind(gaps, end))


def _behind(gaps: Sequence[Gap], position: int) -> tuple[Gap, ...]:
    """Return the gaps, or the parts of gaps, after a position."""
    return tuple(
        replace(gap, first=max(gap.first, position + 1)) for gap in gaps if gap.last > position
    )


def _gaps(start: Passage, ids: Sequence[int], now: float) -> list[Gap]:
    """Return the gaps between the ids. The rest of an older gap keeps that gap's age."""
    older = start.gaps
    firsts = [gap.first for gap in older]
    gaps = []
    for before, after in zip([start.position, *ids], ids, strict=False):
        first, last = before + 1, after - 1
        if first > last:
            continue
        index = bisect_right(firsts, first) - 1
        if index >= 0 and last <= older[index].last:
            gaps.append(replace(older[index], first=first, last=last))
        else:
            gaps.append(Gap(first, last, now))
    return gaps
