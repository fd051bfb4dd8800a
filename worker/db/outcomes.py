"""Outcomes: the transitions that were not learnt from yet, and the queue of each CE.

A transition is learnt from once, whenever it was committed: it is marked then, and no clock is
involved. The cost depends on the new transitions only, not on the length of the history. A
transition that cannot be judged yet is postponed: until then it is read only together with a new
transition of the same pilot.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    ScalarSelect,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
    union,
    union_all,
    update,
)

from worker.db.rows import encode, rows
from worker.db.tables import (
    NOT_ACCEPTED,
    ces,
    has_status,
    new_tallies,
    pilots,
    tallies,
    transitions,
    vos,
    waits_at_ce,
)
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import Status
from worker.domain.tally import Grain, begin_of
from worker.policy.learning import Queue
from worker.policy.outcomes import PilotOutcome

LATELY = timedelta(hours=1)
"""The time for which the starts at a CE are counted."""

_EVER = datetime.max.replace(tzinfo=UTC)


def unlearned(tx: Transaction, limit: int, now: datetime) -> list[PilotOutcome]:
    """Read transitions that were not learnt from, the oldest first.

    These are up to `limit` new transitions and up to `limit` whose postponement is over, and with
    them all others of the same pilots: a new transition may decide what could not be judged before.
    """
    listing = tx.execute(_UNLEARNED, {"limit": limit, "now": now}).all()
    return [PilotOutcome._make(row) for row in listing]


def postpone(tx: Transaction, moments: Mapping[int, datetime]) -> None:
    """Note when each of these transitions is to be judged again."""
    if moments:
        tx.execute(_postpone(tx.dialect), encode(("id", "learn_after"), moments.items()))


def mark(tx: Transaction, ids: Collection[int], now: datetime) -> None:
    """Note that these transitions were learnt from."""
    if ids:
        tx.execute(_mark(tx.dialect), {**encode(("id",), ([i] for i in ids)), "now": now})


def queues(
    tx: Transaction, now: datetime, stuck_after: timedelta = timedelta(0)
) -> dict[str, Queue]:
    """Read the queue of every CE where a pilot waits or has begun in the last hour.

    The starts are read from the tallies, by the minute in which they were noticed, so the cost does
    not depend on how many pilots run. If a queue counts as stuck only after more than an hour,
    `stuck_after` says so, and starts are read as far back as that.
    """
    lately = begin_of(Grain.MINUTE, now - LATELY)
    since = begin_of(Grain.MINUTE, now - max(LATELY, stuck_after))
    listing = tx.execute(_QUEUES, {"since": since, "lately": lately}).all()
    of_requeued = _oldest(tx, {row.ce: row.never_requeued for row in listing if row.requeues})
    oldest = {row.ce: row for row in listing} | of_requeued
    return {
        row.ce: Queue(
            oldest_waiting_since=oldest[row.ce].oldest_waiting_since,
            answered_at=oldest[row.ce].answered_at,
            last_began=row.last_began,
            # Requeued pilots count negative. A pilot may have begun before the hour and be requeued
            # within it, so the sum may be negative.
            drained=max(0, int(row.drained or 0)),
        )
        for row in listing
        if row.oldest_waiting_since or row.last_began
    }


def _oldest(tx: Transaction, never_requeued: Mapping[str, datetime | None]) -> dict[str, Any]:
    """Return the pilot that waits for longest at each CE whose queue begins with requeued pilots.

    A requeued pilot keeps the moment of its submission, but waits only since it was put back. What
    was submitted after the first pilot that was never requeued has waited for less time than that
    pilot, and is not read.
    """
    if not never_requeued:
        return {}
    first = encode(("ce", "up_to"), ((ce, at or _EVER) for ce, at in never_requeued.items()))
    listing = tx.execute(_first_in_queue(tx.dialect), first).all()
    latest_first = sorted(listing, key=attrgetter("oldest_waiting_since"), reverse=True)
    return {row.ce: row for row in latest_first}


_SINCE = bindparam("since", type_=UtcDateTime())
_LATELY = bindparam("lately", type_=UtcDateTime())
_NOW = bindparam("now", type_=UtcDateTime())

_IS_NEW = transitions.c.learned_at.is_(None)
_CE_ANSWERED = ~has_status(NOT_ACCEPTED, transitions.c.became)
_LIMIT = bindparam("limit", type_=Integer)
_NEW = (
    select(transitions.c.pilot_id)
    .where(_IS_NEW, _CE_ANSWERED, transitions.c.learn_after.is_(None))
    .order_by(transitions.c.id)
    .limit(_LIMIT)
)
_DUE_AGAIN = (
    select(transitions.c.pilot_id)
    .where(_IS_NEW, transitions.c.learn_after <= _NOW)
    .order_by(transitions.c.learn_after)
    .limit(_LIMIT)
)
_CONCERNED = union(
    select(_NEW.subquery("new").c.pilot_id), select(_DUE_AGAIN.subquery("due_again").c.pilot_id)
).subquery("concerned")

_UNLEARNED = (
    select(
        *(transitions.c[name] for name in ("was", "became", "cause", "at")),
        *(pilots.c[name] for name in ("status", "started_at", "ended_at", "checked_at")),
        transitions.c.id,
        ces.c.name.label("ce"),
        transitions.c.raw,
        vos.c.name.label("vo"),
        pilots.c.use,
        pilots.c.exit_code,
        transitions.c.pilot_id,
    )
    .join_from(_CONCERNED, transitions, transitions.c.pilot_id == _CONCERNED.c.pilot_id)
    .join(pilots, pilots.c.id == transitions.c.pilot_id)
    .join(ces, ces.c.id == pilots.c.ce_id)
    .join(vos, vos.c.id == pilots.c.vo_id)
    .where(_IS_NEW, _CE_ANSWERED)
    .order_by(transitions.c.id)
)

_WAITS_HERE = (pilots.c.ce_id == ces.c.id) & waits_at_ce()
_ANSWERED_AT = func.coalesce(pilots.c.checked_at, pilots.c.submitted_at)


def _of_the_first(
    column: ColumnElement[Any], *conditions: ColumnElement[bool]
) -> ScalarSelect[Any]:
    """Select a value of the pilot that was submitted first of those that wait at a CE."""
    query = select(column).where(_WAITS_HERE, *conditions)
    first = query.order_by(pilots.c.submitted_at, pilots.c.id).limit(1)
    return first.correlate(ces).scalar_subquery()


_GRAINS: list[ColumnElement[str]] = [literal_column(f"'{grain}'") for grain in Grain]
_STARTS = union_all(
    *(
        select(table.c.ce_id, at.label("at"), table.c.starts).where(
            condition, at >= _SINCE, table.c.starts != 0
        )
        for table, at, condition in (
            (tallies, tallies.c.begins_at, tallies.c.grain.in_(_GRAINS)),
            (new_tallies, new_tallies.c.at, true()),
        )
    )
).subquery("starts")
_BEGAN = (
    select(
        _STARTS.c.ce_id,
        func.max(_STARTS.c.at).filter(_STARTS.c.starts > 0).label("last_began"),
        func.sum(_STARTS.c.starts).filter(_STARTS.c.at >= _LATELY).label("drained"),
    )
    .group_by(_STARTS.c.ce_id)
    .subquery("began")
)
_QUEUES = select(
    ces.c.name.label("ce"),
    _of_the_first(pilots.c.submitted_at).label("oldest_waiting_since"),
    _of_the_first(_ANSWERED_AT).label("answered_at"),
    _of_the_first(pilots.c.requeues).label("requeues"),
    _of_the_first(pilots.c.submitted_at, pilots.c.requeues == 0).label("never_requeued"),
    _BEGAN.c.last_began,
    _BEGAN.c.drained,
).join_from(ces, _BEGAN, _BEGAN.c.ce_id == ces.c.id, isouter=True)


_PUT_BACK_AT = (
    select(func.max(transitions.c.at))
    .where(
        transitions.c.pilot_id == pilots.c.id,
        transitions.c.was == Status.RUNNING,
        transitions.c.became == Status.SUBMITTED,
    )
    .correlate(pilots)
    .scalar_subquery()
)


@cache
def _first_in_queue(dialect: str) -> Select[Any]:
    """Select the pilots that were submitted up to a moment, and since when they wait."""
    first = rows(dialect, ce=Text, up_to=UtcDateTime)
    put_back_at = case((pilots.c.requeues > 0, _PUT_BACK_AT))
    return (
        select(
            first.c.ce,
            func.coalesce(put_back_at, pilots.c.submitted_at).label("oldest_waiting_since"),
            _ANSWERED_AT.label("answered_at"),
        )
        .join_from(first, ces, ces.c.name == first.c.ce)
        .join(pilots, _WAITS_HERE & (pilots.c.submitted_at <= first.c.up_to))
    )


@cache
def _mark(dialect: str) -> Executable:
    ids = rows(dialect, id=Integer)
    return update(transitions).where(transitions.c.id == ids.c.id).values(learned_at=_NOW)


@cache
def _postpone(dialect: str) -> Executable:
    moments = rows(dialect, id=Integer, learn_after=UtcDateTime)
    postponed = update(transitions).where(transitions.c.id == moments.c.id)
    return postponed.values(learn_after=moments.c.learn_after)
