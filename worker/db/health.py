"""Health: what was learnt of each CE, its sending state, and whether it answers."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Executable, Integer, Text, bindparam, case, func, select, update

from worker.db.names import unknown
from worker.db.rows import encode, rows
from worker.db.tables import ce_health, ces
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.sending import Sending, is_held


@dataclass(frozen=True, kw_only=True)
class Health:
    """What is known of a CE's behaviour. The content of `learned` belongs to the policy."""

    learned: Mapping[str, Any]
    learned_at: datetime
    sending: Sending = Sending.NORMAL
    sending_reason: str | None = None
    sending_since: datetime | None = None
    held_until: datetime | None = None
    unreconciled_since: datetime | None = None
    failed_calls: int = 0
    retry_at: datetime | None = None
    last_answered_at: datetime | None = None
    unanswered_since: datetime | None = None
    last_error: str | None = None
    queue_drained: int = 0
    oldest_waiting_since: datetime | None = None

    def is_held(self, now: datetime) -> bool:
        """Return whether an operator holds the CE now; the time of a hold may be over."""
        return is_held(self.sending, self.held_until, now)


_COLUMNS = [ce_health.c[name] for name in Health.__dataclass_fields__]


def get(tx: Transaction, ce: str) -> Health:
    """Read the health of one CE."""
    row = tx.execute(_HEALTH.where(ces.c.name == ce)).mappings().one_or_none()
    if row is None:
        raise unknown(tx, ces, ce)
    return Health(**{name: value for name, value in row.items() if name != "ce"})


def get_all(tx: Transaction) -> dict[str, Health]:
    """Read the health of every CE."""
    listing = tx.execute(_HEALTH.order_by(ces.c.name)).mappings()
    return {
        row["ce"]: Health(**{name: value for name, value in row.items() if name != "ce"})
        for row in listing
    }


def save(tx: Transaction, ce: str, health: Health) -> None:
    """Store the health of one CE."""
    values = {**asdict(health), "learned": dict(health.learned)}
    stored = tx.execute(update(ce_health).where(ce_health.c.ce_id == _key_of(ce)).values(values))
    if not stored.rowcount:
        raise unknown(tx, ces, ce)


def call_answered(tx: Transaction, ce: str, now: datetime) -> None:
    """Note an answer of a CE, and reset its failed calls. Other columns stay as they are."""
    tx.execute(
        update(ce_health)
        .where(ce_health.c.ce_id == _key_of(ce))
        .values(
            failed_calls=0,
            retry_at=None,
            last_answered_at=now,
            unanswered_since=None,
            last_error=None,
        )
    )


def reconciled(tx: Transaction, ce: str, as_of: datetime) -> None:
    """Note that a CE had no unknown jobs at a moment; this settles a restore before that moment."""
    tx.execute(
        update(ce_health)
        .where(ce_health.c.ce_id == _key_of(ce), ce_health.c.unreconciled_since < as_of)
        .values(unreconciled_since=None)
    )


def answer_incomplete(tx: Transaction, ce: str, problem: str) -> None:
    """Note what was missing in an answer of a CE; the count of failed calls stays."""
    statement = update(ce_health).where(ce_health.c.ce_id == _key_of(ce))
    tx.execute(statement.values(last_error=problem))


@dataclass(frozen=True, kw_only=True)
class FailedCall:
    """A failed call of a CE: the error, and whether the CE answered at all, by a refusal."""

    at: datetime
    error: str
    answered: bool = False


def call_failed(
    tx: Transaction, ce: str, failed: FailedCall, retry_at: Callable[[int], datetime]
) -> None:
    """Count a failed call of a CE. The number of failures in a row decides when to try again.

    If the CE was removed or renamed during the call, nothing is counted.
    """
    counted = update(ce_health).where(ce_health.c.ce_id == _key_of(ce))
    since = func.coalesce(ce_health.c.unanswered_since, _AT)
    moments = (
        {"unanswered_since": None, "last_answered_at": _AT}
        if failed.answered
        else {"unanswered_since": since}
    )
    failures = tx.execute(
        counted.values(
            failed_calls=ce_health.c.failed_calls + 1, last_error=failed.error, **moments
        ).returning(ce_health.c.failed_calls),
        {"at": failed.at},
    ).scalar_one_or_none()
    if failures is not None:
        tx.execute(counted.values(retry_at=retry_at(failures)))


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What was learnt of a CE: the policy's state, the pause if there is one, and its queue."""

    ce: str
    learned: Mapping[str, Any]
    pause: str | None = None
    since: datetime | None = None
    queue_drained: int = 0
    oldest_waiting_since: datetime | None = None


def save_lessons(tx: Transaction, lessons: Collection[Lesson], now: datetime) -> None:
    """Store what was learnt of many CEs, in one statement. CEs that an operator holds stay held."""
    if not lessons:
        return
    names = tuple(Lesson.__dataclass_fields__)
    data = (list({**vars(lesson), "learned": dict(lesson.learned)}.values()) for lesson in lessons)
    tx.execute(_save_lessons(tx.dialect), {**encode(names, data), "learned_at": now})


@cache
def _save_lessons(dialect: str) -> Executable:
    new = rows(
        dialect,
        ce=Text,
        learned=JSON,
        pause=Text,
        since=UtcDateTime,
        queue_drained=Integer,
        oldest_waiting_since=UtcDateTime,
    )
    health, held = ce_health.c, ce_health.c.sending == Sending.HELD
    paused = case((new.c.pause.is_(None), Sending.NORMAL.value), else_=Sending.PAUSED.value)
    return (
        update(ce_health)
        .where(health.ce_id == ces.c.id, ces.c.name == new.c.ce)
        .values(
            learned=new.c.learned,
            queue_drained=new.c.queue_drained,
            oldest_waiting_since=new.c.oldest_waiting_since,
            learned_at=bindparam("learned_at", type_=UtcDateTime()),
            sending=case((held, health.sending), else_=paused),
            sending_reason=case((held, health.sending_reason), else_=new.c.pause),
            sending_since=case((held, health.sending_since), else_=new.c.since),
        )
    )


def save_learned(tx: Transaction, ce: str, learned: Mapping[str, Any]) -> None:
    """Store only the policy's state of one CE."""
    tx.execute(
        update(ce_health).where(ce_health.c.ce_id == _key_of(ce)).values(learned=dict(learned))
    )


def _key_of(ce: str) -> Any:
    return select(ces.c.id).where(ces.c.name == ce).scalar_subquery()


_AT = bindparam("at", type_=UtcDateTime())
_HEALTH = select(ces.c.name.label("ce"), *_COLUMNS).join_from(
    ce_health, ces, ce_health.c.ce_id == ces.c.id
)
