"""Maintenance of the database: create, migrate, verify, show, empty and remove it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import chains, locks, pilot_reads, roles, schema, server, tallies
from worker.db.chains import CORE, CORE_CHAIN, Chain, ChainStanding, ChainState
from worker.db.changes import note
from worker.db.database import Database
from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL
from worker.db.tables import pilots
from worker.domain.errors import ConfirmationNeeded, InUse, PilotageError, SchemaAbsent


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """The result of the migration of one chain. `revision` is where the chain stands now."""

    chain: str
    status: str
    was: str | None
    revision: str | None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChainStatus:
    """The revision of one chain, and how many rows each of its tables has."""

    chain: str
    place: str
    revision: str | None
    newest: str
    rows: dict[str, int | None]


@dataclass(frozen=True, kw_only=True)
class DatabaseAction:
    """What was done to a whole database."""

    database: str
    deed: str
    rows: int | None = None


def create(database: Database) -> DatabaseAction:
    """Make an empty database, unless it exists."""
    return DatabaseAction(
        database=str(database), deed="created" if server.create(database.url) else "was there"
    )


def migrate(database: Database, *, stamp: bool = False) -> list[Migrated]:
    """Bring every chain up to date, core first. The first failure ends it."""
    return [migrate_chain(database, chain, stamp=stamp) for chain in database.chains]


def migrate_chain(database: Database, chain: Chain, *, stamp: bool = False) -> Migrated:
    """Bring one chain up to date."""
    if stamp:
        _refuse_to_stamp_others(database, chain)
    if chain.name != CORE:
        _require_core(database)
    before = chains.migrate(database.engine, chain, stamp=stamp)
    status = {
        ChainState.CURRENT: "unchanged",
        ChainState.ABSENT: "created",
        ChainState.BEHIND: "migrated",
        ChainState.FOREIGN: "stamped",
    }[before.place]
    if before.place is not ChainState.CURRENT:
        # The migration itself is committed already: each chain has transactions of its own.
        with database.uow() as tx:
            was, now = {"revision": before.revision}, {"revision": before.head}
            note(tx, "database", chain.name, "migrate", was, now)
    return Migrated(chain=chain.name, status=status, was=before.revision, revision=before.head)


def migrate_each(database: Database, chosen: Iterable[Chain]) -> list[Migrated]:
    """Bring these chains up to date, each on its own: a failure does not affect the others."""
    done = []
    for chain in chosen:
        try:
            done.append(migrate_chain(database, chain))
        except Exception as error:  # noqa: BLE001 - a plug-in's migration may raise anything
            done.append(_failed(chain, error))
    return done


def setup(database: Database) -> tuple[DatabaseAction, list[Migrated]]:
    """Create the database if needed, and bring every chain up to date."""
    return create(database), migrate(database)


def announce_setup(database: Database) -> str:
    """Return what a set-up will do. Refuse to migrate a database that holds pilots."""
    if not server.exists(database.url):
        return f"will make {database} and its tables"
    with translated(database.url), database.engine.connect() as connection:
        standings = chains.standings(connection, database.chains)
        holds_pilots = server.has_rows(connection, pilots)
    late = [s for s in standings if s.place is not ChainState.CURRENT]
    if not late:
        return f"{database} is up to date: nothing to do"
    steps = ", ".join(f"{s.chain} from {s.revision or 'nothing'} to {s.head}" for s in late)
    if holds_pilots:
        raise ConfirmationNeeded(
            f"this would migrate {database}, which holds pilots: {steps}",
            "make a backup, then run 'pilotage db migrate'",
        )
    return f"will migrate {database}: {steps}"


def drop(database: Database, *, yes: bool, force: bool = False) -> DatabaseAction:
    """Remove the database with all that is in it."""
    if server.exists(database.url):
        confirm(database, "remove", yes=yes, force=force)
    database.engine.dispose()
    removed = server.drop(database.url, force=force)
    return DatabaseAction(database=str(database), deed="removed" if removed else "was not there")


def reset(
    database: Database, *, yes: bool, force: bool = False
) -> tuple[DatabaseAction, list[Migrated]]:
    """Remove the database and set it up anew."""
    drop(database, yes=yes, force=force)
    return setup(database)


def clean(database: Database, *, yes: bool, force: bool = False) -> DatabaseAction:
    """Empty every table, but keep the default VO and the changes."""
    confirm(database, "empty", yes=yes, force=force, kept=server.KEPT)
    with database.uow() as tx:
        rows = server.empty(tx, database.chains)
    return DatabaseAction(database=str(database), deed="emptied", rows=rows)


def verify(database: Database) -> list[str]:
    """List each difference between the models and the database, including old revisions."""
    with translated(database.url), database.engine.connect() as connection:
        standings = chains.standings(connection, database.chains)
    late = [
        f"chain {s.chain}: {s.place}, at {s.revision or 'nothing'}, the newest is {s.head}"
        for s in standings
        if s.place is not ChainState.CURRENT
    ]
    if unverifiable(database):
        with translated(database.url), database.engine.connect() as connection:
            missing = roles.missing_tables(connection, database.chains)
        differing = [f"table {table}: missing" for table in missing]
    else:
        differing = [str(each) for each in schema.differences(database.engine, database.chains)]
    return late + differing + ([] if late or differing else _wrong_counts(database))


def recount(database: Database) -> list[str]:
    """Count the pilots again and store the counts; return those that were wrong."""
    require_current(database)
    with database.uow() as tx:
        locks.wait_for_lock(tx, tallies.LOCK)
        wrong = _in_words(tallies.recount(tx))
        if wrong:
            note(tx, "database", "all", "recount", after={"mended": wrong})
    return wrong


def _wrong_counts(database: Database) -> list[str]:
    with database.uow() as tx:
        wrong = _in_words(tallies.differences(tx))
    return [f"{line}; 'pilotage db recount' corrects it" for line in wrong]


def _in_words(differences: tallies.Differences) -> list[str]:
    return [
        f"count of pilots of VO {vo} on {ce}: {status} is {kept}, there are {real}"
        for (ce, vo, status), (kept, real) in differences.items()
    ]


def unverifiable(database: Database) -> list[str]:
    """List what the connected role cannot verify.

    To compare columns and the like, the models are built in a schema of their own, which the role
    may not create.
    """
    if database.url.get_backend_name() != POSTGRESQL:
        return []
    with translated(database.url), database.engine.connect() as connection:
        if roles.may_make_schemas(connection):
            return []
    return [f"{part} of each table" for part in ("columns", "constraints", "indexes", "triggers")]


def status(database: Database) -> list[ChainStatus]:
    """Return the revision of each chain, and how many rows its tables have."""
    return [
        ChainStatus(
            chain=chain.name,
            place=str(standing.place),
            revision=standing.revision,
            newest=standing.head,
            rows=rows,
        )
        for chain, standing, rows in _standings(database)
    ]


def list_backends(database: Database, backends: Mapping[str, Backend]) -> list[dict[str, Any]]:
    """List the back-ends with the revisions of their chains."""
    by_name = {chain.chain: chain for chain in status(database)}
    return [
        {
            "name": backend.name,
            "about": backend.about,
            "place": by_name[backend.name].place,
            "revision": by_name[backend.name].revision,
            "newest": by_name[backend.name].newest,
            "tables": list(backend.chain.tables),
        }
        for backend in backends.values()
    ]


def migrate_one(database: Database, backends: Mapping[str, Backend], name: str) -> list[Migrated]:
    """Bring the tables of one back-end up to date."""
    return [migrate_chain(database, registry.get(backends, name).chain)]


def write_revision(
    database: Database, backends: Mapping[str, Backend], name: str, message: str
) -> Path | None:
    """Write the next migration of a chain: the difference between the database and the models."""
    chain = CORE_CHAIN if name == CORE else registry.get(backends, name).chain
    return chains.write_revision(database.engine, chain, message)


def require_current(database: Database) -> None:
    """Refuse to continue with a database that is older or newer than this program."""
    if server.is_missing(database.url):
        raise SchemaAbsent(str(database))
    with translated(database.url), database.engine.connect() as connection:
        chains.require_current(connection, database.chains)


def _failed(chain: Chain, error: Exception) -> Migrated:
    message = " ".join(str(error).split())
    if not isinstance(error, PilotageError):
        message = f"{type(error).__name__}: {message}"
    return Migrated(chain=chain.name, status="failed", was=None, revision=None, error=message)


def _standings(database: Database) -> list[tuple[Chain, ChainStanding, dict[str, int | None]]]:
    with translated(database.url), database.engine.connect() as connection:
        return [
            (chain, chains.standing(connection, chain), server.row_counts(connection, chain))
            for chain in database.chains
        ]


def confirm(
    database: Database, action: str, *, yes: bool, force: bool, kept: Collection[str] = ()
) -> None:
    """Refuse without a yes, naming what would be lost, or while pilots are active."""
    counts = {table: n for _, _, rows in _standings(database) for table, n in rows.items()}
    lost_rows = {table: count for table, count in counts.items() if count and table not in kept}
    rows = ", ".join(f"{table} ({count})" for table, count in lost_rows.items())
    lost = f"this would {action} {database}, which has {f'rows in {rows}' if rows else 'no rows'}"
    if not yes:
        raise ConfirmationNeeded(lost)
    active = 0 if counts[pilots.name] is None else _count_active(database)
    if active and not force:
        raise InUse(lost, f"active pilots: {active}; give --force to lose track of them")


def _count_active(database: Database) -> int:
    with database.uow() as tx:
        return pilot_reads.count_active(tx)


def _require_core(database: Database) -> None:
    with translated(database.url), database.engine.connect() as connection:
        chains.require_current(connection, database.chains[:1])


def _refuse_to_stamp_others(database: Database, chain: Chain) -> None:
    """Refuse to stamp tables that differ from those that the newest revision makes."""
    with translated(database.url), database.engine.connect() as connection:
        if chains.standing(connection, chain).place is not ChainState.FOREIGN:
            return
    differences = [
        difference
        for difference in schema.differences(database.engine, database.chains)
        if difference.table in chain.tables
    ]
    if differences:
        raise InUse(
            f"chain {chain.name} cannot be stamped",
            f"{differences[0]}",
            f"and {len(differences) - 1} more",
        )
