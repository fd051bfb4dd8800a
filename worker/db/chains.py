"""Chains: lines of migrations of the core and of each back-end, each with its own version table.

The core migrates first, then each back-end: the tables of a back-end may refer to those of the
core, never the other way round. A chain migrates in one transaction, so it is never left between
two revisions.

Only the functions that migrate import Alembic: all other commands only ask for the place of a
database on its chains, and the import would take longer than that query.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, MetaData, inspect, text

from worker.db import append_only, rights, tables, taking, tally_triggers, updated_at
from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL, SQLITE, shown
from worker.db.revisions import newest, revisions
from worker.domain.change import LEAST_DAYS
from worker.domain.errors import (
    ConfigurationError,
    DatabaseRefused,
    SchemaAbsent,
    SchemaAhead,
    SchemaBehind,
    SchemaForeign,
)
from worker.domain.words import Described

if TYPE_CHECKING:
    from alembic.config import Config

CORE = "core"
_LOCK = 0x70696C6F
"""The advisory lock for migrations; the number is 'pilo' in ASCII."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Tables that belong together, and the folder of their migrations."""

    name: str
    tables: tuple[str, ...]
    metadata: MetaData = field(repr=False)
    folder: Path

    def __post_init__(self) -> None:
        if set(self.tables) != set(self.metadata.tables):
            raise ConfigurationError(
                f"chain {self.name}",
                f"it names {sorted(self.tables)} and declares {sorted(self.metadata.tables)}",
            )
        if self.name != CORE:
            for table in self.tables:
                if not table.startswith(f"{self.name}_"):
                    raise ConfigurationError(
                        f"chain {self.name}",
                        f"table {table} does not begin with {self.name}_",
                    )

    @property
    def version_table(self) -> str:
        """The table that stores the chain's revision."""
        return f"{rights.VERSION}{self.name}"


CORE_CHAIN = Chain(
    name=CORE,
    tables=(
        "vos",
        "ces",
        "ce_vos",
        "pilots",
        "transitions",
        "new_tallies",
        "pilot_counts",
        "tallies",
        "call_tallies",
        "ce_totals",
        "vo_totals",
        "call_totals",
        "vo_cohorts",
        "vo_work",
        "outputs",
        "pilot_reports",
        "ce_lists",
        "ce_list_places",
        "decision_bases",
        "decisions",
        "ce_health",
        "sending_changes",
        "maintenances",
        "vo_demands",
        "trials",
        "credentials",
        "schedules",
        "leases",
        "reports",
        "webhook_events",
        "standstills",
        "changes",
        "tokens",
        "answered_requests",
    ),
    metadata=tables.metadata,
    folder=Path(__file__).parent / "migrations",
)


class ChainState(Described):
    """The place of a database on a chain."""

    ABSENT = "absent", "It has none of the tables; `pilotage db migrate` makes them."
    BEHIND = "behind", "It has an older revision; `pilotage db migrate` goes on from there."
    CURRENT = "current", "It has the newest revision."
    AHEAD = "ahead", "A newer version of Pilotage has migrated it."
    FOREIGN = "foreign", "It has the tables, but no migration made them."


@dataclass(frozen=True, kw_only=True)
class ChainStanding:
    """A chain, the revision of the database, and the newest revision that this program knows."""

    chain: str
    place: ChainState
    revision: str | None
    head: str


def standing(connection: Connection, chain: Chain) -> ChainStanding:
    """Return the place of a database on a chain."""
    return standings(connection, [chain])[0]


def standings(connection: Connection, chains: Sequence[Chain]) -> list[ChainStanding]:
    """Return the place of a database on each of these chains.

    Every command calls this, so it takes two statements for all chains together.
    """
    present = set(inspect(connection).get_table_names())
    at = _revisions(connection, [chain for chain in chains if chain.version_table in present])
    return [_place(chain, at.get(chain.name), present) for chain in chains]


def _place(chain: Chain, revision: str | None, present: set[str]) -> ChainStanding:
    history = revisions(chain.folder)
    head = newest(history, chain.name)
    if revision == head:
        place = ChainState.CURRENT
    elif revision is None:
        place = ChainState.FOREIGN if present.intersection(chain.tables) else ChainState.ABSENT
    elif revision in history:
        place = ChainState.BEHIND
    else:
        place = ChainState.AHEAD
    return ChainStanding(chain=chain.name, place=place, revision=revision, head=head)


def _revisions(connection: Connection, chains: Sequence[Chain]) -> dict[str, str]:
    if not chains:
        return {}
    each = (f"SELECT '{one.name}', version_num FROM {one.version_table}" for one in chains)
    return {row[0]: row[1] for row in connection.exec_driver_sql(" UNION ALL ".join(each))}


