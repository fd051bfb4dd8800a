"""`pilotage ce maintenance`: when CEs are known to be away."""

from datetime import datetime

import click

from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import Moment, as_json, sure
from worker.cli.perform import perform
from worker.services.operate import pauses

COLUMNS = ["id", "ce", "begins_at", "ends_at", "reason"]


@click.group(cls=Group, epilog=example("pilotage ce maintenance list"))
def maintenance() -> None:
    """Manage the times when CEs are away. Nothing is sent to them then."""


@maintenance.command(epilog=example("pilotage ce maintenance add lyon --end 8h --reason disks"))
@click.argument("ce")
@click.option("--begin", "begins_at", type=Moment(), help="When it begins; left out, now.")
@click.option("--end", "ends_at", type=Moment(), required=True, help="When it ends: 8h from now.")
@click.option("--reason", required=True, help="Why.")
def add(ce: str, begins_at: datetime | None, ends_at: datetime, reason: str) -> None:
    """Add a maintenance."""
    made = perform(pauses.add_maintenance, ce, reason, ends_at, begins_at)
    show.say(f"maintenance {made.id} of CE {ce} until {ends_at:%Y-%m-%d %H:%M}Z")


@maintenance.command("list", epilog=example("pilotage ce maintenance list lyon"))
@click.argument("ce", required=False)
@as_json
def list_(ce: str | None, as_json: bool) -> None:
    """List the maintenances that are not over."""
    maintenances = perform(pauses.maintenances_of, ce)
    rows = [{column: getattr(one, column) for column in COLUMNS} for one in maintenances]
    show.as_json(rows) if as_json else show.table(rows, COLUMNS, "no maintenance is known")


@maintenance.command(epilog=example("pilotage ce maintenance remove lyon 7 --yes"))
@click.argument("ce")
@click.argument("number", type=int)
@sure
def remove(ce: str, number: int, yes: bool) -> None:
    """Remove a maintenance; the CE gets pilots again."""
    perform(pauses.remove_maintenance, ce, number, yes=yes)
    show.say(f"maintenance {number} of CE {ce} removed")
