"""The one function that changes a status, and writes the history with it.

A move that the table of moves forbids is refused by the database itself: both statements ask for
the status again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Executable,
    Integer,
    Text,
    bindparam,
    case,
    cast,
    func,
    insert,
    null,
    select,
    update,
)

from worker.db.rows import encode, rows
from worker.db.tables import pilots, transitions
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import (
    AT_CE,
    FINAL,
    LEGAL_MOVES,
    Cause,
    Move,
    Status,
)

_NOW = bindparam("now", type_=UtcDateTime())


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The pilots that moved, and those that did not because they have another status by now."""

    moved: frozenset[int]
    refused: frozenset[int]


_MOVE = tuple(field.name for field in fields(Move))


def move(tx: Transaction, moves: Collection[Move], now: datetime) -> Moved:
    """Move pilots and write their history. What the table of moves forbids does not happen.

    The history is written first: that statement locks the pilots in the order of their keys and
    keeps only legal moves; the second changes exactly those. Both ask for the status again.
    """
    ids = frozenset(move.pilot_id for move in moves)
    if len(ids) != len(moves):
        raise ValueError("a pilot can make one move at a time")
    if not ids:
        return Moved(moved=frozenset(), refused=frozenset())
    parameters = {**_encoded(moves), "now": now}
    history, change = _move(tx.dialect)
    moved = frozenset(tx.execute(history, parameters).scalars().all())
    if moved != ids:
        # One that was refused may have become legal since; it stays refused.
        parameters |= _encoded(move for move in moves if move.pilot_id in moved)
    if moved:
        tx.execute(change, parameters)
    return Moved(moved=moved, refused=ids - moved)


def causes(tx: Transaction, pilot_ids: Collection[int]) -> dict[int, Cause]:
    """Return the causes of pilots that failed and that nobody has learnt from yet."""
    failed = rows(tx.dialect, pilot_id=Integer)
    query = (
        select(transitions.c.pilot_id, transitions.c.cause)
        .join_from(transitions, failed, transitions.c.pilot_id == failed.c.pilot_id)
        .where(transitions.c.became == Status.FAILED, transitions.c.learned_at.is_(None))
    )
    listing = tx.execute(query, encode(("pilot_id",), ([number] for number in pilot_ids)))
    return {row.pilot_id: row.cause for row in listing}


def refine(tx: Transaction, causes: Mapping[int, Cause]) -> None:
    """Replace the causes of failed pilots by closer ones, in their history too.

    Their status stays. So does the cause of a failure that was learnt from already: a replay of the
    history must give what is stored.
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
    return encode(_MOVE, ([getattr(move, name) for name in _MOVE] for move in moves))


@cache
def _move(dialect: str) -> tuple[Executable, Executable]:
    """Make the two statements of `move`: write the history of legal moves, then make them."""
    new = rows(
        dialect,
        pilot_id=Integer,
        was=Text,
        to=Text,
        cause=Text,
        handle=Text,
        raw=Text,
        reason=Text,
        exit_code=Integer,
        node=Text,
        started_at=UtcDateTime,
        ended_at=UtcDateTime,
        next_check_at=UtcDateTime,
    )
    # As one word, not as a row of two: PostgreSQL plans a list of rows for ten milliseconds.
    legal = (cast(pilots.c.status, Text) + ">" + new.c.to).in_(
        [f"{was}>{became}" for was, became in LEGAL_MOVES]
    ) & (func.coalesce(new.c.was, pilots.c.status) == pilots.c.status)
    history = (
        insert(transitions)
        .from_select(
            ["pilot_id", "was", "became", "cause", "raw", "reason", "at"],
            select(
                pilots.c.id,
                pilots.c.status,
                new.c.to,
                new.c.cause,
                new.c.raw,
                new.c.reason,
                _NOW,
            )
            .join_from(pilots, new, pilots.c.id == new.c.pilot_id)
            .where(legal)
            .order_by(pilots.c.id)
            .with_for_update(of=pilots, key_share=True),
        )
        .returning(transitions.c.pilot_id)
    )
    change = update(pilots).where(pilots.c.id == new.c.pilot_id, legal).values(_changes(new.c))
    return history, change


def _changes(new: Any) -> dict[str, Any]:
    """Return the new value of each column of a pilot that moves."""
    old = pilots.c
    to = new.to
    accepted = to.in_([Status.SUBMITTED, Status.RUNNING, Status.DONE]) | new.handle.is_not(None)
    began = func.coalesce(new.started_at, old.started_at)
    requeued = (old.status == Status.RUNNING) & (to == Status.SUBMITTED)
    return {
        "status": to,
        "cause": new.cause,
        "handle": func.coalesce(new.handle, old.handle),
        "raw": func.coalesce(new.raw, old.raw),
        "reason": new.reason,
        "exit_code": func.coalesce(new.exit_code, old.exit_code),
        "node": func.coalesce(new.node, old.node),
        "attempts": 0,
        "misses": 0,
        "missing_since": null(),
        "requeues": old.requeues + case((requeued, 1), else_=0),
        "claimed_at": case((to == Status.SUBMITTING, _NOW), else_=old.claimed_at),
        "submitted_at": case(
            (accepted, func.coalesce(old.submitted_at, _NOW)), else_=old.submitted_at
        ),
        "started_at": case(
            (to == Status.RUNNING, func.coalesce(began, _NOW)),
            (to == Status.SUBMITTED, null()),
            else_=began,
        ),
        "ended_at": case((to.in_(FINAL), func.coalesce(new.ended_at, _NOW)), else_=null()),
        "next_check_at": case(
            (to.in_(AT_CE), func.coalesce(new.next_check_at, _NOW)), else_=null()
        ),
        "updated_at": _NOW,
    }
