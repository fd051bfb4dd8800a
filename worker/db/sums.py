"""Sums of what pilots did since a moment, by CE, VO and day, added up from the tallies.

The tallies are kept longer than the pilots, so the sums go back further than the history. Medians
of waits cannot be had from tallies: they are read from the pilots that are still kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from worker.db.names import key_of
from worker.db.tables import ces, has_status, new_tallies, pilots, tallies, transitions, vos
from worker.db.uow import Transaction
from worker.domain.pilot import FINAL, Cause, Status, Use
from worker.domain.words import Described

MOST_WAITS = 50_000
"""How many pilots are read for their waits: those that ended last."""


class ReportBy(Described):
    """What the sums are grouped by."""

    CE = "ce", "The CE of the pilots."
    VO = "vo", "The VO of the pilots."
    DAY = "day", "The day of what happened, in UTC."


@dataclass(frozen=True, kw_only=True)
class PilotSums:
    """What some pilots did, and how long it took."""

    words: dict[ReportBy, str]
    sent: int
    ended: int
    useful: int
    short: int
    empty: int
    failed: int
    lost: int
    cancelled: int
    causes: dict[Cause, int]
    """How many pilots failed with each cause."""
    success: float | None
    """The part of the ended pilots, without the cancelled ones, that was useful."""
    starts: int
    seconds_to_start: float | None
    """The mean wait of the pilots that started."""
    half_within: float | None
    """Seconds within which half of the pilots started, by those that ended and are still kept."""
    most_within: float | None
    """Seconds within which nine of ten pilots started, by the same pilots."""
    slot_hours: float
    """The run times of all ended pilots together, in hours."""


@dataclass(frozen=True, kw_only=True)
class SumsOf:
    """Which pilots count: those of a CE, those of a VO, or all."""

    ce: str | None = None
    vo: str | None = None


def add_up(
    tx: Transaction, since: datetime, by: Sequence[ReportBy], limit: int, place: SumsOf
) -> list[PilotSums]:
    """Add up what happened since a moment, in groups by some words, or all in one group.

    The groups are sorted by these words.
    """
    parts = _parts(tx, since, place)
    words = _words(parts)
    key = [words[word].label(word) for word in by]
    query = (
        select(*key, *_columns(parts))
        .join_from(parts, ces, ces.c.id == parts.c.ce_id)
        .join(vos, vos.c.id == parts.c.vo_id)
        .group_by(*(words[word] for word in by))
        .order_by(*(words[word] for word in by))
        .limit(limit)
    )
    rows = tx.execute(query).mappings().all()
    waits = _waits(tx, since, by, place) if rows else {}
    return [_of_row(row, by, waits) for row in rows]


_NOT_COUNTED: list[ColumnElement[str]] = [
    literal_column(f"'{word}'") for word in ("", Status.RESERVED)
]
"""Tallies of pilots that were only made, or deleted, are not counted: these pilots did nothing."""


def _parts(tx: Transaction, since: datetime, place: SumsOf) -> Subquery:
    """Select the tallies since a moment, folded or not."""
    selected = []
    for table, at in ((tallies, tallies.c.begins_at), (new_tallies, new_tallies.c.at)):
        names = ("ce_id", "vo_id", "was", "became", "cause", "pilots")
        more = ("starts", "seconds_to_start", "seconds_run")
        query = select(
            # In both databases the text of a moment in UTC begins with its day.
            func.substr(cast(at, Text), 1, 10).label("day"),
            *(table.c[name] for name in (*names, *more)),
        ).where(at >= since, table.c.became.not_in(_NOT_COUNTED))
        for name, parent, wanted in (("ce_id", ces, place.ce), ("vo_id", vos, place.vo)):
            if wanted is not None:
                query = query.where(table.c[name] == key_of(tx, parent, wanted))
        selected.append(query)
    return union_all(*selected).subquery("parts")


def _words(parts: Subquery) -> dict[ReportBy, ColumnElement[Any]]:
    return {ReportBy.CE: ces.c.name, ReportBy.VO: vos.c.name, ReportBy.DAY: parts.c.day}


def _columns(parts: Subquery) -> list[ColumnElement[Any]]:
    def became(status: Status) -> ColumnElement[bool]:
        return parts.c.became == literal_column(f"'{status}'")

    def of_cause(word: str) -> ColumnElement[bool]:
        return parts.c.cause == literal_column(f"'{word}'")

    def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, parts.c.pilots), else_=0))

    is_lost: ColumnElement[str] = literal_column(f"'{Status.LOST}'")
    # A good end from before the use was stored counts as useful.
    of_no_use = of_cause(Use.SHORT) | of_cause(Use.EMPTY)
    conditions = {
        "sent": became(Status.SUBMITTING),
        "useful": became(Status.DONE) & ~of_no_use,
        "short": became(Status.DONE) & of_cause(Use.SHORT),
        "empty": became(Status.DONE) & of_cause(Use.EMPTY),
        "failed": became(Status.FAILED),
        "cancelled": became(Status.CANCELLED),
    }
    conditions |= {f"cause_{cause}": became(Status.FAILED) & of_cause(cause) for cause in Cause}
    # A lost pilot that turned up again is subtracted.
    lost = case((became(Status.LOST), parts.c.pilots), (parts.c.was == is_lost, -parts.c.pilots))
    return [
        *(number(condition).label(name) for name, condition in conditions.items()),
        func.coalesce(func.sum(lost), 0).label("lost"),
        *(func.sum(parts.c[n]).label(n) for n in ("starts", "seconds_to_start", "seconds_run")),
    ]


Waits = Mapping[tuple[str, ...], Sequence[float]]


def _waits(tx: Transaction, since: datetime, by: Sequence[ReportBy], place: SumsOf) -> Waits:
    """Return the waits of the pilots that ended since a moment, sorted, for each group."""
    ends = (
        select(transitions.c.pilot_id, func.max(transitions.c.at).label("at"))
        .where(
            transitions.c.id.in_(
                select(transitions.c.id)
                .where(has_status(FINAL, transitions.c.became), transitions.c.at >= since)
                .order_by(transitions.c.at.desc())
                .limit(MOST_WAITS)
            )
        )
        .group_by(transitions.c.pilot_id)
        .subquery("ends")
    )
    query: Select[Any] = (
        select(
            ces.c.name.label(ReportBy.CE),
            vos.c.name.label(ReportBy.VO),
            func.substr(cast(ends.c.at, Text), 1, 10).label(ReportBy.DAY),
            pilots.c.submitted_at,
            pilots.c.started_at,
        )
        .join_from(ends, pilots, pilots.c.id == ends.c.pilot_id)
        .join(ces, ces.c.id == pilots.c.ce_id)
        .join(vos, vos.c.id == pilots.c.vo_id)
        .where(pilots.c.started_at.is_not(None), pilots.c.submitted_at.is_not(None))
    )
    if place.ce is not None:
        query = query.where(ces.c.name == place.ce)
    if place.vo is not None:
        query = query.where(vos.c.name == place.vo)
    waits: dict[tuple[str, ...], list[float]] = {}
    for row in tx.execute(query).mappings():
        waited = (row["started_at"] - row["submitted_at"]).total_seconds()
        waits.setdefault(tuple(row[word] for word in by), []).append(max(0.0, waited))
    return {key: sorted(numbers) for key, numbers in waits.items()}


def _of_row(row: RowMapping, by: Sequence[ReportBy], waits: Waits) -> PilotSums:
    number = {name: int(row[name]) for name in _ENDS}
    judged = sum(number[name] for name in _ENDS if name != "cancelled")
    starts = int(row["starts"])
    waited = waits.get(tuple(row[word] for word in by), ())
    return PilotSums(
        words={word: row[word] for word in by},
        sent=int(row["sent"]),
        ended=sum(number.values()),
        **number,
        causes=_causes(row, Cause),
        success=number["useful"] / judged if judged > 0 else None,
        starts=starts,
        seconds_to_start=float(row["seconds_to_start"]) / starts if starts > 0 else None,
        half_within=_reached(waited, 0.5),
        most_within=_reached(waited, 0.9),
        slot_hours=float(row["seconds_run"]) / 3600,
    )


_ENDS = ("useful", "short", "empty", "failed", "lost", "cancelled")


def _causes(row: RowMapping, causes: Iterable[Cause]) -> dict[Cause, int]:
    numbers = {cause: int(row[f"cause_{cause}"]) for cause in causes}
    return dict(sorted(((c, n) for c, n in numbers.items() if n), key=lambda item: -item[1]))


def _reached(waits: Sequence[float], part: float) -> float | None:
    """Return the wait within which this part of the pilots started."""
    return waits[max(0, -int(-part * len(waits) // 1) - 1)] if waits else None
