"""The history of pilots: the first steps, from the pilots' own rows, and the stored transitions.

The birth and the claim of a pilot consist only of their moments, which are columns of the pilot: so
they are not stored again as transitions. A claim with a reason is stored as a transition, and so
are all steps that versions up to 0.1 wrote.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    case,
    cast,
    exists,
    literal,
    literal_column,
    null,
    select,
    union_all,
)

from worker.db.tables import pilots, transitions
from worker.db.types import KEY
from worker.domain.pilot import Status

BIRTH, CLAIM = -2, -1
"""The ids of the steps that come from the pilots' own rows: they sort before all others."""

STEP = ("id", "pilot_id", "was", "became", "cause", "raw", "reason", "at")


def steps(pilot_id: ColumnElement[int] | int | None = None) -> CompoundSelect[Any]:
    """Select the steps of all pilots, or of one. Sorted by id, a pilot's steps are its history."""
    written = select(*(transitions.c[name] for name in STEP))
    if pilot_id is None:
        return union_all(_birth(), _claim(), written)
    return union_all(
        _birth().where(pilots.c.id == pilot_id),
        _claim().where(pilots.c.id == pilot_id),
        written.where(transitions.c.pilot_id == pilot_id),
    )


def is_written(to: Any, raw: Any, reason: Any) -> ColumnElement[bool]:
    """Match the moves that are stored as transitions: all except claims without a reason."""
    written: ColumnElement[bool] = (
        (to != literal_column(f"'{Status.SUBMITTING}'")) | raw.is_not(None) | reason.is_not(None)
    )
    return written


def _birth() -> Select[Any]:
    # A pilot that was taken in from its CE was never claimed.
    was_taken_in = pilots.c.claimed_at.is_(None) & (
        (pilots.c.status == Status.SUBMITTING) | _left(transitions.c.was == Status.SUBMITTING)
    )
    became = case((was_taken_in, Status.SUBMITTING.value), else_=Status.RESERVED.value)
    query = _step(BIRTH, null(), became, pilots.c.reserved_at)
    return query.where(~_left(transitions.c.was.is_(None)))


def _claim() -> Select[Any]:
    was, became = literal(Status.RESERVED.value), literal(Status.SUBMITTING.value)
    query = _step(CLAIM, was, became, pilots.c.claimed_at)
    return query.where(
        pilots.c.claimed_at.is_not(None), ~_left(transitions.c.was == Status.RESERVED)
    )


def _step(number: int, was: Any, became: Any, at: ColumnElement[Any]) -> Select[Any]:
    nothing = [null().label(name) for name in ("cause", "raw", "reason")]
    return select(
        literal(number, KEY).label("id"),
        pilots.c.id.label("pilot_id"),
        cast(was, transitions.c.was.type).label("was"),
        cast(became, transitions.c.became.type).label("became"),
        *nothing,
        at.label("at"),
    )


def _left(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(transitions.c.pilot_id == pilots.c.id, condition).correlate(pilots)
