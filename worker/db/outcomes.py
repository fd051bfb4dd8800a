"""Outcomes: how pilots ended lately, counted by CE."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, case, func, select

from worker.db.tables import ce_health, ces, has_status, pilots, transitions
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import CE_FAULTS, FINAL, Status


def since_learned(tx: Transaction, until: datetime) -> dict[str, tuple[int, int]]:
    """Count, by CE, good ends and ends that are the CE's fault, since it was learnt from last.

    An end that is neither, such as a pilot that we cancelled, is left out.
    """
    return {row.ce: (row.good, row.bad) for row in tx.execute(_SINCE, {"until": until})}


def _since() -> Select[Any]:
    faulty = transitions.c.cause.in_(sorted(CE_FAULTS)) | (transitions.c.became == Status.LOST)
    good = func.sum(case((transitions.c.became == Status.DONE, 1), else_=0))
    return (
        select(
            ces.c.name.label("ce"),
            good.label("good"),
            func.sum(case((faulty, 1), else_=0)).label("bad"),
        )
        .select_from(
            transitions.join(pilots, pilots.c.id == transitions.c.pilot_id)
            .join(ces, ces.c.id == pilots.c.ce_id)
            .join(ce_health, ce_health.c.ce_id == ces.c.id)
        )
        .where(
            has_status(FINAL, transitions.c.became),
            transitions.c.at <= bindparam("until", type_=UtcDateTime()),
            # The first bounds the range of the index, whatever the history; the second is exact.
            transitions.c.at > select(func.min(ce_health.c.learned_at)).scalar_subquery(),
            transitions.c.at > ce_health.c.learned_at,
        )
        .group_by(ces.c.name)
    )


_SINCE = _since()
