"""`pilotage report`: the summaries that the task `report` stored, and sums over pilots."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from worker.cli import options, show, sums
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.domain.errors import Invalid
from worker.domain.pilot import OF_NO_USE, WAITING, Status
from worker.domain.words import read_words
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


@click.command(epilog=example("pilotage report --since 30d --by ce,vo,day"))
@options.since("24h")
@click.option(
    "--by",
    metavar="WORDS",
    help="Add up what pilots did, by ce, vo, day: one or more, with commas between them.",
)
@click.option("--ce", help="With --by: only pilots of this CE.")
@click.option("--vo", help="With --by: only pilots of this VO.")
@click.option("--csv", "as_csv", is_flag=True, help="With --by: print CSV.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --by: draw the sums into this SVG file.",
)
@options.one_page
@options.as_json
def report(
    since: datetime,
    by: str | None,
    ce: str | None,
    vo: str | None,
    as_csv: bool,
    plot: Path | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Show the stored reports, or sums of what pilots did.

    The task `report` stores a report each hour: how many pilots have each status, the free slots,
    and how many of the pilots that ended well in that hour were short or empty.

    With --by, the events since --since are added up from the tallies, which are kept longer than
    the pilots: a row for each CE, VO or day, and a last row for all. `start` is the time within
    which half of the pilots started, `p90` the time for nine of ten; both are computed from the
    newest 50,000 ended pilots that are still kept.
    """
    if by is None:
        _refuse_without_by(ce=ce, vo=vo, csv=as_csv or None, plot=plot)
        _stored(since, limit, after, as_json=as_json)
        return
    if as_csv and as_json:
        raise Invalid("--csv", "choose one of --csv and --json")
    if after is not None:
        raise Invalid("--after", "there are no pages with --by: use --rows")
    words = read_words(reports.ReportBy, "by", by)
    result = perform(reports.sums_of, since, by=words, limit=limit, ce=ce, vo=vo)
    if plot is not None:
        sums.plot(result, words, plot)
    if as_json:
        items = [sums.machine(one) for one in result.items]
        total = None if result.total is None else sums.machine(result.total)
        cut = {"total": total, "is_cut": result.is_cut}
        show.as_json({"since": result.since, "items": items, **cut})
    elif as_csv:
        show.verbatim(sums.as_csv(result, words).rstrip("\n"))
    elif plot is None:
        sums.as_table(result, words)


def _refuse_without_by(**values: object) -> None:
    for name, value in values.items():
        if value is not None:
            raise Invalid(f"--{name}", "give --by too: the words to add up by")


def _stored(since: datetime, limit: int, after: str | None, *, as_json: bool) -> None:
    page = perform(reports.stored, since, limit=limit, after=after)
    rows = [_machine(one) if as_json else _row(one) for one in page.items]
    nothing = f"no report was stored since {since:%Y-%m-%d %H:%M:%S}Z"
    options.show_rows(rows, page.next, COLUMNS, nothing, as_json)


def _machine(stored: Report) -> dict[str, Any]:
    """Return a summary for JSON: a number for every status."""
    pilots = stored.summary["pilots"]
    numbers = {status: pilots.get(status, 0) for status in Status}
    return {"at": stored.at, **stored.summary, "pilots": numbers}


def _row(stored: Report) -> dict[str, Any]:
    summary, pilots = stored.summary, stored.summary["pilots"]
    return {
        "at": stored.at,
        "waiting": sum(pilots.get(status, 0) for status in WAITING),
        **{status: pilots.get(status, 0) for status in COUNTED},
        "free_slots": summary["free_slots"],
        "of_no_use": _of_no_use(summary.get("good_ends")),
    }


def _of_no_use(good_ends: Mapping[str, int] | None) -> int | None:
    """Return how many pilots ended for nothing; `None` for an old report without this number."""
    return None if good_ends is None else sum(good_ends[use] for use in OF_NO_USE)
