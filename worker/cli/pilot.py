"""`pilotage pilot`: look at pilots, and end them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import Choice, as_json, paged, show_rows, sure
from worker.domain.errors import Invalid, TaskFailed, UnknownPilot
from worker.domain.lengths import spoken
from worker.domain.pilot import Pilot, Status, Use
from worker.domain.schedule import Outcome
from worker.services.operate import inventory
from worker.services.operate import pilots as service

COLUMNS = [
    *("id", "vo", "ce", "status", "cause", "use", "handle", "node"),
    *("age", "wait", "run_time", "stamp"),
]
TIMES = ("reserved_at", "submitted_at", "started_at", "ended_at")
COUNTS = ("attempts", "misses", "requeues")
"""Numbers that say something only when they are not 0."""

WHICH = "PILOT"
LONGEST = 512
"""Characters of a word that may name a pilot."""

at_ce = click.option(
    "--ce", help="The CE whose id it is, where several have it. An id of this CE comes first."
)


def _name(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse what can name no pilot; name no pilot twice."""
    words = [value] if isinstance(value, str) else value
    for word in words:
        if not (word.isprintable() and word.strip() and len(word) <= LONGEST):
            raise UnknownPilot(ascii(word)[:40])
    return value if isinstance(value, str) else tuple(dict.fromkeys(words))


def _printable(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse what no CE calls a job, and no stamp holds."""
    if value is not None and not (value.isprintable() and len(value) <= LONGEST):
        raise Invalid(param.name or "", "use printable characters")
    return value


@click.group(cls=Group, epilog=example("pilotage pilot list --status running"))
def pilot() -> None:
    """Look at pilots, and end them."""


@pilot.command("list", epilog=example("pilotage pilot list --ce lyon --status failed --descending"))
@click.option(
    "--status", "statuses", multiple=True, type=Choice([str(s) for s in Status]),
    help="Only in this status. Repeat for more.",
)  # fmt: skip
@click.option(
    "--use", "uses", multiple=True, type=Choice([str(use) for use in Use]),
    help="Only those that ended well and were of this use. Repeat for more.",
)  # fmt: skip
@click.option("--ce", help="Only of this CE.")
@click.option("--vo", help="Only of this VO.")
@click.option(
    "--handle",
    callback=_printable,
    help="Only with this id at the CE, or of this array or cluster of jobs: 2_17, 2, 1234.0, 1234.",
)
@click.option("--node", callback=_printable, help="Only on this node, as the CE names it.")
@paged
@as_json
def list_(
    statuses: Sequence[str],
    uses: Sequence[str],
    ce: str | None,
    vo: str | None,
    as_json: bool,
    **paging: Any,
) -> None:
    """List pilots.

    --search finds pilots by the beginning of their stamp, 4 characters or more, and by --handle.
    --sort takes id and ended_at; and for active pilots alone: age, wait, run_time, status,
    reserved_at, submitted_at, started_at.
    """
    database = wiring.current_database()
    inventory.require(database, ce=ce, vo=vo)
    chosen = [Status(status) for status in statuses]
    page = service.list_pilots(
        database, statuses=chosen, uses=[Use(use) for use in uses], ce=ce, vo=vo, **paging
    )
    now, sort = wiring.now(), paging["sort"]
    rows = [_row(pilot, now, plain=as_json) for pilot in page.items]
    columns = COLUMNS if sort is None or sort in COLUMNS else [*COLUMNS[:-1], sort, COLUMNS[-1]]
    show_rows(rows, page.next, columns, "no pilots found", as_json)
    only = service.restricted_to(sort)
    if only and not chosen and not uses and not as_json:
        words = ", ".join(status for status in Status if status in only)
        show.say(f"sorted by {sort}: only pilots that are {words}")


@pilot.command("show", epilog=example("pilotage pilot show 17"))
@click.argument("which", metavar=WHICH, callback=_name)
@at_ce
@as_json
def show_(which: str, ce: str | None, as_json: bool) -> None:
    """Show a pilot with its history.

    PILOT is its number, its stamp or the beginning of it, or its id at the CE.
    """
    now = wiring.now()
    pilot, history = service.show_pilot(wiring.current_database(), which, now=now, ce=ce)
    if as_json:
        values = {**pilot._asdict(), **_lengths(pilot, now, plain=True)}
        show.as_json({**values, "history": [asdict(step) for step in history]})
        return
    values = {**pilot._asdict(), **_lengths(pilot, now, plain=False)}
    empty = {
        name for name in values if values[name] is None or (name in COUNTS and not values[name])
    }
    if "attempts" not in empty:
        values["unanswered_checks"] = values["attempts"]
    show.fields({name: values[name] for name in values if name not in {*empty, "attempts"}})
    show.say("")
    steps = [asdict(step) for step in history]
    show.table(steps, ["at", "was", "became", "cause", "raw", "reason"], "no history")


@pilot.command(epilog=example("pilotage pilot output 17 --tail 20"))
@click.argument("which", metavar=WHICH, callback=_name)
@at_ce
@click.option("--tail", type=click.IntRange(0), help="Show only the last N lines.")
@as_json
def output(which: str, ce: str | None, tail: int | None, as_json: bool) -> None:
    """Show what a pilot wrote, as far as its CE keeps it."""
    result = service.output(wiring.by_hand(), which, ce=ce, tail=tail)
    if as_json:
        show.as_json(asdict(result))
        return
    if result.kept_at is not None:
        show.say(f"[its end, as it was kept at {result.kept_at:%Y-%m-%d %H:%M:%S}Z]")
    show.verbatim(show.legible(result.text).rstrip("\n") or "[nothing, so far as its CE keeps it]")


@pilot.command(epilog=example("pilotage pilot cancel 17 18 --yes"))
@click.argument("which", metavar=WHICH + "...", nargs=-1, required=True, callback=_name)
@at_ce
@sure
@as_json
def cancel(which: Sequence[str], ce: str | None, yes: bool, as_json: bool) -> None:
    """End pilots. Their CE is asked to; a later check tells what became of them."""
    done = service.cancel(wiring.by_hand(), which, yes=yes, ce=ce)
    if as_json:
        show.as_json(asdict(done))
    else:
        for line in _cancellation(done.counts):
            show.say(line)
    if done.outcome is Outcome.FAILED:
        raise TaskFailed("cancel", *done.lines)


def _cancellation(counts: Mapping[str, int]) -> list[str]:
    requests = show.counted(counts["asked"], "cancellation")
    sentences = {
        "cancelled": f"{show.counted(counts['cancelled'], 'pilot')} cancelled before it was sent",
        "asked": f"{requests} accepted by the CE; a later check confirms",
        "over already": f"{show.counted(counts['over already'], 'pilot')} had ended already",
    }
    return [sentences[name] for name, count in counts.items() if count] or ["nothing to cancel yet"]


def _row(pilot: Pilot, now: datetime, *, plain: bool) -> dict[str, Any]:
    values = {**pilot._asdict(), **_lengths(pilot, now, plain=plain)}
    return {name: values[name] for name in (*COLUMNS, *TIMES)}


def _lengths(pilot: Pilot, now: datetime, *, plain: bool) -> dict[str, int | str | None]:
    """Return how old a pilot is, how long it waited and ran: in words, or plainly in seconds."""
    lengths = {"age": pilot.age(now), "wait": pilot.wait(now), "run_time": pilot.run_time(now)}
    return {name: _length(length, plain=plain) for name, length in lengths.items()}


def _length(length: timedelta | None, *, plain: bool) -> int | str | None:
    if length is None:
        return None
    return int(length.total_seconds()) if plain else spoken(length)
