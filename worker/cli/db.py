"""`pilotage db`: make, migrate, check and empty the database."""

from dataclasses import asdict
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import as_json, destructive
from worker.domain.errors import SchemaDiffers
from worker.services.operate import database as service


@click.group(cls=Group, invoke_without_command=True, epilog=example("pilotage db status --json"))
@as_json
@click.pass_context
def db(context: click.Context, as_json: bool) -> None:
    """Manage the database.

    Without a further word it is set up, after a line that says what will be done. A database that
    holds pilots is not migrated this way: 'pilotage db migrate' and 'pilotage db setup' do that.
    """
    if context.invoked_subcommand is None:
        announcement = service.announce_setup(wiring.database())
        if not as_json:
            show.say(announcement)
        context.invoke(setup, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"Write --json after {context.invoked_subcommand!r}.", context)


@db.command(epilog=example("pilotage db setup"))
@as_json
def setup(as_json: bool = False) -> None:
    """Make the database and bring its tables up to date."""
    _show_setup(*service.setup(wiring.database()), as_json)


@db.command(epilog=example("pilotage db create"))
@as_json
def create(as_json: bool) -> None:
    """Make an empty database."""
    _show_deed(service.create(wiring.database()), as_json)


@db.command(epilog=example("pilotage db drop --yes"))
@destructive
@as_json
def drop(yes: bool, force: bool, as_json: bool) -> None:
    """Remove the database with all that is in it."""
    _show_deed(service.drop(wiring.database(), yes=yes, force=force), as_json)


@db.command(epilog=example("pilotage db reset --yes"))
@destructive
@as_json
def reset(yes: bool, force: bool, as_json: bool) -> None:
    """Remove the database and set it up anew."""
    _show_setup(*service.reset(wiring.database(), yes=yes, force=force), as_json)


@db.command(epilog=example("pilotage db migrate"))
@click.option("--stamp", is_flag=True, help="Take on tables that metadata.create_all made.")
@as_json
def migrate(stamp: bool, as_json: bool) -> None:
    """Bring the tables up to date: the core's, then each back-end's."""
    _show_migrated(service.migrate(wiring.database(), stamp=stamp), as_json)


@db.command(epilog=example("pilotage db clean --yes"))
@destructive
@as_json
def clean(yes: bool, force: bool, as_json: bool) -> None:
    """Empty all tables, those that point at others first.

    Only the changes stay, as 'pilotage audit' shows them.
    """
    _show_deed(service.clean(wiring.database(), yes=yes, force=force), as_json)


@db.command(epilog=example("pilotage db verify"))
@as_json
def verify(as_json: bool) -> None:
    """List what differs from the models: tables, indexes, counts; exit 1 if anything does."""
    differences = service.verify(wiring.database())
    if as_json:
        show.as_json({"database": str(wiring.database()), "differences": differences})
    else:
        for difference in differences:
            show.say(difference)
    if differences:
        raise SchemaDiffers(f"{wiring.database()}", show.counted(len(differences), "difference"))
    if not as_json:
        show.say(f"{wiring.database()} is as the models say")


@db.command(epilog=example("pilotage db recount"))
@as_json
def recount(as_json: bool) -> None:
    """Count the pilots anew. No pilot moves meanwhile."""
    wrong = service.recount(wiring.database())
    if as_json:
        show.as_json({"database": str(wiring.database()), "mended": wrong})
        return
    for count in wrong:
        show.say(count)
    show.say(f"{show.counted(len(wrong), 'count')} mended" if wrong else "every count is right")


@db.command(epilog=example("pilotage db status"))
@as_json
def status(as_json: bool) -> None:
    """Show the revision and the row counts of each chain."""
    standings = service.status(wiring.database())
    if as_json:
        show.as_json({"database": str(wiring.database()), "chains": [asdict(c) for c in standings]})
        return
    show.say(str(wiring.database()))
    rows: list[dict[str, Any]] = [
        {
            "chain": chain.chain,
            "place": chain.place,
            "revision": chain.revision,
            "newest": chain.newest,
            "table": table,
            "rows": "missing" if count is None else count,
        }
        for chain in standings
        for table, count in chain.rows.items()
    ]
    show.table(rows, ["chain", "place", "revision", "newest", "table", "rows"], "no chains")


def _show_deed(deed: service.Deed, as_json: bool) -> None:
    if as_json:
        show.as_json(asdict(deed))
    else:
        rows = "" if deed.rows is None else f", {show.counted(deed.rows, 'row')}"
        show.say(f"{deed.database} {deed.deed}{rows}")


def _show_setup(deed: service.Deed, migrated: list[service.Migrated], as_json: bool) -> None:
    if as_json:
        show.as_json({**asdict(deed), "chains": [asdict(chain) for chain in migrated]})
    else:
        _show_deed(deed, as_json)
        _show_migrated(migrated, as_json)


def _show_migrated(migrated: list[service.Migrated], as_json: bool) -> None:
    rows, columns = list(map(asdict, migrated)), ["chain", "status", "was", "revision"]
    show.as_json(rows) if as_json else show.table(rows, columns, "no chains")
