"""Schedules: when each periodic task fires. For a VO, its own row counts before the common one."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    ScalarSelect,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)

from worker.db.changes import note
from worker.db.names import key_of
from worker.db.rows import encode, insert_new, rows
from worker.db.tables import schedules, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.checks import at_least
from worker.domain.errors import Invalid, UnknownSchedule
from worker.domain.schedule import Outcome

SHORTEST = 0.1
"""The shortest interval, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a task fires, by interval in seconds or by cron, and how it last went.

    `last_at` is the last firing, `done_at` the last execution by a worker. `pending` counts the
    firings since that execution, `pending_since` is the first of them. `failure` is the last
    failure; it stays until an execution for the same VO or CE is ok.
    """

    task: str
    vo: str | None = None
    every: float | None = None
    cron: str | None = None
    enabled: bool = True
    next_at: datetime | None = None
    last_at: datetime | None = None
    pending: int = 0
    pending_since: datetime | None = None
    done_at: datetime | None = None
    last_outcome: Outcome | None = None
    last_seconds: float | None = None
    outcome_at: datetime | None = None
    failed_at: datetime | None = None
    failed_for: str | None = None
    failure: str | None = None
    id: int = field(default=0, compare=False)

    @property
    def fires(self) -> str:
        """When it fires, in a few words."""
        return self.when if self.enabled else f"{self.when}, disabled"

    @property
    def when(self) -> str:
        """When it fires while it is enabled."""
        return self.cron or f"every {self.every:g} s"

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise Invalid(f"schedule of {self.task}", "give an interval or a cron line, not both")
        at_least(f"schedule of {self.task}", self.every, SHORTEST)


_FAILURE = ("failed_at", "failed_for", "failure")

_COLUMNS = [
    vos.c.name.label("vo") if name == "vo" else schedules.c[name]
    for name in Schedule.__dataclass_fields__
]
_SCHEDULES = select(*_COLUMNS).select_from(schedules.outerjoin(vos, schedules.c.vo_id == vos.c.id))


def put(tx: Transaction, schedule: Schedule) -> None:
    """Store a schedule; it replaces that of the same task and VO, if there is one."""
    values = _values(tx, schedule)
    same = (schedules.c.task == schedule.task, _of(values["vo_id"]))
    before = _find(tx, *same)
    if before is None:
        tx.execute(insert(schedules).values(values))
    else:
        tx.execute(update(schedules).where(*same).values(values))
    _note(tx, before, schedule)


def is_enabled(tx: Transaction, task: str, vo: str) -> bool:
    """Return whether a task fires for a VO: by the VO's own schedule, or by the common one."""
    enabled = {
        row.vo: row.enabled
        for row in tx.execute(
            _SCHEDULES.where(
                schedules.c.task == task, or_(vos.c.name == vo, schedules.c.vo_id.is_(None))
            )
        )
    }
    return bool(enabled.get(vo, enabled.get(None, True)))


def seed(tx: Transaction, defaults: Iterable[Schedule]) -> None:
    """Store the schedules that are missing; existing ones keep what an operator set."""
    present = {(schedule.task, schedule.vo) for schedule in get_all(tx)}
    for schedule in defaults:
        if (schedule.task, schedule.vo) not in present:
            # Another scheduler that starts at the same moment may have stored it.
            insert_new(tx, schedules, **_values(tx, schedule))
            present.add((schedule.task, schedule.vo))


def claim(tx: Transaction, ticks: Mapping[Schedule, datetime], now: datetime) -> list[Schedule]:
    """Claim ticks, each with the moment of the tick after it; return those that were claimed.

    One statement claims them all. If several schedulers see the same tick, only one claims it.
    """
    if not ticks:
        return []
    data = ((s.id, s.next_at, following) for s, following in ticks.items())
    claimed = tx.execute(
        _claim(tx.dialect), {**encode(("id", "was", "following"), data), "now": now}
    )
    ids = set(claimed.scalars())
    return [schedule for schedule in ticks if schedule.id in ids]


