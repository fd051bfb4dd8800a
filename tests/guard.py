"""No test touches a database that is not a test database.

A listener on every engine of the process looks at each connection before it is made, and at each
statement that is sent to the maintenance database.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.servers import TEST_DATABASE
from worker.db.server import MAINTENANCE

MAKES_A_TEST_DATABASE = re.compile(
    r'SELECT 1 FROM pg_database\b|(CREATE|DROP) DATABASE "?\w+_test(_gw\d+)?"?( |$)'
    r'|ALTER DATABASE "?\w+_test(_gw\d+)?"? RENAME TO "?\w+_test(_gw\d+)?"?$'
)
FOREIGN_SETTINGS = ("PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGOPTIONS")
"""Variables that lead a PostgreSQL client elsewhere than its URL says."""


class NotATestDatabase(BaseException):
    """A test tried to use a database that is not a test database. Nothing may catch this."""


class Guard:
    """Checks every connection of this process."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [folder.resolve() for folder in folders]

    def install(self) -> None:
        """Refuse connections to other databases from now on."""
        event.listen(Engine, "do_connect", self.check_connection)
        event.listen(Engine, "before_cursor_execute", self.check_statement)

    def remove(self) -> None:
        """Allow every connection again."""
        event.remove(Engine, "do_connect", self.check_connection)
        event.remove(Engine, "before_cursor_execute", self.check_statement)

    def check_connection(
        self, dialect: Any, record: Any, arguments: list[Any], settings: dict[str, Any]
    ) -> None:
        """Let only test databases pass."""
        if dialect.name == "sqlite":
            self._check_file(str(arguments[0]))
            return
        name = str(settings.get("dbname"))
        if name != MAINTENANCE and not TEST_DATABASE.search(name):
            raise NotATestDatabase(name)

    def check_statement(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        """Let only test databases be made and removed from the maintenance database."""
        if connection.dialect.name == "sqlite" or connection.engine.url.database != MAINTENANCE:
            return
        if not MAKES_A_TEST_DATABASE.match(statement) and statement != "SHOW server_version":
            raise NotATestDatabase(statement)

    def _check_file(self, name: str) -> None:
        if name == ":memory:" or "mode=memory" in name:
            return
        path = Path(name.removeprefix("file:").partition("?")[0]).resolve()
        if not any(path.is_relative_to(folder) for folder in self.folders):
            raise NotATestDatabase(str(path))


def scrub(home: Path) -> None:
    """Forget every setting of the machine, and point the state folder at a temporary one.

    The variables of testbeds stay: every worker of a session needs them.
    """
    for name in list(os.environ):
        if name.startswith("PILOTAGE_TESTBED_"):
            continue
        if name.startswith("PILOTAGE_") or name in FOREIGN_SETTINGS:
            del os.environ[name]
    os.environ["PILOTAGE_HOME"] = str(home)
