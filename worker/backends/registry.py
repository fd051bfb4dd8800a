"""The installed back-ends, and the tables that each of them owns."""

from collections.abc import Mapping
from typing import Any

from worker import plugins
from worker.backends.contract import Backend, Means, Options
from worker.backends.guard import Guard
from worker.domain.ce import CE
from worker.domain.errors import ConfigurationError, UnknownBackend
from worker.domain.nearest import nearest
from worker.domain.validation import read_options

GROUP = "pilotage.backends"


def discover() -> dict[str, Backend]:
    """Load every installed back-end, sorted by name."""
    backends = plugins.load(GROUP, Backend, "back-end")
    for name, backend in backends.items():
        if not backend.name == backend.chain.name == name:
            itself = f"it calls itself {backend.name}, {backend.chain.name}"
            raise ConfigurationError(f"back-end {name}", itself)
    owners(backends)
    return backends


def owners(backends: Mapping[str, Backend]) -> dict[str, str]:
    """Return the back-end that owns each table. A table has one owner."""
    owner: dict[str, str] = {}
    for backend in backends.values():
        for table in backend.chain.tables:
            if owner.setdefault(table, backend.name) != backend.name:
                raise ConfigurationError(
                    f"table {table}", f"{owner[table]} and {backend.name} both own it"
                )
    return owner


def get(backends: Mapping[str, Backend], name: str) -> Backend:
    """Return the back-end of this name; raise `UnknownBackend` if it is not installed."""
    if name not in backends:
        raise UnknownBackend(name, nearest(name, backends))
    return backends[name]


def check_options(
    backends: Mapping[str, Backend], name: str, options: Mapping[str, Any]
) -> Options:
    """Read a CE's options with the option class of its back-end."""
    return read_options(get(backends, name).options, options, f"back-end {name}")


def connect(backends: Mapping[str, Backend], ce: CE, means: Means) -> Guard:
    """Return a guarded driver for a CE, with the CE's options."""
    options = check_options(backends, ce.backend, ce.options)
    return Guard(backends[ce.backend].driver(ce, options, means), means.now, options)
