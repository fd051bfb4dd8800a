"""Standstills: tasks that fire and are not executed, detected from the schedules only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.db.schedules import Schedule
from worker.domain.lengths import in_two_units
from worker.services.tasks import catalogue

STILL = timedelta(minutes=5)
"""After this time without a tick, no scheduler is considered alive."""

FIRINGS = 3
"""This many firings without an execution are a standstill."""


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """A queue whose tasks fire and are not executed, with the numbers of one of these tasks."""

    queue: str
    task: str
    firings: int
    since: datetime
    others: tuple[str, ...]
    """Other tasks of the queue that are not executed."""
    alive: bool
    """Whether a worker has executed any task of the queue lately."""


def silence(fired_at: datetime | None, now: datetime) -> str | None:
    """Return that no scheduler fires any longer; `None` if one does, or none ever did."""
    if fired_at is None or now - fired_at <= STILL:
        return None
    return f"no task has fired for {in_two_units(now - fired_at)}: no scheduler is alive"


def standstills(
    schedules: Sequence[Schedule], now: datetime, patience: timedelta
) -> list[Standstill]:
    """Return the queues that stand still. An execution takes at most `patience`."""
    by_queue: dict[str, list[Schedule]] = {}
    for schedule in schedules:
        queue = queue_of(schedule)
        if queue is not None:
            by_queue.setdefault(queue, []).append(schedule)
    return [
        _standstill(
            queue, overdue, alive=any(_was_done(schedule, now - patience) for schedule in of_queue)
        )
        for queue, of_queue in sorted(by_queue.items())
        if (overdue := list(_overdue(of_queue, now, patience)))
    ]


def are_ces_asked(standing: Sequence[Standstill]) -> bool:
    """Return whether a worker that calls CEs is alive."""
    return all(one.alive for one in standing if one.queue == catalogue.CALL)


def queue_of(schedule: Schedule) -> str | None:
    """Return the queue of a task; `None` if the task is not installed."""
    task = catalogue.tasks().get(schedule.task)
    return task.queue if task else None


def sentence(standstill: Standstill, now: datetime) -> str:
    """Write a standstill in one line."""
    day = "" if standstill.since.date() == now.date() else f"{standstill.since:%Y-%m-%d} "
    others = f" (also {', '.join(standstill.others)})" if standstill.others else ""
    queue = standstill.queue
    start = f"start one with 'celery -A pilotage worker -Q {queue}', or 'pilotage up'"
    why = (
        f"the workers of the queue {queue} do not keep up"
        if standstill.alive
        else f"no worker takes the queue {queue}; {start}"
    )
    return (
        f"{standstill.task} fired {standstill.firings} times since "
        f"{day}{standstill.since:%H:%M}Z and no worker has done it{others}: {why}"
    )


def _overdue(
    of_queue: Sequence[Schedule], now: datetime, patience: timedelta
) -> Iterator[tuple[datetime, Schedule]]:
    for schedule in of_queue:
        since = schedule.pending_since
        if schedule.enabled and schedule.pending >= FIRINGS and since and now - since > patience:
            yield since, schedule


def _standstill(
    queue: str, overdue: Sequence[tuple[datetime, Schedule]], *, alive: bool
) -> Standstill:
    # The task with the most firings represents the queue.
    since, first = max(overdue, key=lambda pair: pair[1].pending)
    return Standstill(
        queue=queue,
        task=first.task,
        firings=first.pending,
        since=since,
        others=tuple(sorted({schedule.task for _, schedule in overdue} - {first.task})),
        alive=alive,
    )


def _was_done(schedule: Schedule, since: datetime) -> bool:
    return schedule.done_at is not None and schedule.done_at >= since
