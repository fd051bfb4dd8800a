"""Operations on sets of pilots: reserve, claim, record, check.

The number of statements of an operation does not depend on the number of pilots.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from secrets import token_hex
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Executable,
    Integer,
    Select,
    Subquery,
    Text,
    bindparam,
    case,
    func,
    insert,
    literal,
    null,
    select,
    true,
    update,
)

from worker.db.mover import Moved, claiming, move
from worker.db.names import key_of
from worker.db.rows import encode, rows
from worker.db.slots import lock_rooms
from worker.db.tables import ces, has_status, may_go_on, pilots, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import (
    AT_CE,
    GROUP_LENGTH,
    GROUP_SIZE,
    Check,
    Grant,
    Move,
    Status,
    numbered,
)
from worker.policy.judgement import receipt_move as receipt_move

CE_MAY_HAVE_IT = (Status.SUBMITTING, *AT_CE)
"""The statuses in which the CE has the pilot or may have it, so its answers may be about it."""


class Reserved(NamedTuple):
    """A pilot that holds a slot and has not been sent."""

    pilot_id: int
    stamp: str
    vo: str
    ce: str


def reserve(tx: Transaction, grants: Sequence[Grant], now: datetime) -> list[Reserved]:
    """Make new pilots, each holding a slot; never more than all limits allow.

    The rows of the VOs and then those of the CEs are locked, in the order of their keys, before
    anything is counted. So concurrent reservations wait for each other and never deadlock, and no
    other reservation adds a pilot before the commit.
    """
    room = lock_rooms(tx, grants)
    made = [
        (stamp, grant.vo, grant.ce)
        for grant in grants
        for stamp in _new_stamps(room.take(grant.vo, grant.ce, grant.count), now)
    ]
    if not made:
        return []
    keys = ((stamp, room.vo_ids[vo], room.ce_ids[ce]) for stamp, vo, ce in made)
    ids = _make(tx, Status.RESERVED, keys, now)
    return [Reserved(pilot_id=ids[stamp], stamp=stamp, vo=vo, ce=ce) for stamp, vo, ce in made]


def take_in(
    tx: Transaction, stamps: Iterable[str], vo: str, ce: str, now: datetime
) -> dict[str, int]:
    """Make pilots for jobs at a CE that have no pilot; return the id of each.

    They begin in doubt. The jobs exist already, so limits do not apply.
    """
    vo_id, ce_id = key_of(tx, vos, vo), key_of(tx, ces, ce)
    return _make(tx, Status.SUBMITTING, ((stamp, vo_id, ce_id) for stamp in stamps), now)


def _make(
    tx: Transaction, status: Status, data: Iterable[tuple[str, int, int]], now: datetime
) -> dict[str, int]:
    """Make new pilots; return the id of each stamp."""
    parameters = {**encode(_BIRTH, data), "now": now}
    new: Sequence[Any] = tx.execute(_make_pilots(tx.dialect, status), parameters).all()
    return {stamp: number for number, stamp in new}


def _new_stamps(count: int, now: datetime) -> Iterator[str]:
    """Make new stamps, in groups.

    The stamps of one hour have the same beginning, so they are together in their index. Otherwise
    each group would change another page of a large index, and the log would get that whole page.
    """
    hour = int(now.timestamp()) // 3600 % 256
    for begin in range(0, count, GROUP_SIZE):
        group = f"{hour:02x}{token_hex(GROUP_LENGTH // 2 - 1)}"
        yield from (numbered(group, n) for n in range(min(GROUP_SIZE, count - begin)))


def claim(
    tx: Transaction, ce: str, limit: int, now: datetime, *, only_of: Collection[str] | None = None
) -> list[Reserved]:
    """Take reserved pilots of a CE for sending, oldest first; no two claims take the same pilot.

    If VOs are given in `only_of`, the pilots of all others stay reserved.
    """
    parameters = {"ce": ce, "limit": limit, "now": now}
    if only_of is not None:
        parameters["only_of"] = sorted(only_of)
    claimed: Sequence[Any] = tx.execute(_claim(from_all=only_of is None), parameters).all()
    return sorted(Reserved(pilot_id=row[0], stamp=row[1], vo=row[2], ce=ce) for row in claimed)


Receipt = receipt_move
"""Another name of `receipt_move`, for programs outside of Pilotage."""


def record(tx: Transaction, receipts: Iterable[Move], now: datetime) -> Moved:
    """Record the receipts of claimed pilots, each as the move that `receipt_move` returns.

    A receipt that comes after a listing has already settled its pilot changes nothing.
    """
    return move(tx, list(receipts), now)


def checked(tx: Transaction, checks: Collection[Check], now: datetime) -> None:
    """Note checks that changed no status: when to ask again, and whether the pilot was missing.

    An answer that the CE does not know the pilot counts as a miss; no answer about the pilot counts
    as an attempt; neither changes the status. The CE's words are kept beside the status: they say
    why a pilot still waits.
    """
    if not checks:
        return
    data = (
        (number, again, int(answered), int(missing), *rest)
        for number, again, answered, missing, *rest in checks
    )
    tx.execute(_checked(tx.dialect), {**encode(Check._fields, data), "now": now})


def cancel_reserved(tx: Transaction, ids: Iterable[int], reason: str, now: datetime) -> int:
    """Cancel pilots that were never sent; return how many."""
    return _cancel_unsent(tx, dict.fromkeys(ids, reason), now)


def cancel(
    tx: Transaction,
    unsent: Mapping[int, str],
    sent: Mapping[int, str],
    now: datetime,
    *,
    if_waiting: Collection[int] = (),
) -> int:
    """Cancel pilots, each for its reason. Pilots at a CE are cancelled by their next check, which
    is made due now; those in `if_waiting` only if it says that they wait.

    Return how many were or will be cancelled.
    """
    if sent:
        request_cancel(tx, sent, now, if_waiting=if_waiting)
        check_soon(tx, sent, now)
    return _cancel_unsent(tx, unsent, now) + len(sent)


def request_cancel(
    tx: Transaction,
    reasons: Mapping[int, str],
    now: datetime,
    *,
    if_waiting: Collection[int] = (),
) -> None:
    """Note that the end of pilots was asked for, and why; an earlier request stays.

    The end of pilots in `if_waiting` is asked for because they wait. Such a request is not noted
    for a pilot that runs, is dropped when the pilot begins, and is replaced by a request of the
    other kind. The status of the pilots changes only by later answers of their CE.
    """
    names, waiting = ("pilot_id", "reason", "if_waiting"), frozenset(if_waiting)
    data = ((number, why, 1 if number in waiting else None) for number, why in reasons.items())
    tx.execute(_request_cancel(tx.dialect), {**encode(names, data), "now": now})


def check_soon(tx: Transaction, ids: Iterable[int], now: datetime) -> None:
    """Make the checks of pilots at their CE due now."""
    tx.execute(_check_soon(tx.dialect), {**encode(("pilot_id",), ([i] for i in ids)), "now": now})


def _cancel_unsent(tx: Transaction, reasons: Mapping[int, str], now: datetime) -> int:
    moves = [
        Move(pilot_id=number, was=Status.RESERVED, to=Status.CANCELLED, reason=reason)
        for number, reason in reasons.items()
    ]
    return len(move(tx, moves, now).moved)


_NOW = bindparam("now", type_=UtcDateTime())

_CE_ID = select(ces.c.id).where(ces.c.name == bindparam("ce", type_=Text)).scalar_subquery()

_BIRTH = ("stamp", "vo_id", "ce_id")


@cache
def _claim(*, from_all: bool) -> Executable:
    """Make the single statement of `claim`: lock reserved pilots, and move them."""
    claimable = (
        select(pilots.c.id)
        .where(pilots.c.ce_id == _CE_ID, has_status([Status.RESERVED]))
        # `submitted_at` is NULL in all of them. It is named because the index has this order, so
        # that nothing is sorted.
        .order_by(pilots.c.submitted_at, pilots.c.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(of=pilots, key_share=True, skip_locked=True)
    )
    if not from_all:
        # The others are excluded, so that this is a filter: a plain IN could become a join, which
        # reads all reserved pilots of the CE and sorts them.
        others = select(vos.c.id).where(vos.c.name.not_in(bindparam("only_of", expanding=True)))
        claimable = claimable.where(pilots.c.vo_id.not_in(others))
    return _claiming(claimable)


def _claiming(claimable: Select[Any]) -> Executable:
    vo = select(vos.c.name).where(vos.c.id == pilots.c.vo_id).scalar_subquery()
    claim = claiming(claimable.cte("claimable"))
    return claim.returning(pilots.c.id, pilots.c.stamp, vo)


@cache
def _make_pilots(dialect: str, status: Status) -> Executable:
    new = rows(dialect, stamp=Text, vo_id=Integer, ce_id=Integer)
    return (
        insert(pilots)
        .from_select(
            [*_BIRTH, "status", "reserved_at", "updated_at"],
            select(
                *(new.c[name] for name in _BIRTH),
                literal(status, pilots.c.status.type),
                _NOW,
                _NOW,
            ),
        )
        .returning(pilots.c.id, pilots.c.stamp)
    )


@cache
def _checked(dialect: str) -> Executable:
    checks = rows(
        dialect,
        pilot_id=Integer,
        next_check_at=UtcDateTime,
        answered=Integer,
        missing=Integer,
        raw=Text,
        reason=Text,
        node=Text,
        was=Text,
        started_at=UtcDateTime,
    )
    old = pilots.c
    # A receipt may have come since a pilot in doubt was judged: its next check stays.
    is_as_judged = func.coalesce(checks.c.was, old.status) == old.status
    new = _locked(checks, has_status(CE_MAY_HAVE_IT) & is_as_judged)
    return (
        update(pilots)
        .where(old.id == new.c.pilot_id)
        .values(
            next_check_at=new.c.next_check_at,
            attempts=case((new.c.answered == 1, 0), else_=old.attempts + 1),
            misses=case(
                (new.c.missing == 1, old.misses + 1),
                (new.c.answered == 1, 0),
                else_=old.misses,
            ),
            missing_since=case(
                (new.c.missing == 1, func.coalesce(old.missing_since, _NOW)),
                (new.c.answered == 1, null()),
                else_=old.missing_since,
            ),
            checked_at=case((new.c.answered == 1, _NOW), else_=old.checked_at),
            raw=func.coalesce(new.c.raw, old.raw),
            reason=case((new.c.raw.is_not(None), new.c.reason), else_=old.reason),
            node=func.coalesce(new.c.node, old.node),
            started_at=func.coalesce(new.c.started_at, old.started_at),
            updated_at=_NOW,
        )
    )


def _locked(targets: Subquery, condition: ColumnElement[bool]) -> CTE:
    """Lock those of some pilots whose status meets a condition, in the order of their keys.

    Because of the order two statements never deadlock. The condition on the status is hidden in a
    CASE, so that each pilot is looked up by its key: with a plain condition and a new table without
    statistics, the planner expects one match, reads all active pilots and compares each with each
    row.
    """
    return (
        select(*targets.c)
        .join_from(targets, pilots, pilots.c.id == targets.c.pilot_id)
        .where(case((condition, 1), else_=0) == 1)
        .order_by(pilots.c.id)
        .with_for_update(of=pilots, key_share=True)
        .cte("locked")
    )


@cache
def _request_cancel(dialect: str) -> Executable:
    requests = rows(dialect, pilot_id=Integer, reason=Text, if_waiting=Integer)
    # The status is looked at again under the lock: a check may have seen the pilot begin.
    may_wait = requests.c.if_waiting.is_(None) | has_status([Status.SUBMITTED])
    new = _locked(requests, has_status(CE_MAY_HAVE_IT) & may_wait).c
    old = pilots.c
    counts = case((new.if_waiting.is_(None), may_go_on()), else_=old.cancel_requested_at.is_(None))
    values = {
        "cancel_requested_at": _NOW,
        "cancel_reason": new.reason,
        "cancel_if_waiting": case((new.if_waiting == 1, true())),
    }
    return (
        update(pilots)
        .where(old.id == new.pilot_id)
        .values({name: case((counts, value), else_=old[name]) for name, value in values.items()})
        .values(updated_at=_NOW)
    )


@cache
def _check_soon(dialect: str) -> Executable:
    targets = _locked(rows(dialect, pilot_id=Integer), has_status(AT_CE))
    return (
        update(pilots)
        .where(pilots.c.id == targets.c.pilot_id)
        .values(next_check_at=_NOW, updated_at=_NOW)
    )
