"""Ticks: each is claimed once by any number of schedulers, and operators own the schedules."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.databases import somebody_waits
from tests.expectations import refused, statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from tests.patience import PATIENCE, until, wait_for
from tests.runtimes import runtime_on
from tests.services.world import World
from worker.db import schedules
from worker.db.database import Database
from worker.db.schedules import Schedule
from worker.db.uow import Transaction
from worker.domain.errors import DatabaseUnavailable, Invalid, PilotageError, UnknownTask, UnknownVO
from worker.domain.schedule import Outcome, Scope
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import demo
from worker.services.tasks import catalogue, execute, ticks
from worker.services.tasks.ticks import Firing


def pairs_of(firings: list[Firing]) -> list[tuple[str, str | None]]:
    return sorted((firing.task.name, firing.subject or "") for firing in firings)


def claim(world: World) -> list[tuple[str, str | None]]:
    return pairs_of(ticks.claim_due(world.database, world.clock)[0])


def all_schedules(database: Database) -> dict[tuple[str, str | None], Schedule]:
    return {(s.task, s.vo): s for s in ticks.list_schedules(runtime_on(database))}


def enable_only(world: World, *names: str) -> None:
    """Disable every task but these."""
    ticks.seed(world.database, world.clock)
    for name in catalogue.tasks():
        if name not in names:
            ticks.set_schedule(world.runtime(), name, enabled=False)


def test_every_task_is_seeded_with_its_default(world: World) -> None:
    ticks.seed(world.database, world.clock)
    by_task = all_schedules(world.database)

    assert {task for task, _ in by_task} == set(catalogue.tasks())
    for (name, vo), schedule in by_task.items():
        task = catalogue.get(name)
        assert vo is None
        assert (schedule.every, schedule.cron) == (task.every, task.cron)
        assert schedule.enabled


def test_intervals_fire_at_once_and_cron_lines_at_their_time(world: World) -> None:
    world.clock = NOW + timedelta(minutes=7)
    ticks.seed(world.database, world.clock)
    ce = world.ce()
    world.make(a_pilot().on(ce).reserved())

    assert claim(world) == [
        ("dispatch", ce.name),
        ("learn", ""),
        ("reconcile", ce.name),
        ("renew_credentials", ""),
        ("submit_pilots", DEFAULT_VO),
        ("sweep", ""),
        ("tally", ""),
        ("webhook", ""),
    ]
    assert claim(world) == []
    world.clock = NOW + timedelta(hours=1)
    assert ("report", "") in claim(world)
    assert ("prune", "") not in claim(world)


def test_a_tick_fires_for_each_vo_or_each_ce_that_it_concerns(world: World) -> None:
    ticks.seed(world.database, world.clock)
    with_reserved, with_due, idle = (world.ce(a_ce().named(name)) for name in ("r", "d", "i"))
    world.make(a_pilot().on(with_reserved).reserved())
    world.make(a_pilot().on(with_due).due_at(world.clock))
    world.make(a_pilot().on(idle).due_at(world.clock + MINUTE))
    world.make(a_pilot().on(idle).done())
    world.vo(a_vo().named("lhcb"))
    pairs = claim(world)

    assert [subject for task, subject in pairs if task == "dispatch"] == ["r"]
    assert [subject for task, subject in pairs if task == "check_pilots"] == ["d"]
    assert [subject for task, subject in pairs if task == "reconcile"] == ["d", "i", "r"]
    assert [subject for task, subject in pairs if task == "submit_pilots"] == ["default", "lhcb"]


def test_a_message_is_worth_reading_until_the_next_tick(world: World) -> None:
    enable_only(world, "learn")
    [first], wait = ticks.claim_due(world.database, world.clock)
    assert (first.expires, wait) == (60, 60)
    world.wait(200)
    [late], wait = ticks.claim_due(world.database, world.clock)
    assert (late.expires, wait) == (40, 40)


def test_no_burst_follows_downtime(world: World) -> None:
    enable_only(world, "learn")
    claim(world)
    world.wait(days=2)
    assert [claim(world) for _ in range(3)] == [[("learn", "")], [], []]


def test_an_interval_keeps_its_beat_however_late_its_scheduler_looks(world: World) -> None:
    enable_only(world, "learn")
    moments = []
    for _ in range(600):
        if claim(world):
            moments.append((world.clock - NOW).total_seconds())
        world.wait(1.3)
    assert len(moments) == 13
    assert all(moment - 60 * n < 1.3 for n, moment in enumerate(moments))


def test_one_of_two_that_saw_the_same_tick_claims_it(world: World) -> None:
    enable_only(world, "learn", "reconcile")
    with world.database.uow() as tx:
        due_times = {s: NOW + MINUTE for s in schedules.get_all(tx) if s.enabled}
    claims = []
    for _ in range(2):
        with world.database.uow() as tx:
            claims.append({s.task for s in schedules.claim(tx, due_times, NOW)})
    assert claims == [{"learn", "reconcile"}, set()]


def together(*work: Callable[[], object]) -> list[object]:
    """Run all at the same moment, each in a thread; raise the error of any of them."""
    start = threading.Barrier(len(work))
    answers: list[object] = []
    problems: list[BaseException] = []

    def run(one: Callable[[], object]) -> None:
        start.wait(PATIENCE)  # the limit only ends a test that hangs
        try:
            answers.append(one())
        except BaseException as error:  # noqa: BLE001 - it is raised below
            problems.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    wait_for(*threads)
    if problems:
        raise problems[0]
    return answers


def test_of_any_number_of_schedulers_at_once_one_fires_each_tick(database: Database) -> None:
    ticks.seed(database, NOW)
    fired_at: list[tuple[int, str]] = []

    def schedule() -> None:
        for minute in range(30):
            firings, _ = ticks.claim_due(database, NOW + minute * MINUTE)
            fired_at.extend((minute, f.task.name) for f in firings if f.task.name == "learn")

    together(*[schedule] * 4)
    minutes = [minute for minute, _ in fired_at]
    # A scheduler that lags behind finds ticks that the others have already claimed.
    assert len(minutes) == len(set(minutes))
    assert sorted(minutes)[0] == 0
    with database.uow() as tx:
        assert schedules.get(tx, "learn").next_at == NOW + 30 * MINUTE


def test_schedulers_that_begin_at_once_all_begin(postgresql_database: Database) -> None:
    database = postgresql_database
    with database.uow() as tx:
        schedules.put(tx, Schedule(task="learn", every=60.0))
        problems: list[BaseException] = []

        def begin() -> None:
            try:
                ticks.seed(database, NOW)
            except BaseException as error:  # noqa: BLE001 - it is looked at below
                problems.append(error)

        second = threading.Thread(target=begin)
        second.start()
        until(lambda: somebody_waits(database) or not second.is_alive())
    wait_for(second)

    assert problems == []
    assert {task for task, _ in all_schedules(database)} == set(catalogue.tasks())


def test_a_vo_with_a_schedule_of_its_own_fires_by_that_one_alone(world: World) -> None:
    lhcb, atlas = world.vo(a_vo().named("lhcb")), world.vo(a_vo().named("atlas"))
    enable_only(world, "submit_pilots")
    ticks.set_schedule(world.runtime(), "submit_pilots", vo=lhcb.name, every=20)
    ticks.set_schedule(world.runtime(), "submit_pilots", vo=atlas.name, enabled=False)
    subjects = []
    for _ in range(4):
        subjects.append([subject for _, subject in claim(world)])
        world.wait(20)
    assert subjects == [["default", "lhcb"], ["lhcb"], ["lhcb"], ["default", "lhcb"]]


def test_when_the_general_schedule_is_off_a_vo_of_its_own_still_fires(world: World) -> None:
    lhcb = world.vo(a_vo().named("lhcb"))
    enable_only(world)
    ticks.set_schedule(world.runtime(), "submit_pilots", vo=lhcb.name, every=20, enabled=True)
    assert claim(world) == [("submit_pilots", "lhcb")]


def test_a_disabled_schedule_does_not_fire_until_it_is_enabled(world: World) -> None:
    enable_only(world, "learn")
    ticks.set_schedule(world.runtime(), "learn", enabled=False)
    world.wait(minutes=5)
    firings, wait = ticks.claim_due(world.database, world.clock)
    assert (firings, wait) == ([], 60.0)
    ticks.set_schedule(world.runtime(), "learn", enabled=True)
    assert claim(world) == [("learn", "")]


def test_one_disabled_between_the_look_and_the_claim_does_not_fire(world: World) -> None:
    enable_only(world, "learn")
    with world.database.uow() as tx:
        due_times = {s: NOW + MINUTE for s in schedules.get_all(tx) if s.enabled}
    ticks.set_schedule(world.runtime(), "learn", enabled=False)
    with world.database.uow() as tx:
        assert schedules.claim(tx, due_times, NOW) == []


def test_a_change_is_followed_at_once(world: World) -> None:
    enable_only(world, "learn")
    claim(world)
    ticks.set_schedule(world.runtime(), "learn", every=5)
    assert claim(world) == [("learn", "")]
    _, wait = ticks.claim_due(world.database, world.clock)
    assert wait == 5
    ticks.set_schedule(world.runtime(), "learn", cron="30 12 * * *")
    world.wait(minutes=29)
    assert claim(world) == []
    world.wait(minutes=1)
    assert claim(world) == [("learn", "")]


CONFIGURED = (
    Schedule(task="learn", every=7.0),
    Schedule(task="report", cron="*/5 * * * *"),
    Schedule(task="prune", every=60.0, enabled=False),
)


def test_what_is_configured_is_seeded_and_an_operators_change_survives_a_restart(
    world: World,
) -> None:
    lhcb = world.vo(a_vo().named("lhcb"))
    own = Schedule(task="submit_pilots", vo=lhcb.name, every=3.0)
    ticks.seed(world.database, world.clock, [*CONFIGURED, own])
    by_task = all_schedules(world.database)
    assert by_task["learn", None].every == 7
    assert by_task["report", None].cron == "*/5 * * * *"
    assert not by_task["prune", None].enabled
    assert by_task["submit_pilots", "lhcb"].every == 3
    assert by_task["submit_pilots", None].every == 60

    ticks.set_schedule(world.runtime(), "learn", every=99)
    ticks.set_schedule(world.runtime(), "prune", enabled=True)
    ticks.seed(world.database, world.clock, [*CONFIGURED, own])
    assert all_schedules(world.database)["learn", None].every == 99
    assert all_schedules(world.database)["prune", None].enabled


def test_a_restart_keeps_the_beat(world: World) -> None:
    enable_only(world, "learn")
    claim(world)
    world.wait(10)
    ticks.seed(world.database, world.clock)
    assert claim(world) == []
    _, wait = ticks.claim_due(world.database, world.clock)
    assert wait == 50


WRONG: dict[str, tuple[dict[str, Any], type[PilotageError], str]] = {
    "unknown_task": ({"task": "sumbit_pilots", "every": 1.0}, UnknownTask, "submit_pilots"),
    "bad_cron": ({"task": "learn", "cron": "61 * * * *"}, Invalid, "cron line"),
    "for_ever": ({"task": "learn", "every": float("inf")}, Invalid, "schedule of learn"),
    "never": ({"task": "learn", "every": float("nan")}, Invalid, "schedule of learn"),
    "no_time": ({"task": "learn", "every": 1e-9}, Invalid, "schedule of learn"),
    "unknown_vo": ({"task": "submit_pilots", "vo": "no", "every": 1.0}, UnknownVO, "no"),
    "no_vo_at_all": ({"task": "learn", "vo": DEFAULT_VO, "every": 1.0}, Invalid, "scope"),
}


@pytest.mark.parametrize(("values", "kind", "part"), WRONG.values(), ids=WRONG)
def test_a_schedule_that_would_stop_every_scheduler_is_refused(
    world: World, values: dict[str, Any], kind: type[PilotageError], part: str
) -> None:
    with refused(kind, part):
        ticks.seed(world.database, world.clock, [Schedule(**values)])
    assert all_schedules(world.database) == {}
    with refused(kind, part):
        task, *others = values.items()
        ticks.set_schedule(world.runtime(), task[1], **dict(others))
    assert all_schedules(world.database) == {}


def test_a_schedule_of_a_task_that_is_gone_is_passed_over(world: World) -> None:
    enable_only(world)
    with world.database.uow() as tx:
        schedules.put(tx, Schedule(task="of_an_extension", every=1.0))
    firings, wait = ticks.claim_due(world.database, world.clock)
    assert (firings, wait) == ([], 60.0)


def test_how_an_execution_went_stands_on_the_schedule_of_its_vo(world: World) -> None:
    lhcb = world.vo(a_vo().named("lhcb"))
    ticks.seed(world.database, world.clock)
    ticks.set_schedule(world.runtime(), "submit_pilots", vo=lhcb.name, every=9)
    execute.execute(catalogue.get("submit_pilots"), "lhcb", world.runtime())
    by_task = all_schedules(world.database)

    assert by_task["submit_pilots", "lhcb"].last_outcome is Outcome.OK
    assert by_task["submit_pilots", "lhcb"].last_seconds is not None
    assert by_task["submit_pilots", None].last_outcome is None


def test_the_demonstration_is_prepared_once_and_leaves_alone_what_is_there(world: World) -> None:
    demo.prepare(world.runtime())
    ticks.set_schedule(world.runtime(), "submit_pilots", every=99)
    demo.prepare(world.runtime())
    by_task = all_schedules(world.database)

    assert by_task["submit_pilots", None].every == 99
    assert by_task["check_pilots", None].every == 2
    assert [subject for task, subject in claim(world) if task == "reconcile"] == sorted(
        ce.name for ce in demo.CES
    )


def plug_in(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Make learn the task of a plug-in whose subjects come from a statement."""

    def subjects(tx: Transaction, now: datetime) -> list[str]:
        return [str(name) for name in tx.execute(text(statement)).scalars()]

    tasks = catalogue.tasks()
    strange = replace(tasks["learn"], scope=Scope.VO, subjects=subjects)
    monkeypatch.setattr(catalogue, "tasks", lambda: {**tasks, "learn": strange})


