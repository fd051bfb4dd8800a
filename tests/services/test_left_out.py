"""If the answer about one pilot cannot be stored, the same execution still records all others.

Two pilots with the same id at their CE are such a case, as the database allows an id once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.factories import a_ce
from tests.services.world import Fake, World
from worker.db import driver_errors
from worker.domain.ce_answers import Job, Listing, Observed, Order, Receipt
from worker.domain.pilot import Status
from worker.policy import judgement
from worker.services.tasks import check_pilots, dispatch, reconcile


class SaysOneIdTwice(Fake):
    """A CE that gives the last pilot the id of the first in every answer."""

    is_honest = False

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        receipts = list(super().submit(orders))
        return receipts if self.is_honest else self._spoilt(receipts)

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return self._spoilt(list(super().poll(jobs)))

    def find(self) -> Listing:
        listing = super().find()
        return replace(listing, jobs=self._spoilt(list(listing.jobs)))

    def _spoilt(self, answers: list) -> list:  # type: ignore[type-arg]
        return [*answers[:-1], answers[-1]._replace(handle=answers[0].handle)]


def test_a_receipt_that_cannot_be_stored_leaves_one_pilot_in_doubt(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(9))
    world.reserve(ce, 9)

    result = dispatch.dispatch(world.with_driver(SaysOneIdTwice()), ce.name)

    assert result.counts == {"submitted": 8, "refused": 0, "in doubt": 1}
    assert world.statuses() == {"submitted": 8, "submitting": 1}
    [line] = result.lines
    [doubtful] = [pilot.id for pilot in world.pilots() if pilot.status == "submitting"]
    assert line.startswith(f"the CE's answer about pilot {doubtful} cannot be stored: ")
    assert "INSERT" not in line
    assert "UPDATE" not in line


@pytest.mark.finding("H1")
def test_an_answer_that_cannot_be_stored_is_none_and_the_others_are_recorded(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(9), queue_time=1)
    ids = world.sent(ce, 9)
    world.wait(60)

    result = check_pilots.check_pilots(world.with_driver(SaysOneIdTwice()), ce.name)

    assert world.statuses() == {"running": 8, "submitted": 1}
    assert (result.counts["checked"], result.counts["moved"]) == (9, 8)
    left_out = world.pilot(ids[-1])
    assert left_out.status is Status.SUBMITTED
    assert left_out.attempts == 1
    assert left_out.next_check_at is not None
    assert left_out.next_check_at > world.now()


def test_a_listed_job_that_cannot_be_stored_keeps_no_other_in_doubt(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(9), queue_time=10**6)
    world.reserve(ce, 9)
    driver = SaysOneIdTwice()
    with pytest.MonkeyPatch.context() as patch:
        # The process dies between the call and its record.
        patch.setattr(judgement, "receipt_move", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dispatch.dispatch(world.with_driver(driver), ce.name)
    world.wait(60)

    result = reconcile.reconcile(world.with_driver(driver), ce.name)

    assert world.statuses() == {"submitted": 8, "submitting": 1}
    assert result.counts["adopted"] == 8
    assert "cannot be stored" in result.lines[0]


class BackdatesItsEnd(Fake):
    """A CE that says of each pilot that it ended long before it was sent."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        long_ago = datetime(2001, 1, 1, tzinfo=UTC)
        answers = super().poll(jobs)
        return [one._replace(started_at=long_ago, ended_at=long_ago) for one in answers]


@pytest.mark.finding("L6")
def test_an_end_before_the_pilot_was_sent_makes_it_no_older(world: World) -> None:
    ce = world.ce(a_ce(), queue_time=1, run_time=1)
    [pilot] = world.sent(ce, 1)
    world.wait(60)

    check_pilots.check_pilots(world.with_driver(BackdatesItsEnd()), ce.name)

    assert world.pilot(pilot).status is Status.DONE
    assert world.pilot(pilot).ended_at == world.now()


class Poisoned(Fake):
    """A CE that passes on the false end that the last pilot has written."""

    def __init__(self, lie: dict[str, Any]) -> None:
        super().__init__()
        self.lie = lie

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        answers = super().poll(jobs)
        return [*answers[:-1], answers[-1]._replace(**self.lie)]


@pytest.mark.finding("H1")
@pytest.mark.parametrize(
    "lie",
    [
        {"exit_code": 99999999999},
        {"exit_code": 10**4999},
        {"ended_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the lie
        {"ended_at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))},
        {"raw": "\0\udcff", "reason": "9" * 10**7},
    ],
    ids=["33 bits", "5000 digits", "no zone", "the year 9999", "texts"],
)
def test_one_pilot_cannot_stop_the_checks_of_a_ce(world: World, lie: dict[str, Any]) -> None:
    ce = world.ce(a_ce(), queue_time=1, run_time=1)
    world.sent(ce, 3)
    world.wait(60)

    result = check_pilots.check_pilots(world.with_driver(Poisoned(lie)), ce.name)

    assert result.counts["moved"] == 3
    assert world.statuses() == {"done": 3}


def test_an_error_of_the_database_itself_is_not_halved() -> None:
    assert not driver_errors.is_of_data(RuntimeError("x"))
    assert driver_errors.is_of_data(OverflowError("x"))
