"""The tutorial shows what the program prints: its commands are run, and its outputs compared."""

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command import Cli

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FIRST, LAST = "## A database and two CEs", "## The same with PostgreSQL and Redis"
"""What lies between needs nothing but a state folder."""

ONGOING = ("pilotage up",)
"""Commands that go on until Ctrl-C."""


def blocks() -> list[tuple[str, list[str]]]:
    """Return the code of the tutorial: its language, `sh` or `text`, and its lines."""
    text = PAGE.read_text(encoding="utf-8")
    part = text[text.index(FIRST) : text.index(LAST)]
    found = re.findall(r"^```(sh|text)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    return [(language, code.splitlines()) for language, code in found]


def pattern(line: str) -> str:
    """Return what matches a line: `…` stands for what differs from run to run."""
    return r".*".join(re.escape(part) for part in line.split("…"))


def is_shown(block: list[str], printed: list[str]) -> bool:
    """Whether lines are the end of what was printed; a line of `…` stands for any lines."""
    whole = "".join(r"(?:.*\n)*" if line == "…" else f"{pattern(line)}\n" for line in block)
    text = "".join(f"{line.rstrip()}\n" for line in printed)
    return re.search(rf"^{whole}\Z", text, re.MULTILINE) is not None


def let_checks_be_due(home: Path) -> None:
    """Stand for the quarter of a minute that the tutorial waits before it asks the CEs."""
    with closing(sqlite3.connect(home / "pilotage.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE pilots SET next_check_at = reserved_at WHERE status = 'submitted'"
        )


def test_the_tutorial_prints_what_it_shows(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    printed: list[str] = []
    compared = 0
    for language, lines in blocks():
        if language == "sh":
            printed = []
            if any("check_pilots" in line for line in lines):
                let_checks_be_due(tmp_path / "home")
            for line in lines:
                if line not in ONGOING:
                    printed += cli.ok(*shlex.split(line)[1:]).lines
        else:
            compared += 1
            assert is_shown(lines, printed), "\n".join(printed)
    assert compared >= 4


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (["b", "c"], True),
        (["a"], False),
        (["a", "…", "c"], True),
        (["…"], True),
        (["b …", "c"], False),
        (["b…", "c"], True),
    ],
)
def test_only_the_end_of_what_was_printed_is_shown(block: list[str], shown: bool) -> None:
    assert is_shown(block, ["a", "b", "c"]) is shown
