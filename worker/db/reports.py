"""Reports: stored summaries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from worker.db.pages import FIRST, Page, PageRequest, read_page
from worker.db.tables import reports
from worker.db.uow import Transaction

SORTS = {"id": reports.c.id, "at": reports.c.at}


@dataclass(frozen=True, kw_only=True)
class Report:
    """A stored summary, and its moment."""

    id: int
    at: datetime
    summary: Mapping[str, Any]


def add(tx: Transaction, summary: Mapping[str, Any], at: datetime) -> None:
    tx.execute(insert(reports).values(at=at, summary=dict(summary)))


def find(
    tx: Transaction, *, since: datetime | None = None, asked: PageRequest = FIRST
) -> Page[Report]:
    """List the reports since a moment, or all."""
    query = select(reports)
    if since is not None:
        query = query.where(reports.c.at >= since)
    return read_page(tx, query, reports.c.id, SORTS, asked, lambda row: Report(**row))
