"""Slots: how many are free on each CE, and the room that the limits leave for more pilots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import zip_longest
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    RowMapping,
    Select,
    Subquery,
    Table,
    Text,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)

from worker.db.names import unknown
from worker.db.rows import encode, is_among, keys_of, rows
from worker.db.tables import ce_health, ce_vos, ces, has_status, pilots, vos
from worker.db.tallies import counted
from worker.db.types import KEY
from worker.db.uow import Transaction
from worker.domain.pilot import OCCUPYING, WAITING, Grant
from worker.domain.sending import Sending, is_held

UNLIMITED = 2**31


class Room:
    """How many more pilots fit, by CE and by VO. The numbers are valid while the locks are held."""

    def __init__(
        self,
        ce_rows: Mapping[str, Any],
        vo_rows: Mapping[str, Any],
        by_ce: Mapping[int, tuple[int, int]],
        by_vo: Mapping[int, int],
        allowed: frozenset[tuple[int, int]],
    ) -> None:
        self.ce_ids = {name: int(ce.id) for name, ce in ce_rows.items()}
        self.vo_ids = {name: int(vo.id) for name, vo in vo_rows.items()}
        self._ces = {name: _ce_room(ce, by_ce.get(ce.id, (0, 0))) for name, ce in ce_rows.items()}
        self._vos = {name: _vo_room(vo, by_vo.get(vo.id, 0)) for name, vo in vo_rows.items()}
        self._open_to_all = frozenset(name for name, ce in ce_rows.items() if ce.open_to_all)
        self._allowed = allowed

    def take(self, vo: str, ce: str, wanted: int) -> int:
        """Take up to `wanted` places; return how many were taken."""
        if ce not in self._open_to_all and (self.ce_ids[ce], self.vo_ids[vo]) not in self._allowed:
            return 0
        taken = max(0, min(wanted, self._ces[ce], self._vos[vo]))
        self._ces[ce] -= taken
        self._vos[vo] -= taken
        return taken


def lock_rooms(tx: Transaction, grants: Sequence[Grant]) -> Room:
    """Lock the VOs and CEs of these grants, then count how many pilots they still have room for.

    The pilots are counted by a second statement: it must see the state after the locks were taken.
    """
    vo_rows, ce_rows = _lock(tx, {grant.vo for grant in grants}, {grant.ce for grant in grants})
    by_ce: dict[int, tuple[int, int]] = {}
    by_vo: dict[int, int] = {}
    allowed: set[tuple[int, int]] = set()
    keys = {
        "ces": keys_of(tx.dialect, (row.id for row in ce_rows.values())),
        "vos": keys_of(tx.dialect, (row.id for row in vo_rows.values() if row.most is not None)),
        "closed": keys_of(tx.dialect, (row.id for row in ce_rows.values() if not row.open_to_all)),
    }
    for row in tx.execute(_counts(tx.dialect), keys):
        if row.kind == "ce":
            by_ce[row.ce_id] = int(row.occupying), int(row.waiting)
        elif row.kind == "vo":
            by_vo[row.vo_id] = int(row.occupying)
        else:
            allowed.add((row.ce_id, row.vo_id))
    return Room(ce_rows, vo_rows, by_ce=by_ce, by_vo=by_vo, allowed=frozenset(allowed))


def available_ces(tx: Transaction) -> Sequence[RowMapping]:
    """Return the CEs that are enabled, do not drain and have free slots, with the free slots.

    A CE that is paused or held is among them, and one that does not answer.
    """
    return tx.execute(_AVAILABLE).mappings().all()


@dataclass(frozen=True, kw_only=True)
class CESlots:
    """The facts of one CE for an allocation for one VO. One statement reads those of all CEs."""

    name: str
    backend: str
    capacity: int
    waiting_limit: int | None
    success_rate: float
    enabled: bool
    draining: bool
    drain_by: datetime | None
    allowed: bool
    occupying: int
    waiting: int
    vo_occupying: int
    vo_waiting: int
    last_reserved_at: datetime | None
    sending: Sending
    sending_reason: str | None
    sending_since: datetime | None
    held_until: datetime | None
    failed_calls: int
    retry_at: datetime | None
    last_answered_at: datetime | None
    unanswered_since: datetime | None
    last_error: str | None
    learned: Mapping[str, Any]
    queue_drained: int
    oldest_waiting_since: datetime | None

    @property
    def available(self) -> int:
        """How many more pilots fit: the free slots, at most what the waiting limit still allows."""
        free = self.capacity - self.occupying
        if self.waiting_limit is not None:
            free = min(free, self.waiting_limit - self.waiting)
        return max(0, free)

    def is_held(self, now: datetime) -> bool:
        """Return whether an operator holds the CE now; the time of a hold may be over."""
        return is_held(self.sending, self.held_until, now)


def slots_for(tx: Transaction, vo_id: int) -> list[CESlots]:
    """Return the slots of all CEs for one VO, also of CEs that it may not use."""
    return [CESlots(**row) for row in tx.execute(_SLOTS, {"vo_id": vo_id}).mappings()]


def slots_of(tx: Transaction, ce: str) -> list[CESlots]:
    """Return the slots of one CE, or nothing if there is no such CE."""
    query = _SLOTS.where(ces.c.name == ce)
    return [CESlots(**row) for row in tx.execute(query, {"vo_id": 0}).mappings()]


def count_by_vo(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Return for each VO how many pilots occupy a slot, and how many of them wait."""
    counted = tx.execute(_BY_VO)
    return {row.name: (int(row.occupying), int(row.waiting)) for row in counted}


