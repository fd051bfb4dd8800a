"""Call the command line within this process or as a new one, and read its answer."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import URL, inspect, text

from tests.expectations import PASSWORD
from tests.patience import LONGEST
from worker import wiring
from worker.cli.main import run
from worker.db import database as database_of_all
from worker.db.database import Database
from worker.db.engine import make_engine

WRONG_USE = re.compile(r" See 'pilotage[a-z -]* --help'\.$")
"""The end of every message about wrong use of a command; the exit code is then 2."""

SECRET = re.compile(r"://[^:/@]*:([^@]+)@")


kept_engine = lru_cache(maxsize=8)(make_engine)
"""The engine of a command. It is closed after the command; the next command for the same database
opens it again and reuses its compiled statements, which cost more than their execution.
"""


@dataclass(frozen=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Cli:
    """Calls the command line as a new process would: it shares nothing with the previous call."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *words: str) -> Answer:
        forget()
        self._capture.readouterr()
        with patch.object(database_of_all, "make_engine", kept_engine):
            code = run(words)
        output = self._capture.readouterr()
        forget()
        return Answer(code, output.out, output.err)

    def ok(self, *words: str) -> Answer:
        """Expect success and no complaint."""
        answer = self(*words)
        assert (answer.code, answer.err) == (0, ""), (words, answer.err)
        return answer

    def json(self, *words: str) -> Any:
        """Expect success, and JSON alone."""
        return json.loads(self.ok(*words, "--json").out)

    def refused(self, *words: str) -> str:
        """Expect one clear line and nothing else, whatever was wrong; return the line."""
        return refusal(self(*words))


def refusal(answer: Answer) -> str:
    """Expect one line of complaint without a password, its exit code, and no other output."""
    assert answer.out == ""
    return complaint(answer)


def complaint(answer: Answer) -> str:
    """Expect exactly one line of complaint, without a password, and the exit code that fits it."""
    assert answer.code == (2 if WRONG_USE.search(answer.err) else 1)
    assert answer.err.startswith("pilotage: ")
    assert answer.err.count("\n") == 1
    assert answer.err.endswith("\n")
    assert "Traceback" not in answer.err
    for secret in (PASSWORD, *SECRET.findall(os.environ.get("PILOTAGE_DATABASE_URL", ""))):
        assert secret not in answer.err + answer.out
    for clumsy in ("?.", "None"):
        assert clumsy not in answer.err
    return answer.err.removeprefix("pilotage: ").rstrip("\n")


def forget() -> None:
    """Have the wiring build everything anew, and use no server."""
    wiring.use_server(None, None)
    wiring.forget()


def process(*words: str, **environment: str) -> Answer:
    """Call the command as a process, its output in pipes."""
    process = subprocess.run(
        [sys.executable, "-m", "worker", *words],
        capture_output=True,
        text=True,
        timeout=LONGEST,  # it only ends a test that hangs
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return Answer(process.returncode, process.stdout, process.stderr)


def on_a_terminal(*words: str, **environment: str) -> str:
    """Call the command on a terminal; return all that it writes, with its escape sequences."""
    return typed_on_a_terminal((), *words, **environment)


def typed_on_a_terminal(lines: Sequence[str], *words: str, **environment: str) -> str:
    """Do as `on_a_terminal` does while somebody types these lines."""
    ours, theirs = pty.openpty()
    os.write(ours, "".join(f"{line}\n" for line in lines).encode())
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "worker", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**plain, "TERM": "xterm-256color", **environment},
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while chunk := os.read(ours, 65536):
                output += chunk
        except OSError:  # a terminal raises it when nobody holds its other end
            pass
        process.wait(LONGEST)  # the limit only ends a test that hangs
    os.close(ours)
    return output.decode()


def address(url: URL) -> str:
    """Write a URL with its password, as a variable holds it."""
    return url.render_as_string(hide_password=False)


def sql(database: Database, *statements: str) -> None:
    """Execute statements on a database by hand."""
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.engine.dispose()


def contents(database: Database) -> dict[str, list[str]]:
    """Read every row of every table."""
    tables = {}
    with database.engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            rows = connection.execute(text(f'SELECT * FROM "{name}"'))
            tables[name] = sorted(repr(row) for row in rows)
    database.engine.dispose()
    return tables
