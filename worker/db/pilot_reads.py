"""Reads of pilots: those in doubt or due, lists, counts, history. Nothing here changes a row."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    Text,
    bindparam,
    case,
    exists,
    func,
    select,
)

from worker.db.engine import POSTGRESQL
from worker.db.history import steps
from worker.db.names import key_of
from worker.db.pages import FIRST, Page, PageRequest, limited, order_of, read_page
from worker.db.pilot_filter import filtered
from worker.db.pilot_search import (
    COLUMNS,
    among_newest,
    begins_with_newest,
    directed,
    equals_handle,
    keys,
    longest_waiting,
    ordered,
    restriction,
    stamp_begins_with,
)
from worker.db.rows import encode, rows
from worker.db.tables import ces, has_status, may_go_on, pilots, transitions, vos
from worker.db.tallies import counted
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.errors import UnknownPilot
from worker.domain.pilot import (
    AT_CE,
    FINAL,
    OCCUPYING,
    Pilot,
    PilotToCheck,
    Status,
    Transition,
)
from worker.domain.pilot_filter import PilotFilter


def may_be_at_ce(tx: Transaction, ce: str) -> list[Pilot]:
    """Return a CE's pilots that were claimed and are not over."""
    # Sorted in Python: to sort by id, SQLite would read the whole history of the CE.
    query = PILOTS.where(ces.c.name == ce, has_status(OCCUPYING - {Status.RESERVED}))
    return sorted(_pilots(tx, query))


def in_doubt(tx: Transaction, ce: str) -> list[Pilot]:
    """Return a CE's pilots that were claimed and whose answer is not recorded."""
    query = PILOTS.where(ces.c.name == ce, has_status([Status.SUBMITTING]))
    return _pilots(tx, query.order_by(pilots.c.id))


def unsent(tx: Transaction, ce: str) -> dict[int, str]:
    """Return the pilots of a CE that hold a slot and were not sent, each with its VO."""
    query = (
        select(pilots.c.id, vos.c.name)
        .join_from(pilots, vos, pilots.c.vo_id == vos.c.id)
        .where(pilots.c.ce_id == _CE_ID, has_status([Status.RESERVED]))
        .order_by(pilots.c.id)
    )
    return {row.id: row.name for row in tx.execute(query, {"ce": ce})}


def count_ending(tx: Transaction) -> dict[str, int]:
    """Count the pilots of each VO that are at a CE and were asked to end."""
    query = (
        select(vos.c.name, func.count().label("ending"))
        .join_from(pilots, vos)
        .where(has_status(AT_CE), pilots.c.cancel_requested_at.is_not(None))
        .group_by(vos.c.name)
    )
    return {row.name: row.ending for row in tx.execute(query)}


def left_by_drains(tx: Transaction, now: datetime) -> list[tuple[int, Status, bool]]:
    """Return the pilots to be cancelled at CEs whose time to drain is over.

    These are the waiting pilots, and at CEs with `end_running` the running ones, too. Each is
    returned with its status, and whether it is also to end if it runs. Pilots whose end was already
    asked for in the same way are left out.
    """
    left = tx.execute(_LEFT_BY_DRAINS, {"now": now})
    return sorted((row.id, row.status, row.end_running) for row in left)


def waiting_of(tx: Transaction, vo: str, count: int) -> tuple[list[int], list[int]]:
    """Return waiting pilots of a VO to cancel, the youngest first: the unsent, and the sent ones.

    Up to `count` are chosen. Pilots whose end was already asked for count among them, but are not
    returned.
    """
    query = (
        select(pilots.c.id, pilots.c.status, pilots.c.cancel_requested_at)
        # The sum keeps the planner from the index of VOs, by which it would read the whole history.
        .where(pilots.c.vo_id + 0 == key_of(tx, vos, vo))
        .where(has_status([Status.RESERVED, Status.SUBMITTED]))
        .order_by(
            pilots.c.cancel_requested_at.is_(None),
            case((has_status([Status.RESERVED]), 0), else_=1),
            pilots.c.id.desc(),
        )
        .limit(count)
    )
    waiting = [row for row in tx.execute(query) if row.cancel_requested_at is None]
    unsent = [row.id for row in waiting if row.status is Status.RESERVED]
    return unsent, [row.id for row in waiting if row.status is Status.SUBMITTED]


