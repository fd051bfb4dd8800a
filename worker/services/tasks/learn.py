"""learn: fold the outcomes of pilots into what is known of each CE, its pauses included.

Every transition is learnt from once, whenever it was committed; the cost is that of the new ones.
One that cannot be judged yet is postponed, so that it never delays others. A replay of the history
gives exactly what is stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from operator import itemgetter

from worker.db import ces, health, locks, outcomes, sending
from worker.db import work as work_records
from worker.db.health import Lesson
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.domain.sending import Sending
from worker.policy.learning import NOTHING_WAITS, evaluate
from worker.policy.learning import learn as fold
from worker.policy.outcomes import Event, PilotOutcome, events_of, look_again, without_report
from worker.policy.parameters import Parameters
from worker.services import work
from worker.services.runtime import Runtime, TaskResult, busy
from worker.services.work import Taught, WorkLesson

AT_ONCE = 20_000
"""New transitions that one execution learns from at most, and as many that were postponed."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What one execution learns, of all CEs."""

    ids: list[int]
    postponed: dict[int, datetime]
    events: int
    lessons: list[Lesson]
    changes: list[SendingChange]
    work: WorkLesson
    lines: tuple[str, ...]


def learn(runtime: Runtime) -> TaskResult:
    """Bring what is known of every CE up to date."""
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, "learn"):
            return busy("another execution learns")
        now = runtime.now()
        lessons = _lessons(tx, runtime.parameters, now)
        outcomes.mark(tx, lessons.ids, now)
        outcomes.postpone(tx, lessons.postponed)
        health.save_lessons(tx, lessons.lessons, now)
        work.save(tx, lessons.work, now)
        sending.add(tx, lessons.changes)
    return TaskResult(
        counts={
            "outcomes": lessons.events,
            "CEs": len(lessons.lessons),
            "changes": len(lessons.changes),
        },
        lines=lessons.lines,
    )


def plan(runtime: Runtime) -> TaskResult:
    """Return what `learn` would fold in now, and change nothing."""
    with runtime.database.uow() as tx:
        lessons = _lessons(tx, runtime.parameters, runtime.now())
    return TaskResult(counts={"would fold in": lessons.events}, lines=lessons.lines)


def _lessons(tx: Transaction, parameters: Parameters, now: datetime) -> Lessons:
    records = health.get_all(tx)
    configured = ces.success_rates(tx)
    unlearned = outcomes.unlearned(tx, AT_ONCE, now)
    works = work_records.get_all(tx)
    rules = work.rules_of(works, parameters)
    silent = [without_report(outcome, rules[outcome.vo]) for outcome in unlearned]
    ids, events = events_from(silent, parameters)
    learnt = frozenset(ids)
    reporting = [outcome for outcome in unlearned if rules[outcome.vo].reports]
    _, reported = events_from(reporting, parameters)
    of_work = work.lesson(tx, works, _in_order(events), _in_order(reported), now, parameters)
    holes = of_work.verdicts.holes
    queues = outcomes.queues(tx, now, parameters.stuck_after)
    stale = {
        ce for ce, record in records.items() if record.queue_drained or record.oldest_waiting_since
    }
    lessons, changes, lines = [], [], []
    for ce in sorted(events.keys() | queues.keys() | stale | holes.keys()):
        queue = queues.get(ce, NOTHING_WAITS)
        learned = fold(
            records[ce].learned,
            [event for _, _, event in sorted(events.get(ce, ()), key=itemgetter(0))],
            now=now,
            configured=configured[ce],
            queue=queue,
            hole=holes.get(ce),
            parameters=parameters,
        )
        evaluation = evaluate(
            learned.state, now=now, configured=configured[ce], parameters=parameters
        )
        pause, since = (
            (evaluation.pause.reason, evaluation.pause.since) if evaluation.pause else (None, None)
        )
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
        # While somebody holds the CE, its state stays; the end of the hold asks what was learnt.
        changes += [
            SendingChange(ce=ce, by_hand=False, **asdict(change))
            for change in learned.changes
            if records[ce].sending is not Sending.HELD
        ]
        lines.append(f"{ce}  chance {evaluation.chances.all:.2f}")
    return Lessons(
        ids=ids,
        postponed={
            outcome.id: look_again(outcome, now, survival=parameters.survival)
            for outcome in unlearned
            if outcome.id not in learnt
        },
        events=sum(map(len, events.values())),
        lessons=lessons,
        changes=changes,
        work=of_work,
        lines=(*lines, *of_work.lines),
    )


def _in_order(events: Mapping[str, Sequence["Ordered"]]) -> list[Taught]:
    return [
        (vo, ce, event)
        for ce, of_ce in sorted(events.items())
        for _, vo, event in sorted(of_ce, key=itemgetter(0))
    ]


Ordered = tuple[tuple[datetime, int, int], str, Event]
"""What puts an event in order, the VO of its pilot, and the event."""


def events_from(
    unlearned: list[PilotOutcome], parameters: Parameters
) -> tuple[list[int], dict[str, list[Ordered]]]:
    """Return what transitions teach, by CE; those that teach nothing yet are left out."""
    ids: list[int] = []
    events: dict[str, list[Ordered]] = {}
    for outcome in unlearned:
        taught = events_of(outcome, survival=parameters.survival)
        if taught is None:
            continue
        ids.append(outcome.id)
        for number, event in enumerate(taught):
            place = event.at, outcome.id, number
            events.setdefault(outcome.ce, []).append((place, outcome.vo, event))
    return ids, events
