"""How pilots ended lately, and why they failed: read from a bounded number of the newest ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, Text, case, cast, func, select

from worker.db.names import key_of
from worker.db.tables import ces, has_status, pilots, transitions, vos
from worker.db.uow import Transaction
from worker.domain.pilot import FINAL, OF_NO_USE, Cause, Status, Use
from worker.domain.words import Described

MOST = 100_000
"""The most ends that are counted: the newest ones."""

BAD = frozenset({Status.FAILED, Status.LOST})


class By(Described):
    """What failures are grouped by."""

    CAUSE = "cause", "The cause of the failure."
    CE = "ce", "The CE of the pilot."
    VO = "vo", "The VO of the pilot."
    NODE = "node", "The machine that ran the pilot."


@dataclass(frozen=True, kw_only=True)
class Ends:
    """How many pilots ended since a moment, by status; and the causes of those that failed."""

    since: datetime
    ended: dict[Status, int]
    of_no_use: dict[Use, int]
    """How many of the pilots that ended well were short or empty."""
    causes: dict[Cause, int]
    is_cut: bool
    """Whether there were more ends than are counted; if so, `since` is the oldest counted end."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """A group of failed and lost pilots, with the CE's word and the reason of most of them."""

    pilots: int
    words: dict[By, str | None]
    raw: str | None
    reason: str | None


def count_ends(
    tx: Transaction, since: datetime, ce: str | None = None, vo: str | None = None
) -> Ends:
    """Count the pilots that ended since a moment."""
    ends = _ends(tx, since, ce, vo)
    # Read for each end by its key: a join might read all pilots that ever ended for nothing.
    its_use = select(pilots.c.use).where(pilots.c.id == ends.c.pilot_id).scalar_subquery()
    use = case((has_status([Status.DONE], ends.c.became), its_use))
    each = select(ends.c.became, ends.c.cause, ends.c.at, use.label("use")).subquery("each")
    words = (each.c.became, each.c.cause, each.c.use)
    query = select(
        *words, func.count().label("pilots"), func.min(each.c.at).label("first_at")
    ).group_by(*words)
    ended: dict[Status, int] = {}
    causes: dict[Cause, int] = {}
    uses: dict[Use, int] = {}
    oldest = since
    listing = tx.execute(query).all()
    for row in listing:
        ended[row.became] = ended.get(row.became, 0) + row.pilots
        if row.cause is not None:
            causes[row.cause] = causes.get(row.cause, 0) + row.pilots
        elif row.use in OF_NO_USE:
            uses[row.use] = row.pilots
    is_cut = sum(ended.values()) >= MOST
    if is_cut:
        oldest = min(row.first_at for row in listing)
    return Ends(
        since=oldest,
        ended={status: ended[status] for status in Status if status in ended},
        of_no_use={use: uses[use] for use in Use if use in uses},
        causes=dict(sorted(causes.items(), key=lambda item: -item[1])),
        is_cut=is_cut,
    )


def failures(
    tx: Transaction,
    since: datetime,
    by: Sequence[By],
    limit: int,
    *,
    ce: str | None = None,
    vo: str | None = None,
) -> list[Failures]:
    """Group the pilots that failed or were lost since a moment, the largest groups first.

    Each group has the CE's word and the reason that most of its pilots ended with.
    """
    ends = _ends(tx, since, ce, vo)
    words = _words(ends)
    dimensions = [words[dimension].label(dimension) for dimension in by]
    counted = (
        select(*dimensions, ends.c.raw, ends.c.reason, func.count().label("pilots"))
        .join_from(ends, pilots, ends.c.pilot_id == pilots.c.id)
        .join(ces, pilots.c.ce_id == ces.c.id)
        .join(vos, pilots.c.vo_id == vos.c.id)
        .where(has_status(BAD, ends.c.became))
        .group_by(*(words[dimension] for dimension in by), ends.c.raw, ends.c.reason)
        .subquery("counted")
    )
    group = [counted.c[dimension] for dimension in by]
    ranked = select(
        *group,
        counted.c.raw,
        counted.c.reason,
        func.sum(counted.c.pilots).over(partition_by=group or None).label("total"),
        func.row_number()
        .over(
            partition_by=group or None,
            order_by=(counted.c.pilots.desc(), counted.c.raw, counted.c.reason),
        )
        .label("place"),
    ).subquery("ranked")
    query = (
        select(ranked)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.total.desc(), *(ranked.c[dimension] for dimension in by))
        .limit(limit)
    )
    return [_group(row, by) for row in tx.execute(query).mappings()]


def _ends(tx: Transaction, since: datetime, ce: str | None, vo: str | None) -> CTE:
    """Select the newest ends since a moment. Their number is limited before they are grouped."""
    query: Select[Any] = (
        select(
            transitions.c.pilot_id,
            transitions.c.became,
            transitions.c.cause,
            transitions.c.raw,
            transitions.c.reason,
            transitions.c.at,
        )
        .where(has_status(FINAL, transitions.c.became), transitions.c.at >= since)
        .order_by(transitions.c.at.desc())
        .limit(MOST)
    )
    newest = query.cte("newest").prefix_with("MATERIALIZED")
    if ce is None and vo is None:
        return newest
    chosen = select(newest).join(pilots, newest.c.pilot_id == pilots.c.id)
    if ce is not None:
        chosen = chosen.where(pilots.c.ce_id == key_of(tx, ces, ce))
    if vo is not None:
        chosen = chosen.where(pilots.c.vo_id == key_of(tx, vos, vo))
    return chosen.cte("chosen")


def _words(ends: CTE) -> dict[By, ColumnElement[Any]]:
    return {
        By.CAUSE: func.coalesce(cast(ends.c.cause, Text), cast(ends.c.became, Text)),
        By.CE: ces.c.name,
        By.VO: vos.c.name,
        By.NODE: pilots.c.node,
    }


def _group(row: Any, by: Sequence[By]) -> Failures:
    return Failures(
        pilots=int(row["total"]),
        words={dimension: row[dimension] for dimension in by},
        raw=row["raw"],
        reason=row["reason"],
    )