def ces_with(tx: Transaction, status: Status) -> list[str]:
    """Return the CEs that have a pilot in this status, which must be an active one."""
    has_pilot = exists().where(pilots.c.ce_id == ces.c.id, has_status([status]))
    return list(tx.execute(select(ces.c.name).where(has_pilot).order_by(ces.c.name)).scalars())


def ces_with_due(tx: Transaction, now: datetime) -> list[str]:
    """Return the CEs that have a pilot whose check is due."""
    has_pilot = exists().where(pilots.c.ce_id == ces.c.id, _IS_DUE)
    query = select(ces.c.name).where(has_pilot).order_by(ces.c.name)
    return list(tx.execute(query, {"now": now}).scalars())


def due(tx: Transaction, ce: str, now: datetime, limit: int) -> list[PilotToCheck]:
    """Return a CE's pilots of all VOs whose check is due, the most overdue first."""
    rows = tx.execute(_DUE, {"ce": ce, "now": now, "limit": limit})
    return [PilotToCheck._make(row) for row in rows.all()]


def get(tx: Transaction, pilot_id: int) -> Pilot:
    return _only(_pilots(tx, PILOTS.where(pilots.c.id == pilot_id)), pilot_id)


def by_stamps(tx: Transaction, stamps: Iterable[str]) -> dict[str, Pilot]:
    """Return the pilots of these stamps; a stamp without a pilot is left out."""
    listing = _pilots(tx, _by_stamps(tx.dialect), encode(("stamp",), ([s] for s in stamps)))
    return {pilot.stamp: pilot for pilot in listing}


def by_ids(tx: Transaction, ids: Iterable[int]) -> dict[int, Pilot]:
    """Return the pilots of these ids; an id without a pilot is left out."""
    listing = _pilots(tx, _by_ids(tx.dialect), encode(("id",), ([i] for i in ids)))
    return {pilot.id: pilot for pilot in listing}


def by_handle(tx: Transaction, handle: str, ce: str | None, limit: int) -> list[Pilot]:
    """Return the pilots with this handle, the newest first: a CE may use an id again."""
    return _newest(tx, equals_handle(handle), ce, limit)


def by_beginning(tx: Transaction, beginning: str, ce: str | None, limit: int) -> list[Pilot]:
    """Return the pilots whose stamp begins like this, the newest first."""
    return _newest(tx, stamp_begins_with(beginning), ce, limit)


def find(
    tx: Transaction, *, asked: PageRequest = FIRST, now: datetime | None = None, **values: Any
) -> Page[Pilot]:
    """List the pilots that the values of a `PilotFilter` select; their ages are those at `now`."""
    chosen = PilotFilter(**values)
    statuses = chosen.statuses or _implied(chosen)
    now = now or datetime.now(UTC)
    # `ordered` already adds the condition on the status.
    others = replace(chosen, statuses=())
    ids = select(pilots.c.id)
    if tx.dialect == POSTGRESQL and asked.sort == "wait":
        restriction(asked.sort, statuses)
        return _page(tx, longest_waiting(filtered(tx, ids, others, now), asked), asked)
    ids = filtered(tx, ordered(ids, asked, statuses), others, now)
    if begins_with_newest(asked, statuses) and not others.values():
        newest = limited(ids.where(among_newest(tx)), [pilots.c.id], asked)
        page = _page(tx, newest, asked)
        if page.next:
            return page
    order = order_of(*keys(asked, statuses), asked)
    return _page(tx, limited(ids, order, directed(asked)), asked)


