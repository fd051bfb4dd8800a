"""prune: one firing a day deletes any number of rows, in short transactions."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from tests.expectations import statements
from tests.factories import a_ce, a_decision, a_pilot
from tests.services.world import World
from worker.db import reports, retention, schedules
from worker.db.tables import decisions, outputs, pilots, transitions
from worker.domain.schedule import Outcome
from worker.services.runtime import TaskResult
from worker.services.tasks import catalogue, execute, prune, ticks

MANY = 25_000
NUMBERS = f"""WITH RECURSIVE numbers(n) AS (
    SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY})"""
PADDED = f"'{'0' * 32}' || n"
HISTORY = (
    f"""INSERT INTO pilots (stamp, vo_id, ce_id, status, reserved_at, ended_at, updated_at)
        {NUMBERS}
        SELECT substr({PADDED}, length({PADDED}) - 31), pilots.vo_id, pilots.ce_id,
               'done', pilots.ended_at, pilots.ended_at, pilots.ended_at
          FROM pilots, numbers""",
    """INSERT INTO transitions (pilot_id, became, at)
       SELECT id, 'done', ended_at FROM pilots""",
    """INSERT INTO outputs (pilot_id, text) SELECT id, 'what it wrote' FROM pilots""",
    f"""INSERT INTO decisions
               (vo_id, list_id, base_id, at, until, ticks, granted, digest, cells)
        {NUMBERS}
        SELECT vo_id, list_id, base_id, at, until, 1, granted, digest, cells
          FROM decisions, numbers""",
)


def history(world: World) -> None:
    """Make tens of thousands of old pilots and decisions."""
    ce = world.ce(a_ce())
    world.make(a_pilot().on(ce).done())
    world.change(lambda tx: a_decision().on(ce).create(tx))
    with world.database.uow() as tx:
        for statement in HISTORY:
            tx.execute(text(statement))
    pass_days(world, days=40)


def pass_days(world: World, days: int) -> None:
    """Let days pass, with one report a day."""
    for _ in range(days):
        world.wait(days=1)
        world.change(lambda tx: reports.add(tx, {}, world.clock))


def rows_left(world: World) -> dict[str, int]:
    tables = (pilots, transitions, outputs, decisions)
    with world.database.uow() as tx:
        return {
            table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        }


def claim_due(world: World) -> list[str]:
    """Claim the due tasks as a scheduler does; return their names."""
    return [one.task.name for one in ticks.claim_due(world.database, world.clock)[0]]


def work_off(world: World) -> list[TaskResult]:
    """Let a scheduler and a worker run prune until it is no longer due."""
    answers: list[TaskResult] = []
    while "prune" in claim_due(world):
        before = rows_left(world)
        answers.append(execute.execute(catalogue.get("prune"), None, world.runtime()))
        assert rows_left(world) != before, "an execution that was fired deletes nothing"
        world.wait(5)
    return answers


def come_to_firing(world: World) -> None:
    """Store the schedules and go on to the time of the daily firing."""
    ticks.seed(world.database, world.clock)
    with world.database.uow() as tx:
        at = schedules.get(tx, "prune").next_at
    assert at is not None
    world.clock = at


@pytest.mark.slow
def test_one_firing_a_day_deletes_tens_of_thousands(world: World) -> None:
    history(world)
    come_to_firing(world)
    day = world.clock
    answers = work_off(world)

    assert rows_left(world) == dict.fromkeys(("pilots", "transitions", "outputs", "decisions"), 0)
    assert [result.counts["pilots"] for result in answers] == [10_000, 10_000, MANY + 1 - 20_000]
    assert [bool(result.left) for result in answers] == [True, True, False]
    assert "pilots 15001, decisions 15001" in str(answers[0])
    with world.database.uow() as tx:
        following = schedules.get(tx, "prune").next_at
    assert following is not None
    assert following - day == timedelta(days=1)


def test_what_is_left_is_known_to_the_database_and_not_to_a_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 2)
    world.make(a_pilot().done(), 3)
    world.wait(days=40)
    come_to_firing(world)
    claim_due(world)
    execute.execute(catalogue.get("prune"), None, world.runtime())

    assert world.nudges == []
    # The message of the first claim was lost, and nothing was deleted.
    assert "prune" in claim_due(world)
    ticks.set_schedule(world.runtime(), "prune", enabled=False)
    execute.execute(catalogue.get("prune"), None, world.runtime())
    assert "prune" not in claim_due(world)


def test_an_execution_that_breaks_deletes_nothing_and_brings_nothing_forward(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 2)
    world.make(a_pilot().done(), 3)
    world.wait(days=40)
    come_to_firing(world)
    claim_due(world)

    def fail(*_: object) -> int:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(retention, "count", fail)
        with pytest.raises(RuntimeError):
            execute.execute(catalogue.get("prune"), None, world.runtime())
    assert world.statuses() == {"done": 3}
    assert "prune" not in claim_due(world)


def test_no_execution_does_more_than_its_share(world: World) -> None:
    counts = []
    for number in (10, 40):
        world.make(a_pilot().done(), number)
        world.wait(days=40)
        with pytest.MonkeyPatch.context() as patch, statements(world.database.engine) as sql:
            patch.setattr(prune, "AT_ONCE", 5)
            assert prune.prune(world.runtime()).counts["pilots"] == 5
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_what_is_left_is_counted_up_to_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 2)
    monkeypatch.setattr(prune, "COUNTED", 5)
    world.make(a_pilot().done(), 9)
    world.wait(days=40)
    remains = [prune.prune(world.runtime()).left for _ in range(5)]
    assert remains == ["pilots 5 or more", "pilots 5 or more", "pilots 3", "pilots 1", ""]


def test_by_hand_it_goes_on_to_the_end_and_shows_how_far_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 4)
    world.make(a_pilot().done(), 10)
    world.wait(days=40)
    come_to_firing(world)
    claim_due(world)
    remains: list[str] = []
    result = execute.to_the_end(
        catalogue.get("prune"),
        None,
        world.runtime(by_hand=True),
        lambda one: remains.append(one.left),
    )
    assert (result.outcome, result.counts["pilots"], result.left) == (Outcome.OK, 10, "")
    assert remains == ["pilots 6", "pilots 2"]
    assert "prune" not in claim_due(world)


def scheduled_prune(world: World) -> TaskResult:
    return execute.execute(catalogue.get("prune"), None, world.runtime())


def test_a_clock_that_was_set_ahead_by_a_year_deletes_nothing(world: World) -> None:
    world.make(a_pilot().done(), 3)
    pass_days(world, days=10)
    world.wait(days=365)
    world.change(lambda tx: reports.add(tx, {}, world.clock))
    result = scheduled_prune(world)

    assert result.outcome is Outcome.FAILED
    assert "run 'pilotage task run prune'" in str(result.lines)
    assert world.statuses() == {"done": 3}

    world.wait(days=-365)
    assert scheduled_prune(world).outcome is Outcome.OK
    assert world.statuses() == {"done": 3}


def test_a_site_that_was_off_for_a_year_prunes_after_some_days_or_by_hand(world: World) -> None:
    world.make(a_pilot().done(), 3)
    pass_days(world, days=1)
    world.wait(days=365)
    pass_days(world, days=2)
    assert scheduled_prune(world).outcome is Outcome.FAILED
    pass_days(world, days=2)
    assert scheduled_prune(world).counts["pilots"] == 3

    world.make(a_pilot().done(), 2)
    world.wait(days=365)
    assert prune.prune(world.runtime(by_hand=True)).counts["pilots"] == 2
