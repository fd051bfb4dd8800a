"""`pilotage report`: the summaries that the task `report` stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from worker.cli import options, show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.domain.pilot import OF_NO_USE, WAITING, Status
from worker.services.observe import reports
from worker.services.observe.reports import Report

COUNTED = (Status.RUNNING, Status.DONE, Status.FAILED, Status.CANCELLED, Status.LOST)
COLUMNS = (
    Column(name="at", rank=ALWAYS),
    Column(name="waiting", rank=ALWAYS),
    *(Column(name=status, rank=ALWAYS) for status in COUNTED),
    Column(name="free_slots", title="free"),
    Column(name="of_no_use", title="no use/h", rank=6),
)


@click.command(epilog=example("pilotage report --since 7d --json"))
@options.since("24h")
@options.one_page
@options.as_json
def report(since: datetime, limit: int, after: str | None, as_json: bool) -> None:
    """Show the summaries that were stored, the latest first.

    The task `report` stores one an hour: how many pilots have each status, the free slots, and how
    many of the pilots that ended well in the hour before were short or empty.
    """
    page = perform(reports.stored, since, limit=limit, after=after)
    if as_json:
        show.as_json({"items": [_machine(one) for one in page.items], "next": page.next})
        return
    rows = [{"at": one.at, **_row(one.summary)} for one in page.items]
    show.table(rows, COLUMNS, f"no report was stored since {since:%Y-%m-%d %H:%M:%S}Z")
    if page.next:
        show.verbatim(f"more: --after {page.next}")


def _machine(stored: Report) -> dict[str, Any]:
    """Return a report for machines: every status has its number."""
    pilots = stored.summary["pilots"]
    numbers = {status: pilots.get(status, 0) for status in Status}
    return {"at": stored.at, **stored.summary, "pilots": numbers}


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    pilots = summary["pilots"]
    return {
        "waiting": sum(pilots.get(status, 0) for status in WAITING),
        **{status: pilots.get(status, 0) for status in COUNTED},
        "free_slots": summary["free_slots"],
        "of_no_use": _of_no_use(summary.get("good_ends")),
    }


def _of_no_use(good_ends: Mapping[str, int] | None) -> int | None:
    """Return how many ended well for nothing; a report of before that was stored says nothing."""
    return None if good_ends is None else sum(good_ends[use] for use in OF_NO_USE)
