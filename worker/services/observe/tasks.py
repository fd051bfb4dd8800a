"""The periodic tasks: when each fires, and its last outcome."""

from dataclasses import dataclass
from datetime import datetime

from worker.db.schedules import Schedule
from worker.domain.access import Role
from worker.domain.schedule import Outcome, Scope
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime
from worker.services.tasks import catalogue, ticks


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """When a task fires, for all VOs or for one, and its last outcome."""

    name: str
    scope: Scope
    vo: str | None
    fires: str
    """When it fires, in words."""
    every: float | None
    cron: str | None
    enabled: bool
    is_stored: bool
    """Whether its schedule is stored in the database; a scheduler stores it at its start."""
    fired: datetime | None
    done: datetime | None
    next: datetime | None
    outcome: Outcome | None
    outcome_at: datetime | None
    seconds: float | None
    firings_not_done: int
    not_done_since: datetime | None
    failed_at: datetime | None
    failed_for: str | None
    failure: str | None
    about: str


@allowed_to(Role.READ)
def list_tasks(runtime: Runtime) -> list[TaskLine]:
    """List the tasks, when each fires, and its last outcome."""
    stored = {(one.task, one.vo): one for one in ticks.list_schedules(runtime)}
    return [
        _line(task, stored.get((name, vo)), vo)
        for name, task in catalogue.tasks().items()
        for vo in [None, *sorted(vo for (of, vo) in stored if of == name and vo is not None)]
    ]


def _line(task: catalogue.Task, stored: Schedule | None, vo: str | None) -> TaskLine:
    schedule = stored or Schedule(task=task.name, vo=vo, every=task.every, cron=task.cron)
    failed = schedule.failed_at is not None
    return TaskLine(
        name=task.name,
        scope=task.scope,
        vo=vo,
        fires=schedule.when,
        every=None if schedule.every is None else float(schedule.every),
        cron=schedule.cron,
        enabled=schedule.enabled,
        is_stored=stored is not None,
        fired=schedule.last_at,
        done=schedule.done_at,
        next=schedule.next_at,
        outcome=Outcome.FAILED if failed else schedule.last_outcome,
        outcome_at=schedule.failed_at if failed else schedule.outcome_at,
        seconds=schedule.last_seconds,
        firings_not_done=schedule.pending,
        not_done_since=schedule.pending_since,
        failed_at=schedule.failed_at,
        failed_for=schedule.failed_for,
        failure=schedule.failure,
        about=task.about,
    )
