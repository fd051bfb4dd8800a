"""The common part of every chain's `env.py`, which itself only names its chain."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrationScript
from sqlalchemy import JSON
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import DropTableComment, SetTableComment

from worker.db.chains import Chain
from worker.db.types import Strings, UtcDateTime
from worker.domain.errors import ConfigurationError


def run(name: str) -> None:
    """Run the migrations of the chain of this name on the connection in Alembic's attributes."""
    chain: Chain | None = context.config.attributes.get("chain")
    if chain is None:
        raise ConfigurationError(f"chain {name}", "run 'pilotage backend migrate' or 'db migrate'")
    if chain.name != name:
        raise ConfigurationError(f"the migrations of {chain.name} call themselves {name}")
    connection = context.config.attributes["connection"]

    context.configure(
        connection=connection,
        target_metadata=chain.metadata,
        version_table=chain.version_table,
        include_name=lambda name, kind, parents: kind != "table" or name in chain.tables,
        compare_type=True,
        compare_server_default=True,
        # Every migration also runs on SQLite, which changes a table by making a new one.
        render_as_batch=True,
        render_item=_plain_types,
        process_revision_directives=_skip_empty,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


@compiles(SetTableComment, "sqlite")
@compiles(DropTableComment, "sqlite")
def _no_comment(element: object, compiler: object, **options: object) -> str:
    """Do nothing: SQLite has no comments, but migrations that change comments run there, too."""
    return "SELECT 1"


def _plain_types(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our types as SQLAlchemy's own types: a migration must not depend on our code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Strings | JSON):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        stored = "ARRAY(sa.Text())" if isinstance(item, Strings) else "JSONB()"
        return f'sa.JSON().with_variant(postgresql.{stored}, "postgresql")'
    return False


def _skip_empty(migration: object, revision: object, directives: list[MigrationScript]) -> None:
    if not context.config.attributes.get("skip_empty"):
        return
    script = directives[0]
    if script.upgrade_ops is not None and script.upgrade_ops.is_empty():
        directives.clear()
