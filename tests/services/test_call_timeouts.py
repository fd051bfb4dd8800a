"""A call to a CE must not outlast the task that makes it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.factories import a_ce
from tests.services.world import World
from worker.db import ces
from worker.services.operate.call_timeouts import warnings


def test_a_call_that_may_outlast_its_task_is_named(world: World) -> None:
    world.ce(a_ce().named("slow"), call_timeout=600)
    world.ce(a_ce().named("quick"), call_timeout=140)

    [line] = warnings(world.runtime())

    assert line.startswith("call_timeout of CE slow is 600 s, but a task is ended after 140 s")
    assert "set it to at most 140" in line
    assert warnings(world.runtime(), "slow") == [line]
    assert warnings(world.runtime(), "quick") == []


@pytest.mark.parametrize(("limit", "is_warned"), [(600, False), (599.9, True)])
def test_the_limit_is_that_of_the_settings(world: World, limit: float, is_warned: bool) -> None:
    world.ce(a_ce().named("slow"), call_timeout=600)
    runtime = replace(world.runtime(), soft_limit=timedelta(seconds=limit))

    assert bool(warnings(runtime)) is is_warned


def test_a_ce_whose_options_cannot_be_read_hides_no_other(world: World) -> None:
    world.ce(a_ce().named("odd"))
    world.ce(a_ce().named("slow"), call_timeout=600)
    world.change(lambda tx: ces.change(tx, "odd", options={"call_timeout": "for ever"}))

    assert len(warnings(world.runtime())) == 1