def _page(tx: Transaction, ids: Select[Any], asked: PageRequest) -> Page[Pilot]:
    """Read a page of pilots whose ids are selected first: only their wide rows are read."""
    chosen = ids.subquery("page")
    query = PILOTS.join(chosen, chosen.c.id == pilots.c.id)
    # The sum keeps the planner from walking the index of ids, past all other pilots.
    key = chosen.c.id + 0
    request = replace(directed(asked), after=None)
    return read_page(tx, query, key, {**COLUMNS, "id": key}, request, lambda row: Pilot(**row))


def active(tx: Transaction, chosen: PilotFilter, now: datetime) -> list[tuple[int, str, Status]]:
    """Return the active pilots that a filter selects: the id, CE and status of each."""
    query = select(pilots.c.id, ces.c.name, pilots.c.status)
    query = query.join_from(pilots, ces, pilots.c.ce_id == ces.c.id).where(has_status(OCCUPYING))
    # Sorted in Python: to sort by id, SQLite would read the whole history.
    rows = tx.execute(filtered(tx, query, chosen, now))
    return sorted((row.id, row.name, row.status) for row in rows)


def _implied(chosen: PilotFilter) -> Collection[Status]:
    """Return the statuses that other values of a filter imply.

    So an order that does not apply to these statuses is refused.
    """
    if chosen.causes:
        return [Status.FAILED]
    return [Status.DONE] if chosen.uses else ()


def history(tx: Transaction, pilot_id: int) -> list[Transition]:
    """Return what happened to a pilot, in order."""
    listing = tx.execute(steps(pilot_id).order_by("id")).mappings()
    return [Transition(**row) for row in listing]


def count_by_status(tx: Transaction) -> dict[Status, int]:
    """Count pilots by status; a status that no pilot has is left out."""
    part = counted()
    number = func.sum(part.c.pilots)
    query = (
        select(part.c.status, number.label("pilots"))
        .where(has_status(Status, part.c.status))
        .group_by(part.c.status)
        .having(number != 0)
    )
    counts = {row.status: int(row.pilots) for row in tx.execute(query)}
    return {status: counts[status] for status in Status if status in counts}


def count_occupying(tx: Transaction) -> dict[tuple[str, Status], int]:
    """Count the pilots that occupy a slot, by CE and status."""
    part = counted()
    number = func.sum(part.c.pilots)
    query = (
        select(ces.c.name, part.c.status, number.label("pilots"))
        .join_from(part, ces, part.c.ce_id == ces.c.id)
        .where(has_status(OCCUPYING, part.c.status))
        .group_by(ces.c.name, part.c.status)
        .having(number != 0)
    )
    return {(row.name, row.status): int(row.pilots) for row in tx.execute(query)}


def latest_transitions(tx: Transaction, limit: int) -> list[tuple[str, Transition]]:
    """Return the last transitions, the newest first, each with the name of its CE.

    Births and claims are not among them: they are columns of the pilots.
    """
    query = (
        select(ces.c.name.label("ce"), *_STEP)
        .join_from(transitions, pilots, transitions.c.pilot_id == pilots.c.id)
        .join(ces, pilots.c.ce_id == ces.c.id)
        .order_by(transitions.c.id.desc())
        .limit(limit)
    )
    listing = [dict(row) for row in tx.execute(query).mappings()]
    return [(row.pop("ce"), Transition(**row)) for row in listing]


def count_active(tx: Transaction, *, vo: str | None = None) -> int:
    """Count the pilots that occupy a slot somewhere, of all VOs or of one."""
    part = counted()
    query = select(func.coalesce(func.sum(part.c.pilots), 0))
    query = query.where(has_status(OCCUPYING, part.c.status))
    if vo is not None:
        query = query.where(part.c.vo_id == key_of(tx, vos, vo))
    return int(tx.execute(query).scalar_one())


_NOW = bindparam("now", type_=UtcDateTime())
_IS_DUE = (pilots.c.next_check_at <= _NOW) & pilots.c.ended_at.is_(None)
_CE_ID = select(ces.c.id).where(ces.c.name == bindparam("ce", type_=Text)).scalar_subquery()

