"""The command line, called within this process or as one of its own, and what it answered."""

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
"""How every message about a command that was used wrongly ends; its exit code is 2."""

SECRET = re.compile(r"://[^:/@]*:([^@]+)@")


kept_engine = lru_cache(maxsize=8)(make_engine)
"""The engine of a command, closed after it and opened anew by the next one for the same database.

What the statements of a command are compiled to is kept with it; that costs more than they do.
"""


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Cli:
    """Calls the command line as a new process would: nothing is left of the call before."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *words: str) -> Answer:
        forget()
        self._capture.readouterr()
        with patch.object(database_of_all, "make_engine", kept_engine):
            code = run(words)
        told = self._capture.readouterr()
        forget()
        return Answer(code, told.out, told.err)

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
    """Expect one line of complaint without a password, its exit code, and no other answer."""
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
    """Close what the wiring has built, and let it build anew."""
    if wiring.database.cache_info().currsize:
        wiring.database().close()
    wiring.use_server(None, None)
    for built in vars(wiring).values():
        if hasattr(built, "cache_clear"):
            built.cache_clear()


def process(*words: str, **environment: str) -> Answer:
    """Call the command as a process, its output in pipes."""
    done = subprocess.run(
        [sys.executable, "-m", "worker", *words],
        capture_output=True,
        text=True,
        timeout=LONGEST,  # it only ends a test that hangs
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def on_a_terminal(*words: str, **environment: str) -> str:
    """Call the command on a terminal; return what one would see there, escapes and all."""
    return typed_on_a_terminal((), *words, **environment)


def typed_on_a_terminal(lines: Sequence[str], *words: str, **environment: str) -> str:
    """Do the same while somebody types these lines."""
    ours, theirs = pty.openpty()
    os.write(ours, "".join(f"{line}\n" for line in lines).encode())
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "worker", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**plain, "TERM": "xterm-256color", **environment},
    ) as running:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
        except OSError:  # so a terminal says that nobody holds its other end
            pass
        running.wait(LONGEST)  # the limit only ends a test that hangs
    os.close(ours)
    return seen.decode()


def address(url: URL) -> str:
    """Write a URL with its password, as a variable holds it."""
    return url.render_as_string(hide_password=False)


def sql(database: Database, *statements: str) -> None:
    """Do something to a database by hand."""
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.engine.dispose()


def contents(database: Database) -> dict[str, list[str]]:
    """Read every row of every table."""
    found = {}
    with database.engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            rows = connection.execute(text(f'SELECT * FROM "{name}"'))
            found[name] = sorted(repr(row) for row in rows)
    database.engine.dispose()
    return found
