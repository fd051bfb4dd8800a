"""The page of the promises names tests that exist, and promise three is counted in commits."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.life import FAULTY, begin
from tests.crash.system import System

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "why" / "promises.md").read_text(encoding="utf-8")
PROMISES = re.split(r"^## (?=\d)", PAGE, flags=re.MULTILINE)[1:]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)

CALLED = ("dispatch", "check_pilots", "reconcile", "ask_demand")
"""Tasks that call somebody else, and so commit before and after."""


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    assert name in there


def test_each_of_the_eight_promises_has_tests() -> None:
    assert [int(promise.split(".")[0]) for promise in PROMISES] == list(range(1, 9))
    for promise in PROMISES:
        assert len(re.findall(r"::test_", promise.split("## ")[0])) >= 3


def test_an_execution_commits_once_or_before_and_after_its_call(sqlite_system: System) -> None:
    """The outcome is one more commit; the scheduler and an operator write none.

    A later call of a CE, to end jobs or for output, has a commit of its own.
    """
    system = sqlite_system
    begin(system, {})
    observations: Counter[tuple[str, int]] = Counter()
    while system.clock < FAULTY:
        task = system.next_step().split()[0]
        crossings = system.step()
        commits = list(_commits(crossings))
        calls = [n for n, what in enumerate(crossings) if what.startswith("before the call")]
        observations[task, len(calls)] += 1
        if task == "tick":
            assert len(commits) == 1
        elif task in CALLED and calls:
            claim, record, *_ = commits
            first, *further = calls
            assert claim < first < record
            assert all(record < call for call in further)
            assert len(commits) == (4 if further else 3)
        elif task != "command":
            assert len(commits) <= 2
        messages = [n for n, what in enumerate(crossings) if what.startswith("before sending")]
        assert all(n > crossings.index("after the commit") for n in messages)

    for task in CALLED:
        assert any(name == task and calls for name, calls in observations)


def _commits(crossings: list[str]) -> Iterator[int]:
    """Yield the commits of transactions that wrote something."""
    wrote = False
    for number, what in enumerate(crossings):
        wrote = wrote or what.startswith(("before INSERT", "before UPDATE", "before DELETE"))
        if what == "before the commit":
            if wrote:
                yield number
            wrote = False