def count_firings(tx: Transaction, firings: Mapping[int, bool], now: datetime) -> None:
    """Count a firing of each schedule, by id; if the value is true, the count begins again at 1.

    The next execution by a worker resets the count. One statement counts all.
    """
    if firings:
        data = ((key, int(anew)) for key, anew in firings.items())
        tx.execute(_count_firings(tx.dialect), {**encode(("id", "anew"), data), "now": now})


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution of a task that has ended: for which VO or CE, and its outcome."""

    task: str
    subject: str | None
    vo: str | None
    outcome: Outcome
    seconds: float
    failure: str | None
    by_hand: bool


def finished(tx: Transaction, execution: Execution, now: datetime) -> None:
    """Note an execution on the schedule of its VO, or else on the common one, in one statement.

    Any execution by a worker shows that a worker is alive. A skipped execution says nothing about
    the task, and is written only if there was a firing since the last one.
    """
    skipped = execution.outcome is Outcome.SKIPPED
    if skipped and execution.by_hand:
        return
    statement = update(schedules).where(schedules.c.id == _schedule_of(execution))
    if skipped:
        statement = statement.where(schedules.c.pending > 0)
    served = {} if execution.by_hand else {"done_at": now, "pending": 0, "pending_since": None}
    tx.execute(statement.values({**served, **_outcome(execution, now)}))


def _outcome(execution: Execution, now: datetime) -> dict[str, Any]:
    if execution.outcome is Outcome.SKIPPED:
        return {}
    outcome = {
        "last_outcome": execution.outcome,
        "last_seconds": execution.seconds,
        "outcome_at": now,
    }
    failed = (now, execution.subject, execution.failure)
    if execution.outcome is Outcome.FAILED:
        return {**outcome, **dict(zip(_FAILURE, failed, strict=True))}
    # A success for one CE leaves the failure of another CE; a failure that is a day old is removed.
    over = or_(
        schedules.c.failed_for.is_not_distinct_from(execution.subject),
        schedules.c.failed_at < now - timedelta(days=1),
    )
    return {**outcome, **{name: case((~over, schedules.c[name])) for name in _FAILURE}}


def _schedule_of(execution: Execution) -> ScalarSelect[Any]:
    """Select the schedule of a VO, or else the common one."""
    named = select(vos.c.id).where(vos.c.name == execution.vo).scalar_subquery()
    candidate = schedules.alias()
    return (
        select(candidate.c.id)
        .where(
            candidate.c.task == execution.task,
            or_(candidate.c.vo_id.is_(None), candidate.c.vo_id == named),
        )
        .order_by(candidate.c.vo_id.is_(None))
        .limit(1)
        .scalar_subquery()
    )


def bring_forward(tx: Transaction, task: str, now: datetime) -> None:
    """Let a task fire again at once, because it left work. After that its schedule goes on."""
    tx.execute(update(schedules).where(schedules.c.task == task, _of(None)).values(next_at=now))


@cache
def _claim(dialect: str) -> Executable:
    tick = rows(dialect, id=Integer, was=UtcDateTime, following=UtcDateTime)
    return (
        update(schedules)
        .where(
            schedules.c.id == tick.c.id,
            schedules.c.enabled,
            schedules.c.next_at.is_not_distinct_from(tick.c.was),
        )
        .values(next_at=tick.c.following, last_at=bindparam("now", type_=UtcDateTime()))
        .returning(schedules.c.id)
    )


@cache
def _count_firings(dialect: str) -> Executable:
    firing = rows(dialect, id=Integer, anew=Integer)
    first = or_(firing.c.anew == 1, schedules.c.pending == 0)
    moment = bindparam("now", type_=UtcDateTime())
    return (
        update(schedules)
        .where(schedules.c.id == firing.c.id)
        .values(
            pending=case((first, 1), else_=schedules.c.pending + 1),
            pending_since=case((first, moment), else_=schedules.c.pending_since),
        )
    )


def get(tx: Transaction, task: str, vo: str | None = None) -> Schedule:
    """Read the schedule of a task, for all VOs or for one."""
    schedule = _find(tx, schedules.c.task == task, _of(_vo_id(tx, vo)))
    if schedule is None:
        raise UnknownSchedule(task if vo is None else f"{task} for VO {vo}")
    return schedule


def get_all(tx: Transaction) -> list[Schedule]:
    """Read every schedule, those for all VOs first."""
    query = _SCHEDULES.order_by(schedules.c.task, vos.c.name.is_not(None), vos.c.name)
    return [Schedule(**row) for row in tx.execute(query).mappings()]


def remove(tx: Transaction, task: str, vo: str | None = None) -> None:
    before = get(tx, task, vo)
    tx.execute(delete(schedules).where(schedules.c.task == task, _of(_vo_id(tx, vo))))
    _note(tx, before, None)


def _find(tx: Transaction, *conditions: ColumnElement[bool]) -> Schedule | None:
    row = tx.execute(_SCHEDULES.where(*conditions)).mappings().one_or_none()
    return None if row is None else Schedule(**row)


def _note(tx: Transaction, before: Schedule | None, after: Schedule | None) -> None:
    schedule = after or before
    assert schedule is not None
    name = "fires" if schedule.vo is None else f"fires for {schedule.vo}"
    note(
        tx,
        "task",
        schedule.task,
        "schedule",
        *({name: each and each.fires} for each in (before, after)),
    )


def _values(tx: Transaction, schedule: Schedule) -> dict[str, Any]:
    values = {**asdict(schedule), "vo_id": _vo_id(tx, schedule.vo)}
    del values["vo"], values["id"]
    return values


def _vo_id(tx: Transaction, vo: str | None) -> int | None:
    return None if vo is None else key_of(tx, vos, vo)


def _of(vo_id: int | None) -> ColumnElement[bool]:
    return schedules.c.vo_id.is_(None) if vo_id is None else schedules.c.vo_id == vo_id
