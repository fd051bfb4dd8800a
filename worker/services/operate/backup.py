"""backup, restore: write the whole database to a file, and make a file the whole database.

Both write to a temporary file or database, which takes its final place only after everything has
succeeded. A restored database is migrated and made safe before any process can use it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from worker.db import chains, dumps, pilot_reads, restored, roles, server
from worker.db.chains import ChainState
from worker.db.changes import note
from worker.db.database import Database
from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL
from worker.domain.errors import (
    DatabaseError,
    DatabaseRefused,
    DatabaseUnavailable,
    Invalid,
    SchemaAhead,
)
from worker.services.operate.database import Migrated, confirm, migrate
from worker.services.operate.roles import names

RESTORING = "restoring_"
"""The beginning of the name of the temporary database into which a backup is read."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup that was written."""

    database: str
    file: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A database that was restored, and what was changed in it so that it is safe to start."""

    database: str
    file: str
    pilots: int
    active: int
    in_doubt: int
    held: list[str]
    chains: list[Migrated] = field(default_factory=list)
    has_roles: bool | None = None
    """Whether its roles have their rights; `None` if there are no such roles."""
    left: str | None = None
    """The name that the database of before has now, if it could not be removed."""


def back_up(database: Database, file: Path) -> Backup:
    """Write the database to a new file that only its owner may read."""
    if not server.exists(database.url):
        raise DatabaseUnavailable(str(database), "it does not exist")
    if file.exists():
        raise Invalid(str(file), "it exists; name another file")
    with _beside(file) as draft:
        dumps.write(database.url, draft)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.rename(file)
        return Backup(database=str(database), file=str(file), bytes=file.stat().st_size)


def restore(
    database: Database,
    file: Path,
    now: datetime,
    *,
    prefix: str | None = None,
    yes: bool,
    force: bool = False,
) -> Restored:
    """Replace the database by a backup, and hold its CEs."""
    dumps.check_kind(file, database.url)
    if server.exists(database.url):
        confirm(database, f"restore {file} over", yes=yes, force=force)
    database.engine.dispose()
    if database.url.get_backend_name() == POSTGRESQL:
        return _restore_postgresql(database, file, now, prefix, force=force)
    return _restore_sqlite(database, file, now)


def _restore_postgresql(
    database: Database, file: Path, now: datetime, prefix: str | None, *, force: bool
) -> Restored:
    name = f"{RESTORING}{database.url.database}"[: server.LONGEST_NAME]
    made = Database(database.url.set(database=name), database.chains[1:], actor=database.actor)
    server.drop(made.url)
    server.create(made.url)
    try:
        dumps.read(file, made.url)
        done = _settle(made, file, now)
        has_roles = _grant(made, database, prefix)
        server.count_rows(made.engine)
        made.close()
        left = server.replace(database.url, made.url, force=force)
    except BaseException:
        made.close()
        # If it has taken the place of the old one already, there is none of this name any more.
        with suppress(DatabaseError):  # what failed first is reported; the next restore removes it
            server.drop(made.url)
        raise
    return replace(done, database=str(database), has_roles=has_roles, left=left)


def _restore_sqlite(database: Database, file: Path, now: datetime) -> Restored:
    live = Path(str(database.url.database))
    with _beside(live) as draft:
        dumps.copy_sqlite(file, draft)
        made = Database(
            database.url.set(database=str(draft)), database.chains[1:], actor=database.actor
        )
        try:
            done = _settle(made, file, now)
        finally:
            made.close()
        if live.exists():
            dumps.copy_sqlite(draft, live)
        else:
            draft.rename(live)
    return replace(done, database=str(database))


def _settle(made: Database, file: Path, now: datetime) -> Restored:
    """Migrate the restored database, and make it safe to use."""
    with translated(made.url), made.engine.connect() as connection:
        standings = chains.standings(connection, made.chains)
    if standings[0].place is ChainState.ABSENT:
        raise DatabaseRefused(str(file), "it holds no tables of Pilotage")
    ahead = next((one for one in standings if one.place is ChainState.AHEAD), None)
    if ahead is not None:
        at = f"{ahead.chain} is at {ahead.revision}, newer than the newest known, {ahead.head}"
        raise SchemaAhead(f"{file}: {at}")
    migrated = migrate(made)
    with made.uow() as tx:
        settled = restored.settle(tx, now)
        note(tx, "database", "all", "restore", after={"file": file.name, "held": settled.held})
        counts = pilot_reads.count_by_status(tx)
        active = pilot_reads.count_active(tx)
    return Restored(
        database=str(made),
        file=str(file),
        pilots=sum(counts.values()),
        active=active,
        in_doubt=settled.in_doubt,
        held=settled.held,
        chains=[chain for chain in migrated if chain.status != "unchanged"],
    )


def _grant(made: Database, database: Database, prefix: str | None) -> bool | None:
    """Give the roles their rights again, if there are roles: a backup contains no rights."""
    named = names(database, prefix)
    with translated(made.url), made.engine.connect() as connection:
        if not roles.is_there(connection, named):
            return None
    try:
        with translated(made.url), made.engine.begin() as connection:
            roles.apply(connection, roles.statements(connection, named, made.chains))
    except DatabaseRefused:
        return False
    return True


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """Make an empty file beside another, which only we may read; remove it at the end."""
    try:
        number, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise Invalid(str(file), (error.strerror or "it cannot be written").lower()) from error
    os.close(number)
    try:
        yield Path(draft)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                Path(f"{draft}{suffix}").unlink()
