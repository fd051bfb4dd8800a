"""The one place that changes the status of pilots after their birth, which `pilots.py` writes.

It writes of their history what the row of the pilot does not say itself (`history.py`).

A move that `MOVES` forbids changes no row: the statement checks the status again while it holds the
lock of the pilot. Triggers count the moves (`tally_triggers`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Executable,
    Integer,
    Select,
    Subquery,
    Text,
    Update,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)

from worker.db.engine import POSTGRESQL
from worker.db.history import is_written
from worker.db.rows import encode, rows
from worker.db.tables import has_status, pilots, transitions
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import (
    AT_CE,
    FINAL,
    LEGAL_MOVES,
    Cause,
    Move,
    Status,
    Use,
)

_NOW = bindparam("now", type_=UtcDateTime())
_USEFUL: ColumnElement[str] = literal_column(f"'{Use.USEFUL}'")
_ZERO: ColumnElement[int] = literal_column("0")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The pilots that moved, and those that did not, because their status has changed meanwhile."""

    moved: frozenset[int]
    refused: frozenset[int]


_MOVE = tuple(field.name for field in fields(Move))


def move(tx: Transaction, moves: Collection[Move], now: datetime) -> Moved:
    """Move pilots and write their history. A move that `MOVES` forbids is not made.

    The pilots are locked in the order of their keys, and only legal moves are kept; the history is
    written of exactly the moves that are made.
    """
    ids = frozenset(move.pilot_id for move in moves)
    if len(ids) != len(moves):
        raise ValueError("a pilot can make one move at a time")
    if not ids:
        return Moved(moved=frozenset(), refused=frozenset())
    parameters = {**_encoded(moves), "now": now}
    if tx.dialect == POSTGRESQL:
        moved = frozenset(tx.execute(_move_at_once(), parameters).scalars().all())
    else:
        history, change = _move_in_turn(tx.dialect)
        tx.execute(history, parameters)
        moved = frozenset(tx.execute(change, parameters).scalars())
    return Moved(moved=moved, refused=ids - moved)


def claiming(chosen: CTE) -> Update:
    """Return the statement that moves chosen pilots to `submitting`.

    The caller's query must lock the pilots and choose only reserved ones. No history is written:
    the pilot's own row has the moment of its claim.
    """
    nothing = dict.fromkeys(_MOVE, null())
    new = SimpleNamespace(**{**nothing, "to": literal_column(f"'{Status.SUBMITTING}'", Text)})
    return update(pilots).where(pilots.c.id == chosen.c.id).values(_changes(new))


def causes(tx: Transaction, pilot_ids: Collection[int]) -> dict[int, Cause]:
    """Return the causes of those failed pilots whose failure was not learnt from yet."""
    failed = rows(tx.dialect, pilot_id=Integer)
    query = (
        select(transitions.c.pilot_id, transitions.c.cause)
        .join_from(transitions, failed, transitions.c.pilot_id == failed.c.pilot_id)
        .where(transitions.c.became == Status.FAILED, transitions.c.learned_at.is_(None))
    )
    listing = tx.execute(query, encode(("pilot_id",), ([number] for number in pilot_ids)))
    return {row.pilot_id: row.cause for row in listing}


def refine(tx: Transaction, causes: Mapping[int, Cause]) -> None:
    """Replace the causes of failed pilots by more exact ones, in their history, too.

    Their status stays. The cause of a failure that was already learnt from also stays: a replay of
    the history must give what is stored.
    """
    if not causes:
        return
    parameters = encode(("pilot_id", "cause"), causes.items())
    history, change = _refine(tx.dialect)
    refined = set(tx.execute(history, parameters).scalars().all())
    closer = ((number, cause) for number, cause in causes.items() if number in refined)
    tx.execute(change, encode(("pilot_id", "cause"), closer))


@cache
def _refine(dialect: str) -> tuple[Executable, Executable]:
    new = rows(dialect, pilot_id=Integer, cause=Text)
    history = (
        update(transitions)
        .where(
            transitions.c.pilot_id == new.c.pilot_id,
            transitions.c.became == Status.FAILED,
            transitions.c.learned_at.is_(None),
        )
        .values(cause=new.c.cause)
        .returning(transitions.c.pilot_id)
    )
    change = (
        update(pilots)
        .where(pilots.c.id == new.c.pilot_id, pilots.c.status == Status.FAILED)
        .values(cause=new.c.cause)
    )
    return history, change


def _encoded(moves: Iterable[Move]) -> dict[str, Any]:
    return encode(_MOVE, map(attrgetter(*_MOVE), moves))


