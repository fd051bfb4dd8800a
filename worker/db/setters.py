"""Who drained, disabled, restricted or holds a CE, when and why, by the audit.

The audit is read by the index of its names, from the latest change of a CE back to the change that
set the present state. If the audit has no such change, nobody is named.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, func, literal, null, or_, select, union_all

from worker.db.engine import POSTGRESQL
from worker.db.tables import ce_health, ces, changes
from worker.db.uow import Transaction
from worker.domain.change import Setter
from worker.domain.sending import Sending

_STATES: Mapping[str, ColumnElement[bool]] = {
    "draining": ces.c.draining,
    "enabled": ~ces.c.enabled,
    "only_for": ~ces.c.open_to_all,
    "sending": ce_health.c.sending == Sending.HELD,
}
"""The values of a CE that can keep pilots away, each with the condition under which it does."""


def of_ces(tx: Transaction, ce: str | None = None) -> dict[str, dict[str, Setter]]:
    """Return who keeps pilots away from each CE, or from one, by the name of the value."""
    states = union_all(*(_changed(tx, field, ce) for field in _STATES)).subquery()
    query = select(
        states.c.ce,
        states.c.field,
        *(changes.c[name] for name in ("at", "who", "what", "after")),
    ).join_from(states, changes, changes.c.id == states.c.change_id)
    by_ce: dict[str, dict[str, Setter]] = {}
    for row in tx.execute(query):
        if _KEEPS_AWAY[row.field](row.after or {}):
            reason = _reason(row.what, row.after or {})
            setter = Setter(at=row.at, who=row.who, reason=reason)
            by_ce.setdefault(row.ce, {})[row.field] = setter
    return by_ce


def _changed(tx: Transaction, field: str, ce: str | None) -> Select[Any]:
    """Select the last change of a value, for each CE from which this value keeps pilots away."""
    last = (
        select(changes.c.id)
        .where(
            changes.c.kind == "ce",
            changes.c.name == ces.c.name,
            or_(_has(tx, field), changes.c.before.is_(null())),
        )
        .order_by(changes.c.at.desc(), changes.c.id.desc())
        .limit(1)
        .correlate(ces)
        .scalar_subquery()
    )
    query = (
        select(ces.c.name.label("ce"), literal(field, Text).label("field"), last.label("change_id"))
        .join_from(ces, ce_health, ce_health.c.ce_id == ces.c.id)
        .where(_STATES[field])
    )
    return query if ce is None else query.where(ces.c.name == ce)


def _has(tx: Transaction, field: str) -> ColumnElement[bool]:
    """Return the condition that a change has changed this value."""
    if tx.dialect == POSTGRESQL:
        return changes.c.after.op("?", is_comparison=True)(literal(field, Text))
    return func.json_type(changes.c.after, f"$.{field}").is_not(None)


_KEEPS_AWAY: Mapping[str, Any] = {
    "draining": lambda after: after.get("draining") is True,
    "enabled": lambda after: not after.get("enabled"),
    "only_for": lambda after: bool(after.get("only_for")),
    "sending": lambda after: after.get("sending") == Sending.HELD,
}
"""Whether a change has set the present state. It has not if somebody changed the database directly,
which leaves no row in the audit."""


def _reason(what: str, after: Mapping[str, Any]) -> str | None:
    """Return the reason of a change. A form of the console stores it after the colon of `what`."""
    return after.get("reason") or what.partition(": ")[2] or None
