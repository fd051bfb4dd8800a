"""A demand source that cannot be used harms its own VO alone, and everything says why."""

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import a_ce, a_vo
from tests.services.world import World
from worker.db import demands, vos
from worker.services.observe import answers, capacity, notices, overview, wishes
from worker.services.observe.metrics import metrics
from worker.services.operate import pauses
from worker.services.tasks import ask_demand, submit_pilots
from worker.services.tasks.sweep import sweep

LAB = "lab"

GONE = {"kind": "gone"}
NARROWED = {"kind": "command", "command": ["echo", "9"], "no_such_option": 1}

unusable = pytest.mark.parametrize(
    ("source", "why"),
    [
        (GONE, "demand source 'gone': known: "),
        ({**GONE, "counts": "ever"}, "demand source 'gone': known: "),
        (NARROWED, "no_such_option"),
        ({**NARROWED, "counts": "jobs"}, "no_such_option"),
        ({**NARROWED, "counts": "ever"}, "no_such_option"),
        ({**NARROWED, "unknown": "fill"}, "no_such_option"),
    ],
)


def lab_has(world: World, source: dict[str, Any], **more: Any) -> None:
    """Make a VO with an unusable source, which gave an answer when it was usable."""
    world.vo(a_vo().named(LAB))
    world.change(lambda tx: vos.change(tx, LAB, source=source, **more))
    world.change(lambda tx: demands.answered(tx, LAB, 9, world.now()))
    world.change(lambda tx: demands.failed(tx, LAB, "no route", world.now() + timedelta(seconds=1)))


def reserve(world: World, vo: str) -> int:
    return submit_pilots.submit_pilots(world.runtime(), vo).counts["reserved"]


@unusable
def test_nothing_is_sent_for_its_vo_and_the_others_get_their_pilots(
    world: World, source: dict[str, Any], why: str
) -> None:
    ce = world.ce(a_ce().with_capacity(10))
    other = world.vo(a_vo().named("cms")).name
    world.change(lambda tx: vos.change(tx, other, demand=4))
    lab_has(world, source)

    assert (reserve(world, LAB), reserve(world, other)) == (0, 4)

    [decision] = overview.explain(world.runtime(), ce.name, vo=LAB)
    note = decision.trace["vo"]["note"]
    assert note.startswith(f"demand unknown: the source of VO {LAB} cannot be used: ")
    assert why in note
    assert note.endswith("; the rule is hold")
    [line] = submit_pilots.plan(world.runtime(), LAB).lines
    assert note in line


@unusable
def test_its_problem_is_named_wherever_its_vo_is_shown(
    world: World, source: dict[str, Any], why: str
) -> None:
    lab_has(world, source)
    runtime = world.runtime()
    situation = overview.overview(runtime)
    assert (list(situation.unusable_sources), situation.batches) == ([LAB], {})
    [line] = [
        one.line for one in notices.notices(situation) if one.subject == f"source of VO {LAB}"
    ]
    assert line.startswith(f"the demand source of VO {LAB} cannot be used: ")
    assert why in line
    [wish] = [one for one in wishes.wishes(runtime) if one.vo == LAB]
    assert why in str(wish.problem)
    assert why in str(answers.answer_of(runtime, LAB).source_problem)
    assert why in ask_demand.plan(runtime, LAB).lines[0]
    assert capacity.capacity_of(runtime, LAB).next == 0
    metrics(runtime)


def test_each_of_a_few_has_its_notice_and_the_others_are_counted(world: World) -> None:
    for number in range(8):
        name = world.vo(a_vo().named(f"lab{number}")).name
        world.change(lambda tx, name=name: vos.change(tx, name, source=GONE))  # type: ignore[misc]
    lines = [one.line for one in notices.notices(overview.overview(world.runtime()))]
    assert sum("demand source of VO lab" in line for line in lines) == 5
    assert "3 more VOs have a demand source that cannot be used: pilotage plan --vo NAME" in lines


@unusable
def test_its_idle_pilots_stay_and_the_sweep_goes_on(
    world: World, source: dict[str, Any], why: str
) -> None:
    ce = world.ce()
    pauses.pause(world.runtime(), ce.name, "a test", until=world.now() + timedelta(minutes=10))
    lab_has(world, source, idle_at_most=timedelta(minutes=1))
    world.wait(minutes=11)
    assert sweep(world.runtime()).counts == {"holds ended": 1, "cancelled": 0}


def test_a_floor_is_kept_and_no_surplus_is_cancelled(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(10))
    lab_has(world, NARROWED, demand_min=3, cancel_surplus=True)
    assert reserve(world, LAB) == 3
    world.reserve(ce, 5, LAB)
    for _ in range(3):
        world.wait(minutes=11)
        assert reserve(world, LAB) == 0
    assert world.statuses() == {"reserved": 8}
