"""Schedules: when each periodic task fires. A row with a VO stands before the one without."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, select, update

from worker.db.tables import schedules, vos
from worker.db.uow import Transaction
from worker.domain.errors import Invalid, UnknownSchedule, UnknownVO
from worker.domain.schedule import Outcome


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a task fires, by interval in seconds or by cron, and how it last went."""

    task: str
    vo: str | None = None
    every: float | None = None
    cron: str | None = None
    enabled: bool = True
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_outcome: Outcome | None = None
    last_seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise Invalid(f"schedule of {self.task}", "give an interval or a cron line, not both")
        if self.every is not None and not self.every > 0:
            raise Invalid(f"schedule of {self.task}", f"an interval of {self.every} s never ends")


_COLUMNS = [
    vos.c.name.label("vo") if name == "vo" else schedules.c[name]
    for name in Schedule.__dataclass_fields__
]
_SCHEDULES = select(*_COLUMNS).select_from(schedules.outerjoin(vos, schedules.c.vo_id == vos.c.id))


def put(tx: Transaction, schedule: Schedule) -> None:
    """Store a schedule, in place of the one of the same task and VO if there is one."""
    vo_id = _vo_id(tx, schedule.vo)
    values = {**asdict(schedule), "vo_id": vo_id}
    del values["vo"]
    same = (schedules.c.task == schedule.task, _of(vo_id))
    if not tx.execute(update(schedules).where(*same).values(values)).rowcount:
        tx.execute(insert(schedules).values(values))


def get(tx: Transaction, task: str, vo: str | None = None) -> Schedule:
    """Read the schedule of a task, for all VOs or for one."""
    query = _SCHEDULES.where(schedules.c.task == task, _of(_vo_id(tx, vo)))
    found = tx.execute(query).mappings().one_or_none()
    if found is None:
        raise UnknownSchedule(task if vo is None else f"{task} for VO {vo}")
    return Schedule(**found)


def get_all(tx: Transaction) -> list[Schedule]:
    """Read every schedule, those for all VOs first."""
    query = _SCHEDULES.order_by(schedules.c.task, vos.c.name.is_not(None), vos.c.name)
    return [Schedule(**row) for row in tx.execute(query).mappings()]


def remove(tx: Transaction, task: str, vo: str | None = None) -> None:
    """Remove a schedule."""
    get(tx, task, vo)
    tx.execute(delete(schedules).where(schedules.c.task == task, _of(_vo_id(tx, vo))))


def _vo_id(tx: Transaction, vo: str | None) -> int | None:
    if vo is None:
        return None
    found: int | None = tx.execute(select(vos.c.id).where(vos.c.name == vo)).scalar_one_or_none()
    if found is None:
        raise UnknownVO(vo)
    return found


def _of(vo_id: int | None) -> ColumnElement[bool]:
    return schedules.c.vo_id.is_(None) if vo_id is None else schedules.c.vo_id == vo_id
