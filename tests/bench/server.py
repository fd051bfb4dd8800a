"""The server to measure on: the configured one, or a private one like that of the tests.

The private one is durable: a commit waits for the disk, as in production.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import URL

from tests import guardian, servers
from worker.db.engine import parse_url

DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "max_parallel_workers_per_gather": "2",
}


@contextmanager
def server() -> Iterator[URL]:
    """Yield the configured server, or start one and stop it at the end."""
    url_text = servers.test_url(dict(os.environ))
    if url_text:
        yield parse_url(url_text)
        return
    places = [*servers.binaries(), *servers.wheel()]
    if not places:
        raise SystemExit(f"no PostgreSQL is installed; name a server in {servers.URL_VARIABLE}")
    folder = Path(tempfile.mkdtemp(prefix="pilotage-bench-"))
    try:
        with _start(places[0], folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _start(place: Path, folder: Path) -> Iterator[URL]:
    folder.chmod(0o711)
    password = secrets.token_urlsafe(16)
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(password, encoding="utf-8")
    with patch.dict(guardian.SETTINGS, DURABLE):
        process, port = guardian.start(guardian.reachable(place, folder), folder)
    try:
        yield URL.create(
            "postgresql+psycopg",
            username="postgres",
            password=password,
            host="127.0.0.1",
            port=port,
            database=servers.DEFAULT_DATABASE,
        )
    finally:
        guardian.stop(process)
