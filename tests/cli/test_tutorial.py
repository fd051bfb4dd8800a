"""The tutorial shows what the program prints: the test runs its commands and compares."""

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command import Cli

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FIRST, LAST = "## A database and two CEs", "## The same with PostgreSQL and Redis"
"""The sections between them need nothing but a state folder."""

ONGOING = ("pilotage up",)
"""Commands that go on until Ctrl-C."""


def blocks() -> list[tuple[str, list[str]]]:
    """Return each block of code: its language, `sh` or `text`, and its lines."""
    text = PAGE.read_text(encoding="utf-8")
    part = text[text.index(FIRST) : text.index(LAST)]
    parts = re.findall(r"^```(sh|text)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    return [(language, code.splitlines()) for language, code in parts]


def pattern(line: str) -> str:
    """Return the pattern of a line, in which `…` stands for text that differs between runs."""
    return r".*".join(re.escape(part) for part in line.split("…"))


def is_shown(block: list[str], lines: list[str]) -> bool:
    """Return whether a block is the end of the output; a line of `…` stands for any lines."""
    whole = "".join(r"(?:.*\n)*" if line == "…" else f"{pattern(line)}\n" for line in block)
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    return re.search(rf"^{whole}\Z", text, re.MULTILINE) is not None


def let_checks_be_due(home: Path) -> None:
    """Make all checks due, instead of waiting 15 s as the tutorial does."""
    with closing(sqlite3.connect(home / "pilotage.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE pilots SET next_check_at = reserved_at WHERE status = 'submitted'"
        )


def test_the_tutorial_prints_what_it_shows(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    output: list[str] = []
    count = 0
    for language, lines in blocks():
        if language == "sh":
            output = []
            if any("check_pilots" in line for line in lines):
                let_checks_be_due(tmp_path / "home")
            for line in lines:
                if line not in ONGOING:
                    output += cli.ok(*shlex.split(line)[1:]).lines
        else:
            count += 1
            assert is_shown(lines, output), "\n".join(output)
    assert count >= 4


@pytest.mark.parametrize(
    ("block", "is_match"),
    [
        (["b", "c"], True),
        (["a"], False),
        (["a", "…", "c"], True),
        (["…"], True),
        (["b …", "c"], False),
        (["b…", "c"], True),
    ],
)
def test_only_the_end_of_what_was_printed_is_shown(block: list[str], is_match: bool) -> None:
    assert is_shown(block, ["a", "b", "c"]) is is_match
