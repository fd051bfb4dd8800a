"""`pilotage ce pause`, `resume`, `pauses` and `maintenance`: times in which a CE gets no pilots."""

from datetime import datetime
from typing import Any

import click

from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import Moment, as_json, paged, show_page, yes_option
from worker.cli.perform import perform
from worker.domain.pages import PageRequest
from worker.services.operate import pauses as pausing

PAUSES = ["at", "was", "became", "reason", "by_hand", "until"]
MAINTENANCES = ["id", "ce", "begins_at", "ends_at", "reason"]


@click.command(epilog=example('pilotage ce pause lyon --reason "new disks" --until 2h'))
@click.argument("name")
@click.option("--reason", required=True, help="The reason, shown to others.")
@click.option(
    "--until", type=Moment(), help="When the pause ends by itself: 2h, or a moment in UTC."
)
def pause(name: str, reason: str, until: datetime | None) -> None:
    """Hold a CE: send it nothing, not even a probe, for a time. Its sending state is then held."""
    perform(pausing.pause, name, reason, until)
    show.say(f"CE {name} is held{f' until {until:%Y-%m-%d %H:%M}Z' if until else ''}: {reason}")


@click.command(epilog=example("pilotage ce resume lyon"))
@click.argument("name")
@click.option("--reason", default="resumed by hand", show_default=True, help="The reason.")
@click.option(
    "--force", is_flag=True, help="Resume the CE even if it was not reconciled after a restore."
)
def resume(name: str, reason: str, force: bool) -> None:
    """End the pause of a CE, also one that was not made by hand.

    After a restore of the database a CE can be resumed only when 'pilotage task run reconcile' has
    found no job there that is not in the database.
    """
    perform(pausing.resume, name, reason, force=force)
    show.say(f"CE {name} is normal")


@click.command(epilog=example("pilotage ce pauses lyon --descending"))
@click.argument("name")
@paged
@as_json
def pauses(name: str, as_json: bool, **paging: Any) -> None:
    """List when a CE was paused, held or resumed, and why."""
    paging.pop("search")
    page = perform(pausing.history, name, page=PageRequest(**paging))
    show_page(page, PAUSES, f"CE {name} was never paused", as_json)


@click.group(cls=Group, epilog=example("pilotage ce maintenance list"))
def maintenance() -> None:
    """Manage maintenances: times in which a CE gets no new pilots."""


@maintenance.command(epilog=example("pilotage ce maintenance add lyon --end 8h --reason disks"))
@click.argument("ce")
@click.option(
    "--begin", "begins_at", type=Moment(), help="When the maintenance begins; now by default."
)
@click.option(
    "--end",
    "ends_at",
    type=Moment(),
    required=True,
    help="When the maintenance ends: 8h, or a moment in UTC.",
)
@click.option("--reason", required=True, help="The reason.")
def add(ce: str, begins_at: datetime | None, ends_at: datetime, reason: str) -> None:
    """Add a maintenance."""
    made = perform(pausing.add_maintenance, ce, reason, ends_at, begins_at)
    show.say(f"maintenance {made.id} of CE {ce} until {ends_at:%Y-%m-%d %H:%M}Z")


@maintenance.command("list", epilog=example("pilotage ce maintenance list lyon"))
@click.argument("ce", required=False)
@as_json
def list_(ce: str | None, as_json: bool) -> None:
    """List the maintenances that are not over."""
    maintenances = perform(pausing.maintenances_of, ce)
    rows = [{column: getattr(one, column) for column in MAINTENANCES} for one in maintenances]
    show.as_json(rows) if as_json else show.table(rows, MAINTENANCES, "no maintenance is known")


@maintenance.command(epilog=example("pilotage ce maintenance remove lyon 7 --yes"))
@click.argument("ce")
@click.argument("number", type=int)
@yes_option
def remove(ce: str, number: int, yes: bool) -> None:
    """Remove a maintenance; the CE gets pilots again."""
    perform(pausing.remove_maintenance, ce, number, yes=yes)
    show.say(f"maintenance {number} of CE {ce} removed")
