"""`pilotage db`: make, migrate, check and empty the database."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import as_json, destructive
from worker.domain.errors import SchemaDiffers
from worker.embedded.children import alone
from worker.services.operate import backup as backup_service
from worker.services.operate import database as service
from worker.services.operate import roles as roles_service


@click.group(cls=Group, invoke_without_command=True, epilog=example("pilotage db status --json"))
@as_json
@click.pass_context
def db(context: click.Context, as_json: bool) -> None:
    """Manage the database.

    Without a subcommand the database is set up; a line before that says what will be done. A
    database that holds pilots is not migrated this way, but by 'pilotage db migrate' and 'pilotage
    db setup'.
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
    _show_action(service.create(wiring.database()), as_json)


@db.command(epilog=example("pilotage db drop --yes"))
@destructive
@as_json
def drop(yes: bool, force: bool, as_json: bool) -> None:
    """Remove the database with all that is in it."""
    _show_action(service.drop(wiring.database(), yes=yes, force=force), as_json)


@db.command(epilog=example("pilotage db reset --yes"))
@destructive
@as_json
def reset(yes: bool, force: bool, as_json: bool) -> None:
    """Remove the database and set it up anew."""
    _show_setup(*service.reset(wiring.database(), yes=yes, force=force), as_json)


@db.command(epilog=example("pilotage db migrate"))
@click.option(
    "--stamp",
    is_flag=True,
    help="Accept tables that metadata.create_all made: only record their revision.",
)
@as_json
def migrate(stamp: bool, as_json: bool) -> None:
    """Bring the tables up to date: the core's, then each back-end's."""
    _show_migrated(service.migrate(wiring.database(), stamp=stamp), as_json)


@db.command(epilog=example("pilotage db clean --yes"))
@destructive
@as_json
def clean(yes: bool, force: bool, as_json: bool) -> None:
    """Empty all tables, in the order that foreign keys require.

    Only the VO default and the changes that 'pilotage audit' shows are kept.
    """
    _show_action(service.clean(wiring.database(), yes=yes, force=force), as_json)


_prefix = click.option(
    "--prefix", help="The prefix of the names of the roles; by default the name of the database."
)


@db.command(epilog=example("pilotage db verify"))
@_prefix
@as_json
def verify(prefix: str | None, as_json: bool) -> None:
    """List what differs from the models: tables, indexes, counts. Exit with 1 if anything differs.

    The rights of the roles that 'pilotage db roles' makes are checked, too, if they exist.
    """
    database = wiring.database()
    differences = [*service.verify(database), *roles_service.missing_rights(database, prefix)]
    unverified = service.unverifiable(database)
    if as_json:
        show.as_json(
            {"database": str(database), "differences": differences, "not_verified": unverified}
        )
    else:
        for difference in differences:
            show.say(difference)
    if unverified:
        show.warn(f"not verified: {', '.join(unverified)}; verify as the owner of the database")
    if differences:
        raise SchemaDiffers(f"{database}", show.counted(len(differences), "difference"))
    if not as_json:
        show.say(f"{database} agrees with the models")


@db.command(epilog=example("pilotage db roles --prefix site"))
@_prefix
@click.option("--owner", help="The role that owns the tables; by default PREFIX_owner.")
@click.option("--yes", is_flag=True, help="Make the roles. Without --yes, only print the SQL.")
@as_json
def roles(prefix: str | None, owner: str | None, yes: bool, as_json: bool) -> None:
    """Make an owner, a worker and a reader of the database.

    Without --yes the SQL that makes them is printed. The owner migrates; the worker changes rows,
    but no tables; the reader reads. The command may be repeated. Only PostgreSQL has roles; set
    their passwords yourself.
    """
    made = roles_service.set_up(wiring.database(), prefix, owner, yes=yes)
    if as_json:
        show.as_json(asdict(made))
    elif made.done:
        names = ", ".join(asdict(made.roles).values())
        show.say(f"{made.database} has the roles {names}")
    else:
        click.echo("\n".join(["BEGIN;", *(f"{line};" for line in made.statements), "COMMIT;"]))


