"""`pilotage pilot`: list and show pilots, and cancel them."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import as_json, paged, show_rows
from worker.cli.perform import perform
from worker.cli.pilot_filter import WHICH, at_ce, filter_of, filter_options, name
from worker.cli.pilot_sets import cancel, submit
from worker.domain.lengths import in_two_units
from worker.domain.pages import PageRequest
from worker.domain.pilot import Status
from worker.domain.why import cause_beside
from worker.services.operate import pilots as service
from worker.services.operate.pilots import ShownPilot

COLUMNS = [
    *("id", "vo", "ce", "status", "cause", "use", "handle", "node"),
    *("age", "wait", "run_time", "stamp"),
]
TIMES = ("reserved_at", "submitted_at", "started_at", "ended_at")
COUNTS = ("attempts", "misses", "requeues")
"""Numbers that are shown only if they are not 0."""

_SAID = {
    "state": "says",
    "payloads": "says_payloads",
    "reason": "says_reason",
    "at": "said_at",
    "idle_since": "says_idle_since",
}
"""The names under which the values of the last pilot report are shown."""

PAGING = ("after", "limit", "descending", "sort")


@click.group(cls=Group, epilog=example("pilotage pilot list --status running"))
def pilot() -> None:
    """Look at pilots, and end them."""


@pilot.command("list", epilog=example("pilotage pilot list --ce lyon --status failed --descending"))
@filter_options
@paged
@as_json
def list_(as_json: bool, **values: Any) -> None:
    """List pilots.

    --search finds pilots by the beginning of their stamp, 4 characters or more, and by --handle.
    --sort takes id and ended_at; for active pilots also age, wait, run_time, status, reserved_at,
    submitted_at, started_at.
    """
    paging = {name: values.pop(name) for name in PAGING}
    chosen, sort = filter_of(values), paging["sort"]
    page = perform(service.list_pilots, chosen, page=PageRequest(**paging))
    rows = [_row(pilot, plain=as_json) for pilot in page.items]
    columns = COLUMNS if sort is None or sort in COLUMNS else [*COLUMNS[:-1], sort, COLUMNS[-1]]
    show_rows(rows, page.next, columns, "no pilots found", as_json)
    only = service.restricted_to(sort)
    if only and not (chosen.statuses or chosen.uses or chosen.causes or as_json):
        words = ", ".join(status for status in Status if status in only)
        show.say(f"sorted by {sort}: only pilots that are {words}")


@pilot.command("show", epilog=example("pilotage pilot show 17"))
@click.argument("which", metavar=WHICH, callback=name)
@at_ce
@as_json
def show_(which: str, ce: str | None, as_json: bool) -> None:
    """Show a pilot with its history.

    PILOT is its number, its stamp or the beginning of it, or its id at the CE.
    """
    pilot = perform(service.show_pilot, which, ce=ce)
    if as_json:
        show.as_json(asdict(pilot))
        return
    values = {**asdict(pilot), **_lengths(pilot, plain=False)}
    del values["history"], values["report"]
    if pilot.report is not None:
        values |= {_SAID[name]: value for name, value in asdict(pilot.report).items()}
    if pilot.exit_code is not None and pilot.reason == f"exit code {pilot.exit_code}":
        values["reason"] = None
    empty = {
        name for name in values if values[name] is None or (name in COUNTS and not values[name])
    }
    if "attempts" not in empty:
        values["unanswered_checks"] = values["attempts"]
    show.fields({name: values[name] for name in values if name not in {*empty, "attempts"}})
    show.say("")
    steps = [
        {**asdict(step), "cause": cause_beside(step.cause, step.reason)} for step in pilot.history
    ]
    show.table(steps, ["at", "was", "became", "cause", "raw", "reason"], "no history")


@pilot.command(epilog=example("pilotage pilot output 17 --tail 20"))
@click.argument("which", metavar=WHICH, callback=name)
@at_ce
@click.option("--tail", type=click.IntRange(0), help="Show only the last N lines.")
@as_json
def output(which: str, ce: str | None, tail: int | None, as_json: bool) -> None:
    """Show the output of a pilot, as far as its CE keeps it."""
    result = perform(service.output, which, ce=ce, tail=tail)
    if as_json:
        show.as_json(asdict(result))
        return
    if result.kept_at is not None:
        show.say(f"[the end of the output, as it was kept at {result.kept_at:%Y-%m-%d %H:%M:%S}Z]")
    show.verbatim(
        show.legible(result.text).rstrip("\n") or "[no output yet, or none that its CE keeps]"
    )


def _row(pilot: ShownPilot, *, plain: bool) -> dict[str, Any]:
    values = {**asdict(pilot), **_lengths(pilot, plain=plain)}
    return {name: values[name] for name in (*COLUMNS, *TIMES)}


def _lengths(pilot: ShownPilot, *, plain: bool) -> dict[str, int | str | None]:
    """Return the age, wait and run time of a pilot: in words, or in plain seconds."""
    lengths = {"age": pilot.age, "wait": pilot.wait, "run_time": pilot.run_time}
    return {name: _length(length, plain=plain) for name, length in lengths.items()}


def _length(length: timedelta | None, *, plain: bool) -> int | str | None:
    if length is None:
        return None
    return int(length.total_seconds()) if plain else in_two_units(length)


pilot.add_command(cancel)
pilot.add_command(submit)
