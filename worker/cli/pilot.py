"""`pilotage pilot`: look at pilots, and end them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.parts import Choice, Group, as_json, example, paged, show_page, sure
from worker.domain.errors import TaskFailed, UnknownPilot
from worker.domain.pilot import Status
from worker.domain.schedule import Outcome
from worker.services import inventory
from worker.services import pilots as service

COLUMNS = ["id", "stamp", "vo", "ce", "status", "cause", "handle", "submitted_at", "ended_at"]

WHICH = "ID|STAMP"


def _known(ctx: click.Context, param: click.Parameter, given: Any) -> Any:
    """Refuse what is neither an id nor a stamp; name no pilot twice."""
    words = [given] if isinstance(given, str) else given
    for word in words:
        if not re.fullmatch(r"[0-9]{1,18}|[0-9a-f]{32}", word):
            raise UnknownPilot(word[:40], "name it by its id or stamp")
    return given if isinstance(given, str) else tuple(dict.fromkeys(words))


@click.group(cls=Group, epilog=example("pilotage pilot list --status running"))
def pilot() -> None:
    """Look at pilots, and end them."""


@pilot.command("list", epilog=example("pilotage pilot list --ce lyon --status failed --descending"))
@click.option(
    "--status", "statuses", multiple=True, type=Choice([str(s) for s in Status]),
    help="Only in this status. Repeat for more.",
)  # fmt: skip
@click.option("--ce", help="Only of this CE.")
@click.option("--vo", help="Only of this VO.")
@paged
@as_json
def list_(
    statuses: Sequence[str], ce: str | None, vo: str | None, as_json: bool, **asked: Any
) -> None:
    """List pilots."""
    database = wiring.current_database()
    inventory.require(database, ce=ce, vo=vo)
    page = service.list_pilots(
        database,
        search=asked.pop("search"),
        statuses=[Status(status) for status in statuses],
        ce=ce,
        vo=vo,
        **asked,
    )
    show_page(page, COLUMNS, "no pilots found", as_json)


@pilot.command("show", epilog=example("pilotage pilot show 17"))
@click.argument("which", metavar=WHICH, callback=_known)
@as_json
def show_(which: str, as_json: bool) -> None:
    """Show a pilot, by its id or stamp, with its history."""
    found, history = service.show_pilot(wiring.current_database(), which)
    if as_json:
        show.as_json({**found._asdict(), "history": [asdict(step) for step in history]})
        return
    show.fields({name: value for name, value in found._asdict().items() if value is not None})
    show.say("")
    steps = [asdict(step) for step in history]
    show.table(steps, ["at", "was", "became", "cause", "raw", "reason"], "no history")


@pilot.command(epilog=example("pilotage pilot output 17 --tail 20"))
@click.argument("which", metavar=WHICH, callback=_known)
@click.option("--tail", type=click.IntRange(0), help="Show only the last N lines.")
@as_json
def output(which: str, tail: int | None, as_json: bool) -> None:
    """Show what a pilot wrote, as far as its CE keeps it."""
    wiring.current_database()
    found = service.output(wiring.parts(by_hand=True), which, tail=tail)
    if as_json:
        show.as_json(asdict(found))
        return
    if found.kept_at is not None:
        show.say(f"[its end, as it was kept at {found.kept_at:%Y-%m-%d %H:%M:%S}Z]")
    show.say(show.legible(found.text).rstrip("\n") or "[nothing, so far as its CE keeps it]")


@pilot.command(epilog=example("pilotage pilot cancel 17 18 --yes"))
@click.argument("which", metavar=WHICH + "...", nargs=-1, required=True, callback=_known)
@sure
@as_json
def cancel(which: Sequence[str], yes: bool, as_json: bool) -> None:
    """End pilots. Their CE is asked to; a later check tells what became of them."""
    wiring.current_database()
    done = service.cancel(wiring.parts(by_hand=True), which, yes=yes)
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
