"""Actions on many pilots at once: cancel all that match a filter, or send some by hand.

The set of pilots is fixed at the start. Each batch is a unit of work of its own, so that ticks go
on in between, and an interrupted action has done whole batches only.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from worker.db import pilot_reads, pilots
from worker.db.changes import note
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.errors import ConfirmationNeeded, InUse, Invalid, NoFreeSlot
from worker.domain.pilot import Grant, Status
from worker.domain.pilot_filter import PilotFilter
from worker.domain.vo import DEFAULT_VO
from worker.services.allowed import allowed_to, require_vo
from worker.services.closings import closed_without_policy
from worker.services.operate.pilots import ASKED_FOR
from worker.services.places import require_places
from worker.services.runtime import Runtime, TaskResult

BATCH = 1000
"""Number of pilots in one unit of work."""

MOST = 10_000
"""The largest number of pilots that can be sent at once."""

Batch = Sequence[tuple[int, str, Status]]


@dataclass(frozen=True)
class PilotSet:
    """The active pilots that matched a filter at one moment: number, CE and status of each."""

    pilots: Batch

    def __str__(self) -> str:
        return in_words(self.by_ce())

    def by_ce(self) -> dict[str, Counter[Status]]:
        """Count the pilots by CE and status."""
        counts: dict[str, Counter[Status]] = {}
        for _, ce, status in self.pilots:
            counts.setdefault(ce, Counter())[status] += 1
        return dict(sorted(counts.items()))


def in_words(by_ce: Mapping[str, Mapping[Status, int]]) -> str:
    """Write how many pilots these are, by status, and at how many CEs."""
    counts: Counter[Status] = Counter()
    for of_ce in by_ce.values():
        counts.update(of_ce)
    parts = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    where = "1 CE" if len(by_ce) == 1 else f"{len(by_ce)} CEs"
    return f"{counts.total()} pilots at {where} ({parts})" if counts else "no pilot"


@allowed_to(Role.READ)
def count_active(runtime: Runtime, chosen: PilotFilter) -> dict[str, dict[Status, int]]:
    """Count the active pilots that match a filter now, by CE and status."""
    return {ce: dict(counts) for ce, counts in _active(runtime, chosen).by_ce().items()}


def _active(runtime: Runtime, chosen: PilotFilter) -> PilotSet:
    """Return the active pilots that match a filter now. An empty filter is refused."""
    if not chosen.values():
        raise Invalid(
            "filter", "it is empty and means every pilot", "name a CE, a VO, a status or an age"
        )
    with runtime.database.uow() as tx:
        require_places(tx, chosen.ce, chosen.vo)
        return PilotSet(pilot_reads.active(tx, chosen, runtime.now()))


@allowed_to(Role.OPERATE, for_one_vo=True)
def cancel_matching(runtime: Runtime, chosen: PilotFilter) -> TaskResult:
    """Cancel all pilots that match a filter now: unsent ones at once, others at their next check.

    No CE is called.
    """
    return cancel_with_progress(runtime, chosen, yes=True, each=iter)


def cancel_with_progress(
    runtime: Runtime,
    chosen: PilotFilter,
    *,
    yes: bool,
    each: Callable[[Sequence[Batch]], Iterable[Batch]],
) -> TaskResult:
    """Cancel pilots in batches; `each` iterates over the batches, and may show the progress."""
    require_vo(runtime, chosen.vo)
    meant = _active(runtime, chosen)
    if meant.pilots and not yes:
        raise ConfirmationNeeded(f"this would cancel {meant}")
    counts = Counter({"cancelled": 0, "asked": 0})
    for of_batch in _cancel_each(runtime, chosen, meant, each):
        counts.update(of_batch)
    return TaskResult(counts=counts)


@allowed_to(Role.OPERATE, for_one_vo=True)
def cancel_in_batches(runtime: Runtime, chosen: PilotFilter) -> Iterator[Counter[str]]:
    """Cancel pilots batch by batch, and yield the counts so far after each batch.

    A batch is cancelled only when its counts are read: a caller that stops reading leaves the rest.
    """
    require_vo(runtime, chosen.vo)
    return accumulate(_cancel_each(runtime, chosen, _active(runtime, chosen), iter))


def _cancel_each(
    runtime: Runtime,
    chosen: PilotFilter,
    meant: PilotSet,
    each: Callable[[Sequence[Batch]], Iterable[Batch]],
) -> Iterator[Counter[str]]:
    batches = [meant.pilots[i : i + BATCH] for i in range(0, len(meant.pilots), BATCH)]
    for number, batch in enumerate(each(batches)):
        with runtime.database.uow() as tx:
            if number == 0:
                _note(tx, chosen, meant)
            cancelled = _cancel(tx, runtime, batch)
        yield Counter(cancelled=cancelled, asked=len(batch) - cancelled)


@dataclass(frozen=True, kw_only=True)
class HeldSlots:
    """The pilots that will be sent, by their numbers; there may be fewer than requested."""

    ce: str
    vo: str
    count: int
    """How many were requested."""
    pilots: list[int]


@allowed_to(Role.OPERATE, for_one_vo=True)
def submit(runtime: Runtime, ce: str, vo: str = DEFAULT_VO, count: int = 1) -> HeldSlots:
    """Hold slots of a CE for a VO by hand; the next dispatch sends the pilots.

    Every limit holds as for a tick: `pilots` may be fewer than `count`, and without a free slot the
    request is refused. No policy is asked: the operator decides.
    """
    require_vo(runtime, vo)
    if not 1 <= count <= MOST:
        raise Invalid("count", f"{count} is not between 1 and {MOST}")
    with runtime.database.uow() as tx:
        why = closed_without_policy(tx, vo, ce, runtime.now())
        if why is not None:
            raise InUse(f"CE {ce}", f"it gets no pilots of VO {vo}: {why}")
        made = pilots.reserve(tx, [Grant(vo=vo, ce=ce, count=count)], runtime.now())
        if not made:
            raise NoFreeSlot(f"CE {ce}", f"VO {vo}")
        note(tx, "ce", ce, "submit", after={"vo": vo, "count": len(made)})
        tx.after_commit(lambda: runtime.nudge("dispatch", ce))
        numbers = [one.pilot_id for one in made]
        return tx.answer(HeldSlots(ce=ce, vo=vo, count=count, pilots=numbers))


@allowed_to(Role.READ)
def count_by_status(runtime: Runtime) -> dict[Status, int]:
    """Count the pilots by status; a status without pilots is left out."""
    with runtime.database.uow() as tx:
        return pilot_reads.count_by_status(tx)


def _cancel(tx: Transaction, runtime: Runtime, batch: Batch) -> int:
    """Cancel the pilots of a batch; return how many were never sent."""
    now, ids = runtime.now(), [number for number, _, _ in batch]
    unsent = [number for number, _, status in batch if status is Status.RESERVED]
    cancelled = pilots.cancel_reserved(tx, unsent, ASKED_FOR, now)
    # This includes reserved pilots that were sent meanwhile.
    pilots.request_cancel(tx, dict.fromkeys(ids, ASKED_FOR), now)
    pilots.check_soon(tx, ids, now)
    return cancelled


def _note(tx: Transaction, chosen: PilotFilter, meant: PilotSet) -> None:
    """Record the cancellation as one change: how many pilots, and the filter."""
    after = {"count": len(meant.pilots), **chosen.values()}
    note(tx, "pilot", f"{len(meant.pilots)} pilots", "cancel", after=after)