@db.command(epilog=example("pilotage db backup pilotage-2026-11-26.dump"))
@click.argument("file", type=click.Path(path_type=Path))
@as_json
def backup(file: Path, as_json: bool) -> None:
    """Write the database to a new file, while everything runs.

    Only you may read the file. PostgreSQL needs its program pg_dump; SQLite needs none.
    """
    made = backup_service.back_up(wiring.database(), file)
    if as_json:
        show.as_json(asdict(made))
    else:
        show.say(f"{made.database} written to {made.file}, {show.counted(made.bytes, 'byte')}")


@db.command(epilog=example("pilotage db restore pilotage-2026-11-26.dump --yes"))
@click.argument("file", type=click.Path(path_type=Path))
@_prefix
@destructive
@as_json
def restore(file: Path, prefix: str | None, yes: bool, force: bool, as_json: bool) -> None:
    """Replace the database by a backup, and hold every CE.

    Stop workers and schedulers first. An older backup is migrated. Pilots that were sent after the
    backup are at the CEs, but not in the backup: nothing is sent to a CE until you resume it.
    """
    with _at_rest():
        made = backup_service.restore(
            wiring.database(), file, wiring.now(), prefix=prefix, yes=yes, force=force
        )
    if as_json:
        show.as_json(asdict(made))
        return
    active = show.counted(made.active, "active one")
    show.say(f"{made.database} restored: {show.counted(made.pilots, 'pilot')}, {active}")
    for chain in made.chains:
        show.say(f"chain {chain.chain} {chain.status} to {chain.revision}")
    if made.has_roles is False:
        show.warn("its roles have no rights: ask a superuser to run 'pilotage db roles --yes'")
    if made.left is not None:
        show.warn(f"the database of before is {made.left}: it could not be removed")
    show.say(
        f"pilots reserved in the backup, now in doubt: {made.in_doubt}; reconcile settles them"
    )
    show.say(f"{show.counted(len(made.held), 'CE')} held: nothing is sent. For each of them:")
    show.say("  pilotage ce diff CE --adopt --vo VO --yes")
    show.say("  pilotage task run reconcile --ce CE --explain")
    show.say("  pilotage ce resume CE")


def _at_rest() -> AbstractContextManager[None]:
    """Make sure that no other process uses the embedded database meanwhile."""
    settings = wiring.settings()
    return alone(settings.home) if settings.is_embedded else nullcontext()


@db.command(epilog=example("pilotage db recount"))
@as_json
def recount(as_json: bool) -> None:
    """Count the pilots again, and correct the stored counts. No pilot moves meanwhile."""
    wrong = service.recount(wiring.database())
    if as_json:
        show.as_json({"database": str(wiring.database()), "mended": wrong})
        return
    for count in wrong:
        show.say(count)
    show.say(f"{show.counted(len(wrong), 'count')} corrected" if wrong else "all counts are right")


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


def _show_action(action: service.DatabaseAction, as_json: bool) -> None:
    if as_json:
        show.as_json(asdict(action))
    else:
        rows = "" if action.rows is None else f", {show.counted(action.rows, 'row')}"
        show.say(f"{action.database} {action.deed}{rows}")


def _show_setup(
    action: service.DatabaseAction, migrated: list[service.Migrated], as_json: bool
) -> None:
    if as_json:
        show.as_json({**asdict(action), "chains": [asdict(chain) for chain in migrated]})
    else:
        _show_action(action, as_json)
        _show_migrated(migrated, as_json)


def _show_migrated(migrated: list[service.Migrated], as_json: bool) -> None:
    rows, columns = list(map(asdict, migrated)), ["chain", "status", "was", "revision"]
    show.as_json(rows) if as_json else show.table(rows, columns, "no chains")
