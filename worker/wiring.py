"""The one place that builds things from the settings. Everything is built on first use, so that
a process that forks its children shares nothing with them.
"""

from functools import cache

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.settings import Settings, load


@cache
def settings() -> Settings:
    """Read the settings once."""
    return load()


@cache
def backends() -> dict[str, Backend]:
    """Find the installed back-ends once."""
    return registry.discover()


@cache
def database() -> Database:
    """Build the database of the settings. The folder of an embedded one is made if missing."""
    url = parse_url(settings().database_url.get_secret_value())
    if url.database == str(settings().home / "pilotage.sqlite"):
        settings().home.mkdir(parents=True, exist_ok=True)
    return Database(url, [backend.chain for backend in backends().values()])