def require_current(connection: Connection, chains: Sequence[Chain]) -> None:
    """Refuse to work on a database that is older or newer than this program."""
    for state in standings(connection, chains):
        if state.place is ChainState.AHEAD:
            raise SchemaAhead(
                f"{state.chain} is at {state.revision}, newer than the newest known, {state.head}"
            )
        if state.place is ChainState.FOREIGN:
            raise SchemaForeign(f"{state.chain}: run 'pilotage db migrate --stamp' to adopt them")
        if state.place is ChainState.ABSENT and state.chain == CORE:
            raise SchemaAbsent(shown(connection.engine.url))
        if state.place is not ChainState.CURRENT:
            raise SchemaBehind(
                f"{state.chain} is at {state.revision or 'nothing'}, needed is {state.head}"
            )


def migrate(
    engine: Engine, chain: Chain, to: str = "head", *, stamp: bool = False
) -> ChainStanding:
    """Bring a database to a revision of a chain; return its place before.

    With `stamp`, tables that no migration made are recorded as being at the newest revision.
    """
    from alembic import command

    with _migrating(engine) as connection:
        before = standing(connection, chain)
        if before.place is ChainState.AHEAD:
            raise SchemaAhead(
                f"{chain.name} is at {before.revision}, newer than the newest known, {before.head}"
            )
        config = _config(chain, connection)
        if before.place is ChainState.FOREIGN:
            if not stamp:
                raise SchemaForeign(
                    f"{chain.name}: if create_all made them, run 'pilotage db migrate --stamp'"
                )
            command.stamp(config, "head")
        else:
            if before.place is ChainState.BEHIND and connection.dialect.name == POSTGRESQL:
                taking.take(connection, chain.tables)
            command.upgrade(config, to)
        _reinstall_triggers(connection, chain)
        if connection.dialect.name == POSTGRESQL:
            rights.narrow(connection)
    return before


def downgrade(engine: Engine, chain: Chain, to: str = "base") -> None:
    """Take a database back to a revision of a chain, or to the state before the first one."""
    from alembic import command

    with _migrating(engine) as connection:
        command.downgrade(_config(chain, connection), to)
        _reinstall_triggers(connection, chain)


def write_revision(engine: Engine, chain: Chain, message: str) -> Path | None:
    """Write a migration that brings the database to the models; return `None` if they agree."""
    from alembic import command

    with _migrating(engine) as connection:
        config = _config(chain, connection)
        config.attributes["skip_empty"] = True
        count = len(revisions(chain.folder))
        with redirect_stdout(io.StringIO()):  # Alembic prints the path; the command prints it, too
            script = command.revision(config, message, autogenerate=True, rev_id=f"{count + 1:04d}")
        revisions.cache_clear()
    written = next(iter(script), None) if isinstance(script, list) else script
    return Path(written.path) if written else None


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    with translated(engine.url), engine.connect() as connection:
        # SQLite changes a table by making a new one. If foreign keys were on, dropping the old one
        # would empty the tables that refer to it. They cannot be switched within a transaction.
        sqlite = connection.dialect.name == SQLITE
        if sqlite:
            _sqlite_foreign_keys(connection, "OFF")
        try:
            with connection.begin():
                if connection.dialect.name == POSTGRESQL:
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                    connection.execute(text("SET LOCAL lock_timeout = '60s'"))
                    # A migration that reads and rewrites rows may take longer than a task.
                    connection.execute(
                        text("SET LOCAL idle_in_transaction_session_timeout = '10min'")
                    )
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                yield connection
                if sqlite:
                    _check_foreign_keys(connection)
        finally:
            if sqlite:
                _sqlite_foreign_keys(connection, "ON")


def _reinstall_triggers(connection: Connection, chain: Chain) -> None:
    if connection.dialect.name == SQLITE:
        updated_at.reinstall_missing(connection, chain.metadata.sorted_tables)
        tally_triggers.reinstall_missing(connection)
        append_only.reinstall_missing(connection, tables.changes.name, LEAST_DAYS)


def _sqlite_foreign_keys(connection: Connection, state: str) -> None:
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys = {state}")
    cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise DatabaseRefused(f"a row of {broken[0]} would point at no row of {broken[2]}")


def _config(chain: Chain, connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    # A percent sign in a path would be read as an interpolation.
    config.set_main_option("script_location", str(chain.folder).replace("%", "%%"))
    config.attributes.update(chain=chain, connection=connection)
    return config
