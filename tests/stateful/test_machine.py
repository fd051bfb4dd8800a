"""Whatever happens to the system, in whatever order, the promises hold."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import Sqlite
from tests.session import PLAN
from tests.stateful.machine import Machine
from tests.stateful.mutations import mutated
from tests.stateful.runs import LONG, SHORT, Try, number_stamps
from tests.stateful.site import Site
from tests.stateful.stories import STORIES, Story


@pytest.fixture
def machine(
    engine: Engine, sqlite_template: Sqlite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """A machine before its first step."""
    number_stamps(monkeypatch)
    sqlite_template.pour(engine)
    return Machine(Site(engine, tmp_path), print)


def play(machine: Machine, story: Story) -> None:
    """Play a story to its end; the promises are judged once more when all is at rest."""
    try:
        story(machine)
        machine.the_promises_hold()
    finally:
        machine.teardown()


def test_the_promises_hold_whatever_happens(try_plays: Try, request: pytest.FixtureRequest) -> None:
    try_plays(LONG if request.config.stash[PLAN].long else SHORT)


@pytest.mark.parametrize("story", {story: None for story, _ in STORIES.values()})
def test_the_promises_hold_in_a_story(machine: Machine, story: Story) -> None:
    play(machine, story)


@pytest.mark.parametrize("name", STORIES)
def test_the_machine_finds_what_is_broken(machine: Machine, name: str) -> None:
    story, word = STORIES[name]
    with mutated(name), pytest.raises(AssertionError, match=word):
        play(machine, story)
