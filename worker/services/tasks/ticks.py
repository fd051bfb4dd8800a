"""Ticks: which tasks are due, claimed so that only one of several schedulers fires each."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from worker.db import clock_set_back, schedules, vos
from worker.db.database import Database
from worker.db.schedules import Schedule
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.errors import Invalid, PilotageError
from worker.domain.schedule import ScheduleSetting, Scope, VOSchedule
from worker.policy.due import check_cron, is_due, next_tick, was_set_back
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime
from worker.services.tasks import catalogue
from worker.services.tasks.catalogue import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One message to send: a task, its VO or CE if any, and the seconds for which it is valid."""

    task: Task
    subject: str | None
    expires: float


def seed(database: Database, now: datetime, configured: Sequence[Schedule] = ()) -> None:
    """Store missing schedules: the configured ones, then the defaults."""
    with database.uow() as tx:
        _seed(tx, now, configured)


def _seed(tx: Transaction, now: datetime, configured: Sequence[Schedule]) -> None:
    defaults = [
        Schedule(task=task.name, every=task.every, cron=task.cron)
        for task in catalogue.tasks().values()
    ]
    for schedule in (*configured, *defaults):
        check(schedule)
    schedules.seed(tx, [first(schedule, now) for schedule in (*configured, *defaults)])


def claim_due(
    database: Database, now: datetime, configured: Sequence[Schedule] = ()
) -> tuple[list[Firing], float]:
    """Claim every tick that is due; return what to send, and the seconds until the next is due.

    The first scheduler that notices that the clock was set back corrects due times that are too far
    ahead. If there are no schedules at all, because the database was emptied or made anew, the
    scheduler stores them.
    """
    with database.uow() as tx:
        all_schedules = [s for s in schedules.get_all(tx) if s.task in catalogue.tasks()]
        if not all_schedules:
            _seed(tx, now, configured)
            return [], 0.0
        if any(was_set_back(s.every, s.cron, s.next_at, now) for s in all_schedules if s.enabled):
            log.warning("the clock was set back: ticks far in the future fire now")
            clock_set_back.clamp(tx, now)
        due = {
            schedule: next_tick(schedule.every, schedule.cron, schedule.next_at, now)
            for schedule in all_schedules
            if schedule.enabled and is_due(schedule.every, schedule.cron, schedule.next_at, now)
        }
        firings = {
            schedule: _firings(tx, schedule, due, all_schedules, now)
            for schedule in schedules.claim(tx, due, now)
        }
        # A tick without any VO or CE to work for sends no message, so no execution is expected.
        counted = {tick.id: _was_away(tick, now) for tick, sent in firings.items() if sent}
        schedules.count_firings(tx, counted, now)
    following = [due.get(s) or s.next_at for s in all_schedules if s.enabled]
    waits = [(at - now).total_seconds() for at in following if at is not None]
    sent = [firing for of_one in firings.values() for firing in of_one]
    return sent, max(0.0, min(waits, default=60.0))


@allowed_to(Role.ADMIN)
def set_schedule(
    runtime: Runtime,
    task: str,
    *,
    vo: str | None = None,
    every: float | None = None,
    cron: str | None = None,
    enabled: bool | None = None,
) -> Schedule:
    """Change when a task fires, for all VOs or for one; running schedulers notice it at once."""
    entry = catalogue.get(task)
    with runtime.database.uow() as tx:
        if vo is not None:
            vos.get(tx, vo)
        present = _present(tx, entry, vo)
        schedule = present if enabled is None else replace(present, enabled=enabled)
        if every is not None or cron is not None:
            schedule = replace(schedule, every=every, cron=cron, next_at=None)
        check(schedule)
        if schedule.next_at is None:
            schedule = first(schedule, runtime.now())
        schedule = replace(schedule, pending=0, pending_since=None)
        schedules.put(tx, schedule)
        return schedule


def check(schedule: Schedule) -> None:
    """Refuse a schedule that cannot fire."""
    task = catalogue.get(schedule.task)
    if schedule.vo is not None and task.scope is not Scope.VO:
        raise Invalid(f"schedule of {task.name}", f"its scope is {task.scope}; give no VO")
    if schedule.cron is not None:
        check_cron(schedule.cron)


def first(schedule: Schedule, now: datetime) -> Schedule:
    """Set the first due time: of an interval at once, of a cron line at its next time."""
    if schedule.cron is None:
        return schedule
    return replace(schedule, next_at=next_tick(None, schedule.cron, None, now))


def of_settings(settings: Mapping[str, ScheduleSetting]) -> Iterator[Schedule]:
    """Make the schedules that a file gives by task; one without a time has the task's default."""
    for task, setting in settings.items():
        if setting.model_fields_set - {"vo"}:
            yield _of_setting(task, None, setting)
        for vo, own in setting.vo.items():
            yield _of_setting(task, vo, own)


@allowed_to(Role.READ)
def list_schedules(runtime: Runtime) -> list[Schedule]:
    """List when each task fires, and its last outcome."""
    with runtime.database.uow() as tx:
        return schedules.get_all(tx)


def _of_setting(task: str, vo: str | None, setting: VOSchedule) -> Schedule:
    timed = setting if setting.every or setting.cron else catalogue.get(task)
    return Schedule(task=task, vo=vo, every=timed.every, cron=timed.cron, enabled=setting.enabled)


def _present(tx: Transaction, task: Task, vo: str | None) -> Schedule:
    """Return the schedule of a task and VO, or one like that for all VOs or the default."""
    by_name = {(s.task, s.vo): s for s in schedules.get_all(tx)}
    default = Schedule(task=task.name, every=task.every, cron=task.cron)
    present = by_name.get((task.name, vo)) or by_name.get((task.name, None)) or default
    if present.vo == vo:
        return present
    return Schedule(
        task=present.task, vo=vo, every=present.every, cron=present.cron, enabled=present.enabled
    )


def _was_away(schedule: Schedule, now: datetime) -> bool:
    """Return whether this tick is so late that no scheduler can have been alive in time."""
    late = timedelta(0) if schedule.next_at is None else now - schedule.next_at
    usual = 3600.0 if schedule.every is None else max(60.0, schedule.every)
    return late > timedelta(seconds=usual)


def _firings(
    tx: Transaction,
    schedule: Schedule,
    due: Mapping[Schedule, datetime],
    all_schedules: Sequence[Schedule],
    now: datetime,
) -> list[Firing]:
    task = catalogue.get(schedule.task)
    expires = max(1.0, (due[schedule] - now).total_seconds())
    if task.scope is Scope.GLOBAL:
        return [Firing(task=task, subject=None, expires=expires)]
    if schedule.vo is not None:
        subjects = [schedule.vo]
    else:
        # For a VO with a schedule of its own, only that schedule fires.
        own = {s.vo for s in all_schedules if s.task == task.name and s.vo is not None}
        subjects = [name for name in _subjects(tx, task, now) if name not in own]
    return [Firing(task=task, subject=subject, expires=expires) for subject in subjects]


def _subjects(tx: Transaction, task: Task, now: datetime) -> list[str]:
    """Return the VOs or CEs for which a task has work; none if a plug-in's function fails."""
    try:
        with tx.savepoint():
            return task.subjects(tx, now)
    except PilotageError:
        raise
    except Exception:
        if tx.is_lost:
            raise
        log.exception("the task %s cannot list the VOs or CEs for which it has work", task.name)
        return []