_LEFT_BY_DRAINS = (
    select(pilots.c.id, pilots.c.status, ces.c.end_running)
    .join_from(ces, pilots, pilots.c.ce_id == ces.c.id)
    .where(
        ces.c.draining,
        ces.c.drain_by <= _NOW,
        has_status(OCCUPYING - {Status.SUBMITTING}),
        ces.c.end_running | has_status([Status.RESERVED, Status.SUBMITTED]),
        pilots.c.cancel_requested_at.is_(None) | (ces.c.end_running & may_go_on()),
    )
)

_STEP = [transitions.c[field.name] for field in fields(Transition)]

_ATTRIBUTES = [
    vos.c.name.label("vo")
    if name == "vo"
    else ces.c.name.label("ce")
    if name == "ce"
    else pilots.c[name]
    for name in Pilot._fields
]

PILOTS: Select[Any] = select(*_ATTRIBUTES).select_from(
    pilots.outerjoin(vos, pilots.c.vo_id == vos.c.id).outerjoin(ces, pilots.c.ce_id == ces.c.id)
)
"""Pilots with the names of their VO and CE.

Every pilot has both. The outer join makes the planner find the pilots first, and never by way of a
VO, which would read the VO's whole history.
"""


def _pilots(
    tx: Transaction, query: Select[Any], parameters: dict[str, Any] | None = None
) -> list[Pilot]:
    return [Pilot._make(row) for row in tx.execute(query, parameters).all()]


def _newest(tx: Transaction, ids: Select[Any], ce: str | None, limit: int) -> list[Pilot]:
    query = PILOTS.where(pilots.c.id.in_(ids))
    if ce is not None:
        query = query.where(pilots.c.ce_id == key_of(tx, ces, ce))
    return _pilots(tx, query.order_by(pilots.c.id.desc()).limit(limit))


def _only(matches: list[Pilot], name: object) -> Pilot:
    if not matches:
        raise UnknownPilot(name)
    return matches[0]


_DUE = (
    select(*(vos.c.name if name == "vo" else pilots.c[name] for name in PilotToCheck._fields))
    .join_from(pilots, vos, pilots.c.vo_id == vos.c.id)
    .where(pilots.c.ce_id == _CE_ID, _IS_DUE)
    .order_by(pilots.c.next_check_at, pilots.c.id)
    .limit(bindparam("limit", type_=Integer))
)


@cache
def _by_stamps(dialect: str) -> Select[Any]:
    stamps = rows(dialect, stamp=Text)
    return PILOTS.join(stamps, pilots.c.stamp == stamps.c.stamp)


@cache
def _by_ids(dialect: str) -> Select[Any]:
    ids = rows(dialect, id=Integer)
    return PILOTS.join(ids, pilots.c.id == ids.c.id)


def ended_since(tx: Transaction, since: Mapping[int, datetime]) -> dict[str, int]:
    """Count the pilots of some VOs that have ended since a moment of each VO, by its name."""
    query = _ended_since(tx.dialect)
    counted = tx.execute(query, encode(("vo_id", "since"), sorted(since.items())))
    return {row.name: int(row.pilots) for row in counted}


@cache
def _ended_since(dialect: str) -> Select[Any]:
    begins = rows(dialect, vo_id=Integer, since=UtcDateTime)
    earliest = select(func.min(begins.c.since)).scalar_subquery()
    return (
        select(vos.c.name, func.count(func.distinct(pilots.c.id)).label("pilots"))
        .join_from(transitions, pilots, pilots.c.id == transitions.c.pilot_id)
        .join(vos, vos.c.id == pilots.c.vo_id)
        .join(begins, begins.c.vo_id == vos.c.id)
        .where(
            has_status(FINAL, transitions.c.became),
            transitions.c.at >= earliest,
            transitions.c.at >= begins.c.since,
        )
        .group_by(vos.c.name)
    )
