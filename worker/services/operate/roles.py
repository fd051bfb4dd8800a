"""roles: an owner, a worker and a reader of a database on PostgreSQL, each with its rights."""

from dataclasses import dataclass

from worker.db import roles, server
from worker.db.database import Database
from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL
from worker.db.roles import Roles
from worker.domain.errors import DatabaseRefused, DatabaseUnavailable

ADVICE = "print the statements without --yes, and ask a superuser to run them"


@dataclass(frozen=True, kw_only=True)
class RoleSetup:
    """The roles, the statements that make them, and whether these were run."""

    database: str
    roles: Roles
    statements: list[str]
    done: bool


def names(database: Database, prefix: str | None, owner: str | None = None) -> Roles:
    """Return the names of the roles of a database; they begin with its name or a prefix."""
    return roles.name_roles(prefix or str(database.url.database), owner)


def set_up(
    database: Database, prefix: str | None = None, owner: str | None = None, *, yes: bool = False
) -> RoleSetup:
    """Return the statements that make the roles; with a yes also run them, all or none."""
    if database.url.get_backend_name() != POSTGRESQL:
        raise DatabaseRefused(
            str(database), "SQLite has no roles; everybody who may write the file may do everything"
        )
    named = names(database, prefix, owner)
    if not server.exists(database.url):
        raise DatabaseUnavailable(str(database), "make it first: pilotage db create")
    try:
        with translated(database.url), database.engine.begin() as connection:
            lines = roles.statements(connection, named, database.chains)
            if yes:
                roles.apply(connection, lines)
    except DatabaseRefused as error:
        raise DatabaseRefused(*error.details, ADVICE) from error
    return RoleSetup(database=str(database), roles=named, statements=lines, done=yes)


def missing_rights(database: Database, prefix: str | None = None) -> list[str]:
    """List the rights that the worker and the reader lack, or have and should not have.

    A role that does not exist is left out.
    """
    if database.url.get_backend_name() != POSTGRESQL:
        return []
    named = names(database, prefix)
    with translated(database.url), database.engine.connect() as connection:
        return roles.missing_rights(connection, named, database.chains)
