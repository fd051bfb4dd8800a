"""Schedules: when each periodic task fires, for all VOs or for one."""

import pytest

from tests.expectations import broken_by, refused
from tests.factories import MINUTE, NOW, a_schedule, a_vo
from worker.db import schedules
from worker.db.schedules import Schedule
from worker.db.uow import UnitOfWork
from worker.domain.errors import Invalid, UnknownSchedule, UnknownVO
from worker.domain.schedule import Outcome

FULL = Schedule(
    task="report",
    cron="0 * * * *",
    enabled=False,
    next_at=NOW + MINUTE,
    last_at=NOW,
    last_outcome=Outcome.SKIPPED,
    last_seconds=0.25,
    pending=4,
    pending_since=NOW - MINUTE,
    done_at=NOW - 2 * MINUTE,
    outcome_at=NOW - 2 * MINUTE,
    failed_at=NOW - 2 * MINUTE,
    failed_for="lyon",
    failure="no route",
)


@pytest.mark.parametrize("row", [FULL, Schedule(task="learn", every=0.5)], ids=["full", "least"])
def test_a_schedule_is_read_back_as_it_was_put(uow: UnitOfWork, row: Schedule) -> None:
    with uow() as tx:
        schedules.put(tx, row)
    with uow() as tx:
        assert schedules.get(tx, row.task) == row


def test_a_schedule_is_put_in_place_of_the_one_of_the_same_task_and_vo(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        task = a_schedule().of("submit_pilots")
        task.every(60).create(tx)
        task.for_vo(vo).every(30).create(tx)
    with uow() as tx:
        task.by_cron("*/5 * * * *").create(tx)
        task.for_vo(vo).every(10).disabled().create(tx)
    with uow() as tx:
        result = schedules.get_all(tx)

    assert [(s.vo, s.every, s.cron, s.enabled) for s in result] == [
        (None, None, "*/5 * * * *", True),
        (vo.name, 10, None, False),
    ]


def test_schedules_are_listed_by_task_those_for_all_vos_first(uow: UnitOfWork) -> None:
    with uow() as tx:
        a, b = a_vo().named("a").create(tx), a_vo().named("b").create(tx)
        for task in ("submit_pilots", "learn"):
            a_schedule().of(task).for_vo(b).create(tx)
            a_schedule().of(task).create(tx)
            a_schedule().of(task).for_vo(a).create(tx)
    with uow() as tx:
        result = [(s.task, s.vo) for s in schedules.get_all(tx)]

    assert result == [(task, vo) for task in ("learn", "submit_pilots") for vo in (None, "a", "b")]


def test_the_schedule_for_one_vo_is_not_the_one_for_all(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        a_schedule().of("submit_pilots").create(tx)
    with refused(UnknownSchedule, "submit_pilots", vo.name), uow() as tx:
        schedules.get(tx, "submit_pilots", vo.name)
    with refused(UnknownSchedule, "submit_pilots", vo.name), uow() as tx:
        schedules.remove(tx, "submit_pilots", vo.name)
    with uow() as tx:
        schedules.remove(tx, "submit_pilots")
    with refused(UnknownSchedule, "submit_pilots"), uow() as tx:
        schedules.get(tx, "submit_pilots")


def test_a_schedule_for_nobody_is_refused(uow: UnitOfWork) -> None:
    with refused(UnknownVO, "nobody"), uow() as tx:
        schedules.put(tx, Schedule(task="learn", vo="nobody", every=1))
    with refused(UnknownVO, "nobody"), uow() as tx:
        schedules.get(tx, "learn", "nobody")


@pytest.mark.parametrize(
    ("every", "cron", "message"),
    [
        (None, None, "give an interval or a cron line"),
        (1.0, "* * * * *", "give an interval or a cron line"),
        (0.0, None, "is below"),
        (-1.0, None, "is below"),
        (float("nan"), None, "task"),
        (float("inf"), None, "task"),
    ],
)
def test_a_schedule_that_never_fires_or_always_is_refused(
    every: float | None, cron: str | None, message: str
) -> None:
    with refused(Invalid, message):
        Schedule(task="task", every=every, cron=cron)


def test_what_was_rolled_back_was_never_there(uow: UnitOfWork) -> None:
    with broken_by(ZeroDivisionError), uow() as tx:
        a_schedule().create(tx)
        raise ZeroDivisionError
    with uow() as tx:
        assert schedules.get_all(tx) == []