def _ce_room(ce: Any, counted: tuple[int, int]) -> int:
    if not ce.enabled or ce.draining:
        return 0
    occupying, waiting = counted
    free = ce.most - occupying
    return int(free if ce.waiting_limit is None else min(free, ce.waiting_limit - waiting))


def _vo_room(vo: Any, occupying: int) -> int:
    if not vo.enabled or vo.draining:
        return 0
    return UNLIMITED if vo.most is None else int(vo.most) - occupying


def _lock(
    tx: Transaction, vo_names: set[str], ce_names: set[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    # VOs and CEs are in two columns. With one column for the name and one for its kind, the planner
    # would expect only one row of each kind.
    data = zip_longest(sorted(vo_names), sorted(ce_names))
    locked = tx.execute(_locked(tx.dialect), encode((vos.name, ces.name), data)).all()
    return _by_name(tx, locked, vos, vo_names), _by_name(tx, locked, ces, ce_names)


def _by_name(
    tx: Transaction, locked: Sequence[Any], table: Table, names: set[str]
) -> dict[str, Any]:
    """Return the rows of one table by name; refuse a name without a row."""
    by_name = {row.name: row for row in locked if row.kind == table.name}
    for name in sorted(names - by_name.keys()):
        raise unknown(tx, table, name)
    return by_name


@cache
def _locked(dialect: str) -> CompoundSelect[Any]:
    """Lock the VOs and then the CEs: the parts of a union are read one after the other."""
    parts = (_locked_in(dialect, table) for table in (vos, ces))
    return union_all(*(select(part.subquery()) for part in parts))


def _locked_in(dialect: str, table: Table) -> Select[Any]:
    """Lock rows in the order of their keys, so that two transactions never deadlock."""
    names = rows(dialect, **{vos.name: Text, ces.name: Text})
    kind: ColumnElement[str] = literal_column(f"'{table.name}'")
    return (
        select(kind.label("kind"), table.c.id, table.c.name, table.c.enabled, *_LIMITS[table])
        .join(names, names.c[table.name] == table.c.name)
        .order_by(table.c.id)
        .with_for_update(of=table, key_share=True)
    )


_LIMITS: Mapping[Table, Sequence[ColumnElement[Any]]] = {
    vos: (
        vos.c["limit"].label("most"),
        null().cast(ces.c.waiting_limit.type).label("waiting_limit"),
        vos.c.draining,
        false().label("open_to_all"),
    ),
    ces: (ces.c.capacity.label("most"), ces.c.waiting_limit, ces.c.draining, ces.c.open_to_all),
}
"""The columns that limit new pilots of a VO, and at a CE."""


@cache
def _counts(dialect: str) -> CompoundSelect[Any]:
    """Count by CE and by VO, and list which VOs may use the CEs that are not open to all."""
    part = counted()
    none = null().cast(KEY)
    zero: ColumnElement[int] = literal_column("0")
    occupying = func.sum(part.c.pilots)
    waiting: ColumnElement[int] = func.sum(case((_waits(part), part.c.pilots), else_=0))
    by_ce = (
        select(
            literal_column("'ce'").label("kind"),
            part.c.ce_id,
            none.label("vo_id"),
            occupying.label("occupying"),
            waiting.label("waiting"),
        )
        .where(is_among(dialect, part.c.ce_id, "ces"), _occupies(part))
        .group_by(part.c.ce_id)
    )
    by_vo = (
        select(literal_column("'vo'"), none, part.c.vo_id, occupying, zero)
        .where(is_among(dialect, part.c.vo_id, "vos"), _occupies(part))
        .group_by(part.c.vo_id)
    )
    may_use = select(literal_column("'may use'"), ce_vos.c.ce_id, ce_vos.c.vo_id, zero, zero).where(
        is_among(dialect, ce_vos.c.ce_id, "closed")
    )
    return union_all(by_ce, by_vo, may_use)


def _occupies(part: Subquery) -> ColumnElement[bool]:
    return has_status(OCCUPYING, part.c.status)


def _waits(part: Subquery) -> ColumnElement[bool]:
    return has_status(WAITING, part.c.status)


def _occupation(*, vo_id: ColumnElement[int] | None = None) -> Subquery:
    """Select for each CE how many pilots occupy a slot and how many wait, also those of one VO."""
    part = counted()
    conditions = {"occupying": true(), "waiting": _waits(part)}
    if vo_id is not None:
        mine = part.c.vo_id == vo_id
        conditions |= {"vo_occupying": mine, "vo_waiting": mine & _waits(part)}
    return (
        select(
            part.c.ce_id,
            *(
                func.sum(case((condition, part.c.pilots), else_=0)).label(name)
                for name, condition in conditions.items()
            ),
        )
        .where(_occupies(part))
        .group_by(part.c.ce_id)
        .subquery("counted_by_ce")
    )


def _available() -> Select[Any]:
    by_ce = _occupation()
    free = ces.c.capacity - func.coalesce(by_ce.c.occupying, 0)
    may_wait = ces.c.waiting_limit - func.coalesce(by_ce.c.waiting, 0)
    slots = case((may_wait < free, may_wait), else_=free)
    return (
        select(
            ces.c.name,
            ces.c.capacity,
            ces.c.success_rate,
            slots.label("available_slots"),
        )
        .select_from(ces.outerjoin(by_ce, by_ce.c.ce_id == ces.c.id))
        .where(ces.c.enabled, ~ces.c.draining, slots > 0)
        .order_by(ces.c.name)
    )


_AVAILABLE = _available()


def _by_vo() -> Select[Any]:
    part = counted()
    return (
        select(
            vos.c.name,
            func.sum(part.c.pilots).label("occupying"),
            func.sum(case((_waits(part), part.c.pilots), else_=0)).label("waiting"),
        )
        .join_from(part, vos, part.c.vo_id == vos.c.id)
        .where(_occupies(part))
        .group_by(vos.c.name)
        .having(func.sum(part.c.pilots) > 0)
    )


_BY_VO = _by_vo()


def _slots() -> Select[Any]:
    vo_id = bindparam("vo_id", type_=KEY)
    by_ce = _occupation(vo_id=vo_id)
    permitted = exists().where(ce_vos.c.ce_id == ces.c.id, ce_vos.c.vo_id == vo_id)
    counts = ("occupying", "waiting", "vo_occupying", "vo_waiting")
    last_reserved = (
        select(pilots.c.reserved_at)
        .where(pilots.c.ce_id == ces.c.id)
        .order_by(pilots.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            *(ces.c[name] for name in _CE_COLUMNS),
            or_(ces.c.open_to_all, permitted).label("allowed"),
            *(func.coalesce(by_ce.c[name], 0).label(name) for name in counts),
            last_reserved.label("last_reserved_at"),
            *(ce_health.c[name] for name in _HEALTH_COLUMNS),
        )
        .select_from(
            ces.join(ce_health, ce_health.c.ce_id == ces.c.id).outerjoin(
                by_ce, by_ce.c.ce_id == ces.c.id
            )
        )
        .order_by(ces.c.name)
    )


_CE_COLUMNS = (
    *("name", "backend", "capacity", "waiting_limit", "success_rate"),
    *("enabled", "draining", "drain_by"),
)
_HEALTH_COLUMNS = (
    *("sending", "sending_reason", "sending_since", "held_until"),
    *("learned", "queue_drained", "oldest_waiting_since"),
    *("failed_calls", "retry_at", "last_answered_at", "unanswered_since", "last_error"),
)
_SLOTS = _slots()
