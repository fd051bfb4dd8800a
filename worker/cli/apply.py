"""`pilotage apply` changes the database to what a file says; `pilotage export` writes the file."""

from pathlib import Path

import click

from worker import wiring
from worker.cli import show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.options import as_json, warn_of_long_calls
from worker.services.operate import apply as service
from worker.services.operate import export as export_service
from worker.services.operate import inventory_file

COLUMNS = (
    Column(name="what", rank=ALWAYS),
    Column(name="was", rank=ALWAYS, least=12, fold=True),
    Column(name="becomes", rank=ALWAYS, least=12, fold=True),
)


@click.command(epilog=example("pilotage apply site.toml --dry-run"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@as_json
def apply(file: Path, dry_run: bool, as_json: bool) -> None:
    """Change VOs, CEs and schedules to what a TOML file says. The difference is shown first."""
    inventory = inventory_file.read(file, wiring.backends())
    changes = service.apply(wiring.by_hand(), inventory, dry_run=dry_run)
    if not dry_run:
        warn_of_long_calls()
    rows = [{"what": c.what, "was": c.was, "becomes": c.becomes} for c in changes]
    if as_json:
        show.as_json({"changes": rows, "applied": not dry_run})
        return
    show.table(rows, COLUMNS, "the database already has all that the file says")
    if rows and dry_run:
        show.say("nothing was changed")


@click.command(epilog=example("pilotage export"))
def export() -> None:
    """Write VOs, CEs, payloads, schedules and credentials as TOML.

    'pilotage apply' reads this file, for this database or another. No file with a secret is read.
    """
    click.echo(export_service.export(wiring.by_hand()), nl=False)
