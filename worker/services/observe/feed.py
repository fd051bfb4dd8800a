"""The feed of transitions: each once, in the order of the ids, from any position.

    feed = Feed(runtime, after=4711)
    while True:
        reading = feed.read()
        send(reading.events, reading.position)

A position is the id of a transition. A reader that continues from a position gets the transitions
after it, without a gap and without a repetition.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from worker.db import feed
from worker.db.uow import Transaction
from worker.domain.errors import Invalid
from worker.domain.feed import MOST, Gap, Passage, PilotEvent, passage
from worker.domain.pilot import Status
from worker.services.places import require_places
from worker.services.runtime import Runtime

LONGEST_WRITE = timedelta(minutes=10)
"""No transaction of ours is open for longer. An older gap in the ids is never filled."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Events, and the position after them and after the events that the filters hide.

    `begins_at` is set by the first reading if events after the position that was asked for may be
    missing, because they were pruned or the database is another one: the feed continues at this id.
    If `is_full`, more events may be ready.
    """

    events: tuple[PilotEvent, ...]
    position: int
    begins_at: int | None = None
    is_full: bool = False


class Feed:
    """Reads the transitions after a position; without one, those committed from now on.

    The first reading refuses a CE or VO that does not exist; if it is removed later, it matches
    nothing. A reading that fails can be repeated. Each reader needs its own feed, which remembers
    the position and the gaps before it.
    """

    def __init__(
        self,
        runtime: Runtime,
        after: int | None = None,
        *,
        vo: str | None = None,
        ce: str | None = None,
        statuses: Collection[Status] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if after is not None and not 0 <= after < 2**63:
            raise Invalid("after", f"{after} is not an id of a transition")
        self._runtime = runtime
        self._after = after
        self._vo, self._ce, self._statuses = vo, ce, frozenset(statuses)
        self._clock = clock
        self._passage: Passage | None = None

    @property
    def position(self) -> int | None:
        """The current position; before the first reading, the one that was asked for."""
        return self._after if self._passage is None else self._passage.position

    def read(self, limit: int = 500) -> Reading:
        """Read the events that are safe to return now, in one unit of work.

        Except for the first reading this is a single statement.
        """
        if not 1 <= limit <= MOST:
            raise Invalid("limit", f"{limit} is not between 1 and {MOST}")
        begins_at = None
        start = self._passage
        with self._runtime.database.uow() as tx:
            if start is None:
                start, begins_at = self._begin(tx)
            events, snapshot = feed.following(tx, start.position, limit)
        ids = [event.id for event in events]
        end = passage(start, ids, snapshot, self._clock())
        self._passage = end
        return Reading(
            events=tuple(e for e in events if e.id <= end.position and self._matches(e)),
            position=end.position,
            begins_at=begins_at,
            is_full=len(ids) == limit and ids[-1] == end.position,
        )

    def _begin(self, tx: Transaction) -> tuple[Passage, int | None]:
        """Return where to begin, and the first id still kept if earlier ones may be deleted."""
        require_places(tx, self._ce, self._vo)
        now = self._runtime.now()
        since = now - LONGEST_WRITE
        if self._after is None:
            return Passage(feed.newest_safe_position(tx, since)), None
        place = feed.place(tx, self._after, since)
        if self._after == 0:
            is_kept = place.next_id <= 1
        else:
            is_kept = place.at is not None and place.at >= now - self._runtime.keep_final
        missing = Gap(place.start + 1, place.newest, self._clock())
        start = Passage(place.start, (missing,))
        return start, None if is_kept else place.next_id or place.start + 1

    def _matches(self, event: PilotEvent) -> bool:
        return (
            self._vo in (None, event.vo)
            and self._ce in (None, event.ce)
            and (not self._statuses or event.became in self._statuses)
        )
