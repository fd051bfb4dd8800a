"""Translation of a filter of pilots into conditions that do not read the whole history.

Each value that selects few pilots of a long history has an index: the handle, the beginning of a
stamp, the node, the cause of a failure, the uses short and empty. The age applies to active pilots
only.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, literal_column, select

from worker.db.names import key_of
from worker.db.pilot_search import has_handle, matches
from worker.db.rows import has_string
from worker.db.tables import ces, has_status, has_use, pilots, vos
from worker.db.uow import Transaction
from worker.domain.pilot import OCCUPYING, Cause
from worker.domain.pilot_filter import PilotFilter


def filtered(
    tx: Transaction, query: Select[Any], chosen: PilotFilter, now: datetime
) -> Select[Any]:
    """Restrict a query to the pilots that a filter selects."""
    conditions: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
        "statuses": has_status,
        "uses": has_use,
        "causes": _has_cause,
        "search": lambda text: pilots.c.id.in_(matches(text)),
        "handle": lambda handle: pilots.c.id.in_(has_handle(handle)),
        "node": lambda node: pilots.c.node == node,
        "ce": lambda name: pilots.c.ce_id == key_of(tx, ces, name),
        "tag": lambda tag: pilots.c.ce_id.in_(_tagged(tx, tag)),
        "vo": lambda name: pilots.c.vo_id == key_of(tx, vos, name),
        "older_than": lambda age: has_status(OCCUPYING) & (pilots.c.reserved_at <= now - age),
    }
    return query.where(*(conditions[name](value) for name, value in chosen.values().items()))


def _has_cause(causes: Collection[Cause]) -> ColumnElement[bool]:
    return pilots.c.cause.in_([literal_column(f"'{cause}'") for cause in Cause if cause in causes])


def _tagged(tx: Transaction, tag: str) -> Select[Any]:
    return select(ces.c.id).where(has_string(tx, ces.c.tags, tag))