def test_the_task_of_a_plug_in_that_breaks_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    enable_only(world, "learn", "renew_credentials")
    plug_in(monkeypatch, "SELECT nonsense FROM nowhere")
    assert claim(world) == [("renew_credentials", "")]
    assert claim(world) == []


def test_a_connection_that_is_lost_while_a_task_is_asked_is_an_error_of_the_database(
    postgresql_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgresql_world
    enable_only(world, "learn", "renew_credentials")
    with monkeypatch.context() as patch:
        plug_in(patch, "SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(DatabaseUnavailable):
            claim(world)
    assert claim(world) == [("learn", ""), ("renew_credentials", "")]


def test_the_number_of_statements_does_not_grow(world: World) -> None:
    ticks.seed(world.database, world.clock)
    counts = []
    for number in (1, 50):
        for _ in range(number):
            world.make(a_pilot().on(world.ce()).reserved())
            world.vo()
        world.wait(minutes=5)
        with statements(world.database.engine) as sql:
            firings, _ = ticks.claim_due(world.database, world.clock)
        assert len(firings) > number
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_a_scheduler_that_finds_no_schedule_stores_what_is_configured_and_the_defaults(
    world: World,
) -> None:
    """The database may be emptied or made anew while the scheduler works."""
    own = Schedule(task="learn", every=7.0)

    assert ticks.claim_due(world.database, world.clock, [own]) == ([], 0.0)

    by_task = {schedule.task: schedule for schedule in ticks.list_schedules(world.runtime())}
    assert set(by_task) == set(catalogue.tasks())
    assert by_task["learn"].every == 7.0
    assert ticks.claim_due(world.database, world.clock, [own])[0] != []