@cache
def _move_at_once() -> Executable:
    """Make the single statement of `move`: lock the pilots, write their history, and move them."""
    new = _rows(POSTGRESQL)
    legal = _legal(new.c).with_for_update(of=pilots, key_share=True).cte("legal")
    history = insert(transitions).from_select(_HISTORY, _steps(legal.c)).cte("history")
    return (
        update(pilots)
        .where(pilots.c.id == legal.c.pilot_id)
        .values(_changes(legal.c))
        .returning(pilots.c.id)
        .add_cte(history)
    )


@cache
def _move_in_turn(dialect: str) -> tuple[Executable, Executable]:
    """Make the two statements of `move` for a single writer: write the history, then move."""
    new = _rows(dialect)
    legal = _legal(new.c).cte("legal")
    history = insert(transitions).from_select(_HISTORY, _steps(legal.c))
    change = update(pilots).where(pilots.c.id == new.c.pilot_id, _is_legal(new.c))
    return history, change.values(_changes(new.c)).returning(pilots.c.id)


def _rows(dialect: str) -> Subquery:
    return rows(
        dialect,
        pilot_id=Integer,
        was=Text,
        to=Text,
        cause=Text,
        use=Text,
        handle=Text,
        raw=Text,
        reason=Text,
        exit_code=Integer,
        node=Text,
        started_at=UtcDateTime,
        ended_at=UtcDateTime,
        next_check_at=UtcDateTime,
    )


_HISTORY = ("pilot_id", "was", "became", "cause", "raw", "reason", "at")


def _legal(new: Any) -> Select[Any]:
    """Select the legal moves, each with the status that the pilot has."""
    values = [column for column in new if column.name != "was"]
    return (
        select(pilots.c.status.label("was"), *values)
        .join_from(pilots, new.pilot_id.table, pilots.c.id == new.pilot_id)
        .where(_is_legal(new))
        .order_by(pilots.c.id)
    )


def _is_legal(new: Any) -> ColumnElement[bool]:
    # Both statuses as one word, not as a row of two values: PostgreSQL needs ten milliseconds to
    # plan a list of rows.
    word = cast(pilots.c.status, Text) + literal_column("'>'", Text) + new.to
    legal: ColumnElement[bool] = word.in_(
        [literal_column(f"'{was}>{became}'") for was, became in LEGAL_MOVES]
    )
    return legal & (func.coalesce(new.was, pilots.c.status) == pilots.c.status)


def _steps(legal: Any) -> Select[Any]:
    steps = select(legal.pilot_id, legal.was, legal.to, legal.cause, legal.raw, legal.reason, _NOW)
    return steps.where(is_written(legal.to, legal.raw, legal.reason)).order_by(legal.pilot_id)


def _is(column: Any, status: Status) -> ColumnElement[bool]:
    # Not a parameter: parameters are sent again with each move.
    same: ColumnElement[bool] = column == literal_column(f"'{status}'")
    return same


def _changes(new: Any) -> dict[str, Any]:
    """Return the new value of each column of a pilot that moves."""
    old = pilots.c
    to = new.to
    accepted = has_status([Status.SUBMITTED, Status.RUNNING, Status.DONE], to) | new.handle.is_not(
        None
    )
    began = func.coalesce(new.started_at, old.started_at)
    requeued = _is(old.status, Status.RUNNING) & _is(to, Status.SUBMITTED)
    # An end that was asked for because the pilot waits is not asked for any longer.
    withdrawn = _is(to, Status.RUNNING) & old.cancel_if_waiting.is_not(None)
    return {
        "status": to,
        "cause": new.cause,
        "use": case((_is(to, Status.DONE), func.coalesce(new.use, _USEFUL))),
        "handle": func.coalesce(new.handle, old.handle),
        "raw": func.coalesce(new.raw, old.raw),
        "reason": new.reason,
        "exit_code": func.coalesce(new.exit_code, old.exit_code),
        "node": func.coalesce(new.node, old.node),
        "attempts": _ZERO,
        "misses": _ZERO,
        "missing_since": null(),
        "requeues": old.requeues + case((requeued, literal_column("1")), else_=_ZERO),
        "claimed_at": case((_is(to, Status.SUBMITTING), _NOW), else_=old.claimed_at),
        "submitted_at": case(
            (accepted, func.coalesce(old.submitted_at, _NOW)), else_=old.submitted_at
        ),
        "started_at": case(
            (_is(to, Status.RUNNING), func.coalesce(began, _NOW)),
            (_is(to, Status.SUBMITTED), null()),
            else_=began,
        ),
        "ended_at": case((has_status(FINAL, to), func.coalesce(new.ended_at, _NOW)), else_=null()),
        "next_check_at": case(
            (has_status(AT_CE, to), func.coalesce(new.next_check_at, _NOW)), else_=null()
        ),
        **{
            name: case((withdrawn, null()), else_=old[name])
            for name in ("cancel_requested_at", "cancel_reason", "cancel_if_waiting")
        },
        "updated_at": _NOW,
    }
