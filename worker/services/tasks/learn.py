"""learn: fold what became of pilots into what is known of each CE, its pauses included.

Every transition is learnt from once, whenever it was committed; the cost is that of the new ones.
What cannot be judged yet is postponed, so that it never stands before what can.
What a replay of the history would give is what is stored.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from worker.db import ces, health, locks, outcomes, sending
from worker.db.health import Lesson
from worker.db.outcomes import CEQueue, Outcome
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.policy.learning import Queue, judge
from worker.policy.learning import learn as fold
from worker.policy.outcomes import Event, Step, events_of, look_again
from worker.policy.parameters import Parameters
from worker.services.runtime import Runtime, TaskResult, busy

AT_ONCE = 20_000
"""New transitions that one execution learns from at the most, and as many that were postponed."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What one execution learns."""

    ids: list[int]
    postponed: dict[int, datetime]
    events: int
    lessons: list[Lesson]
    changes: list[SendingChange]
    lines: tuple[str, ...]


def learn(runtime: Runtime) -> TaskResult:
    """Bring what is known of every CE up to date."""
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, "learn"):
            return busy("another execution learns")
        now = runtime.now()
        found = _learned(tx, runtime.parameters, now)
        outcomes.mark(tx, found.ids, now)
        outcomes.postpone(tx, found.postponed)
        health.save_lessons(tx, found.lessons, now)
        sending.add(tx, found.changes)
    return TaskResult(
        counts={"outcomes": found.events, "CEs": len(found.lessons), "changes": len(found.changes)},
        lines=found.lines,
    )


def plan(runtime: Runtime) -> TaskResult:
    """Say what `learn` would fold in now, and change nothing."""
    with runtime.database.uow() as tx:
        found = _learned(tx, runtime.parameters, runtime.now())
    return TaskResult(counts={"would fold in": found.events}, lines=found.lines)


def _learned(tx: Transaction, parameters: Parameters, now: datetime) -> Learned:
    known = health.get_all(tx)
    configured = ces.success_rates(tx)
    unlearned = outcomes.unlearned(tx, AT_ONCE, now)
    ids, events = events_from(unlearned, parameters)
    learnt = frozenset(ids)
    queues = outcomes.queues(tx, now)
    stale = {ce for ce, was in known.items() if was.queue_drained or was.oldest_waiting_since}
    lessons, changes, lines = [], [], []
    for ce in sorted(events.keys() | queues.keys() | stale):
        queue = queues.get(ce, CEQueue())
        learned = fold(
            known[ce].learned,
            [event for _, event in sorted(events.get(ce, ()))],
            now=now,
            configured=configured[ce],
            queue=Queue(
                oldest_waiting_since=queue.oldest_waiting_since, last_began=queue.last_began
            ),
            parameters=parameters,
        )
        judged = judge(learned.state, now=now, configured=configured[ce], parameters=parameters)
        pause, since = (judged.pause.reason, judged.pause.since) if judged.pause else (None, None)
        lessons.append(
            Lesson(
                ce=ce,
                learned=learned.state,
                pause=pause,
                since=since,
                queue_drained=queue.drained,
                oldest_waiting_since=queue.oldest_waiting_since,
            )
        )
        changes += [
            SendingChange(ce=ce, by_hand=False, **asdict(change)) for change in learned.changes
        ]
        lines.append(f"{ce}  chance {judged.chances.all:.2f}")
    return Learned(
        ids=ids,
        postponed={
            one.id: look_again(_step(one), now, survival=parameters.survival)
            for one in unlearned
            if one.id not in learnt
        },
        events=sum(map(len, events.values())),
        lessons=lessons,
        changes=changes,
        lines=tuple(lines),
    )


def events_from(
    found: list[Outcome], parameters: Parameters
) -> tuple[list[int], dict[str, list[tuple[tuple[datetime, int, int], Event]]]]:
    """Tell what transitions teach, by CE, in an order; those that teach nothing yet are left."""
    ids: list[int] = []
    events: dict[str, list[tuple[tuple[datetime, int, int], Event]]] = {}
    for one in found:
        taught = events_of(_step(one), survival=parameters.survival)
        if taught is None:
            continue
        ids.append(one.id)
        for number, event in enumerate(taught):
            events.setdefault(one.ce, []).append(((event.at, one.id, number), event))
    return ids, events


def _step(one: Outcome) -> Step:
    return Step(
        was=one.was,
        became=one.became,
        cause=one.cause,
        at=one.at,
        status=one.status,
        started_at=one.started_at,
        ended_at=one.ended_at,
        checked_at=one.checked_at,
    )
