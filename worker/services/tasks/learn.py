"""learn: update what is known about each CE from the outcomes of pilots, and pause or resume CEs.

Every transition is used once, whenever it was committed; the cost depends on the number of new ones
only. A transition that cannot be judged yet is postponed and delays no other. A replay of the
history gives exactly the stored values.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import datetime
from operator import itemgetter

from worker.db import ces, health, locks, outcomes, sending, work
from worker.db.health import Lesson
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.domain.sending import Sending
from worker.policy.learning import NOTHING_WAITS, Hole, evaluate
from worker.policy.learning import learn as fold
from worker.policy.outcomes import (
    Event,
    PilotOutcome,
    events_of,
    look_again,
    of_unknown_runs,
    up_to,
    without_report,
)
from worker.policy.parameters import Parameters
from worker.services import vo_work
from worker.services.runtime import Runtime, TaskResult, busy
from worker.services.vo_work import Taught, WorkLesson

AT_ONCE = 20_000
"""How many new transitions one execution uses at most; likewise of the postponed ones."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What one execution learns about all CEs."""

    ids: list[int]
    postponed: dict[int, datetime]
    events: int
    lessons: list[Lesson]
    changes: list[SendingChange]
    work: WorkLesson
    lines: tuple[str, ...]


def learn(runtime: Runtime) -> TaskResult:
    """Update what is known about every CE."""
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, "learn"):
            return busy("another execution learns")
        now = runtime.now()
        lessons = _lessons(tx, runtime.parameters, now)
        outcomes.mark(tx, lessons.ids, now)
        outcomes.postpone(tx, lessons.postponed)
        health.save_lessons(tx, lessons.lessons, now)
        vo_work.save(tx, lessons.work, now)
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
    """Read the outcomes that were not used yet, and return what follows from them."""
    unlearned = up_to(outcomes.unlearned(tx, AT_ONCE, now), now)
    works = work.get_all(tx)
    rules = vo_work.rules_of(works, parameters)
    ids, events = events_from(
        [without_report(outcome, rules[outcome.vo]) for outcome in unlearned], parameters
    )
    reporting = [outcome for outcome in unlearned if rules[outcome.vo].reports]
    _, reported = events_from(reporting, parameters)
    of_work = vo_work.lesson(tx, works, _in_order(events), _in_order(reported), now, parameters)
    of_ces = list(_of_ces(tx, events, of_work.verdicts.holes, now, parameters))
    return Lessons(
        ids=ids,
        postponed=_postponed(unlearned, frozenset(ids), now, parameters),
        events=sum(map(len, events.values())),
        lessons=[one.lesson for one in of_ces],
        changes=[change for one in of_ces for change in one.changes],
        work=of_work,
        lines=(*(one.line for one in of_ces), *of_work.lines),
    )


def _postponed(
    unlearned: Sequence[PilotOutcome], learnt: Set[int], now: datetime, parameters: Parameters
) -> dict[int, datetime]:
    """Return when to look again at each outcome that cannot be judged yet."""
    return {
        outcome.id: look_again(outcome, now, survival=parameters.survival)
        for outcome in unlearned
        if outcome.id not in learnt
    }


@dataclass(frozen=True, kw_only=True)
class CELesson:
    """What one execution learns about one CE."""

    lesson: Lesson
    changes: list[SendingChange]
    line: str


def _of_ces(
    tx: Transaction,
    events: Mapping[str, Sequence["Ordered"]],
    holes: Mapping[str, Hole],
    now: datetime,
    parameters: Parameters,
) -> Iterator[CELesson]:
    """Update what is known about each CE that has events or waiting pilots, or had some before."""
    records, configured = health.get_all(tx), ces.success_rates(tx)
    queues = outcomes.queues(tx, now, parameters.stuck_after)
    stale = {
        ce
        for ce, record in records.items()
        # What was learnt in the future comes from a clock that was set back.
        if record.queue_drained or record.oldest_waiting_since or record.learned_at > now
    }
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
        pause = evaluation.pause
        yield CELesson(
            lesson=Lesson(
                ce=ce,
                learned=learned.state,
                pause=pause.reason if pause else None,
                since=pause.since if pause else None,
                queue_drained=queue.drained,
                oldest_waiting_since=queue.oldest_waiting_since,
            ),
            # The sending state of a held CE does not change. When the hold ends, the learnt values
            # are read.
            changes=[
                SendingChange(ce=ce, by_hand=False, **asdict(change))
                for change in learned.changes
                if records[ce].sending is not Sending.HELD
            ],
            line=f"{ce}  chance {evaluation.chances.all:.2f}",
        )


def _in_order(events: Mapping[str, Sequence["Ordered"]]) -> list[Taught]:
    return [
        (vo, ce, event)
        for ce, of_ce in sorted(events.items())
        for _, vo, event in sorted(of_ce, key=itemgetter(0))
    ]


Ordered = tuple[tuple[datetime, int, int], str, Event]
"""The sort key of an event, the VO of its pilot, and the event."""


def events_from(
    unlearned: list[PilotOutcome], parameters: Parameters
) -> tuple[list[int], dict[str, list[Ordered]]]:
    """Return the events in transitions, by CE, and the ids of the transitions that were used.

    A transition that cannot be judged yet is left out.
    """
    ids: list[int] = []
    events: dict[str, list[Ordered]] = {}
    unknown = of_unknown_runs(unlearned)
    for outcome in unlearned:
        taught = unknown.get(outcome.id, events_of(outcome, survival=parameters.survival))
        if taught is None:
            continue
        ids.append(outcome.id)
        for number, event in enumerate(taught):
            place = event.at, outcome.id, number
            events.setdefault(outcome.ce, []).append((place, outcome.vo, event))
    return ids, events
