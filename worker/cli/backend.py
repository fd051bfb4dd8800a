"""`pilotage backend`: the installed back-ends and their tables."""

from dataclasses import asdict

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import as_json
from worker.domain.errors import NotAllMigrated
from worker.services.operate import database as service


@click.group(cls=Group, epilog=example("pilotage backend list"))
def backend() -> None:
    """See the back-ends and migrate their tables."""


@backend.command("list", epilog=example("pilotage backend list --json"))
@as_json
def list_(as_json: bool) -> None:
    """List the back-ends with their tables and revisions."""
    rows = service.list_backends(wiring.database(), wiring.backends())
    columns = ["name", "place", "revision", "newest", "tables", "about"]
    show.as_json(rows) if as_json else show.table(rows, columns, "no back-end is installed")


@backend.command(epilog=example("pilotage backend migrate sim"))
@click.argument("name")
@as_json
def migrate(name: str, as_json: bool) -> None:
    """Bring the tables of one back-end up to date."""
    _show(service.migrate_one(wiring.database(), wiring.backends(), name), as_json)


@backend.command("upgrade-all", epilog=example("pilotage backend upgrade-all"))
@as_json
def upgrade_all(as_json: bool) -> None:
    """Bring the tables of every back-end up to date. A failure does not affect the others."""
    chains = [backend.chain for backend in wiring.backends().values()]
    _show(service.migrate_each(wiring.database(), chains), as_json)


@backend.command(epilog=example('pilotage backend revision sim "add a column"'))
@click.argument("name")
@click.argument("message")
def revision(name: str, message: str) -> None:
    """Write the next migration of a chain. NAME is 'core' or a back-end.

    For developers. The models are compared with a PostgreSQL database at the newest revision.
    """
    written = service.write_revision(wiring.database(), wiring.backends(), name, message)
    show.say(
        f"wrote {written}" if written else f"the migrations of {name} already agree with the models"
    )


def _show(migrated: list[service.Migrated], as_json: bool) -> None:
    rows = [asdict(chain) for chain in migrated]
    errors = ["error"] if any(row["error"] for row in rows) else []
    columns = ["chain", "status", "was", "revision", *errors]
    show.as_json(rows) if as_json else show.table(rows, columns, "no back-end is installed")
    failed = [row["chain"] for row in rows if row["status"] == "failed"]
    if failed:
        raise NotAllMigrated(*failed)
