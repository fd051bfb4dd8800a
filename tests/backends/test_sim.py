"""The simulator: reproducible lives, jumps of time, and every fault on request."""

import sqlite3
import time
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from tests.backends.sim_site import SimSite
from tests.expectations import refused, statements
from tests.factories import NOW
from worker.backends import registry
from worker.backends.sim import BACKEND, memory
from worker.backends.sim.driver import SimDriver
from worker.backends.sim.faults import Fault, active, switch_off, switch_on
from worker.backends.sim.memory import sim_jobs
from worker.backends.sim.options import FAILURES
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Job, Observed, Order
from worker.domain.errors import (
    CredentialProblem,
    Invalid,
    Refused,
    Unavailable,
    Unreadable,
)
from worker.domain.pilot import Cause, Status


@pytest.fixture
def site(uow: UnitOfWork) -> SimSite:
    return SimSite(uow, visibility_delay=0)


@pytest.fixture
def lite(sqlite: UnitOfWork) -> SimSite:
    """A CE on SQLite alone, for tests that do not depend on the database."""
    return SimSite(sqlite, visibility_delay=0)


def orders(count: int, vo: str = "default") -> list[Order]:
    return [Order(stamp=uuid4().hex, vo=vo) for _ in range(count)]


def send(driver: SimDriver, batch: list[Order]) -> list[Job]:
    receipts = driver.submit(batch)
    return [Job(stamp=one.stamp, handle=one.handle) for one in receipts if one.handle]


def look(driver: SimDriver, *jobs: Job) -> list[Observed]:
    by_stamp = {one.stamp: one for one in driver.poll(jobs)}
    return [by_stamp[job.stamp] for job in jobs]


# Lives


def test_time_may_jump(site: SimSite) -> None:
    driver = site.driver(queue_time=10, run_time=20)
    [job] = send(driver, orders(1))
    walk = []
    for seconds in (0, 9, 1, 19, 1, 3000):
        site.wait(seconds)
        walk.append(look(driver, job)[0].raw)
    assert walk == ["PENDING", "PENDING", "RUNNING", "RUNNING", "COMPLETED", "COMPLETED"]
    [observation] = look(driver, job)
    assert (observation.started_at, observation.ended_at) == (
        NOW + timedelta(seconds=10),
        NOW + timedelta(seconds=30),
    )
    assert observation.exit_code == 0


def test_the_fate_of_a_stamp_depends_on_the_seed_alone(lite: SimSite) -> None:
    all_orders = orders(50)
    options: dict[str, Any] = {"success_rate": 0.5, "spread": "exponential", "run_time": 100}

    def fates(driver: SimDriver, batch: list[Order]) -> dict[str, object]:
        jobs = send(driver, batch)
        lite.wait(10_000)
        observations = look(driver, *jobs)
        began = lite.clock - timedelta(seconds=10_000)
        return {
            o.stamp: (o.raw, o.exit_code, o.ended_at and o.ended_at - began) for o in observations
        }

    first = fates(lite.driver(**options), all_orders)
    assert fates(lite.driver(**options), all_orders[::-1]) == first
    assert fates(lite.driver(**options, seed=1), all_orders) != first


def test_the_node_of_a_job_that_started_depends_on_the_seed_alone(lite: SimSite) -> None:
    batch = orders(50)

    def nodes(seed: int) -> dict[str, str | None]:
        driver = lite.driver(success_rate=1, queue_time=10, run_time=100, spread="fixed", seed=seed)
        jobs = send(driver, batch)
        assert {one.node for one in look(driver, *jobs)} == {None}
        lite.wait(20)
        return {one.stamp: one.node for one in look(driver, *jobs)}

    first = nodes(0)
    assert len(set(first.values()) - {None}) > 5
    assert nodes(0) == first
    assert nodes(1) != first


def test_the_success_rate_is_the_configured_one_unless_said(lite: SimSite) -> None:
    def share(**options: Any) -> float:
        driver = lite.driver(run_time=1, **options)
        jobs = send(driver, orders(1000))
        lite.wait(100)
        return Counter(o.status for o in driver.poll(jobs))[Status.DONE] / len(jobs)

    assert share(success_rate=0.3) == pytest.approx(0.3, abs=0.06)
    assert share(success_rate=1.0) == 1
    lite.options["success_rate"] = 0.0
    assert share() == 0


def test_failures_are_spread_by_their_weights(lite: SimSite) -> None:
    driver = lite.driver(success_rate=0, run_time=1000)
    jobs = send(driver, orders(1000))
    lite.wait(100_000)
    causes = Counter(one.cause for one in driver.poll(jobs))
    assert set(causes) == set(FAILURES)
    for cause, weight in FAILURES.items():
        assert causes[cause] / len(jobs) == pytest.approx(weight / 10, abs=0.06)


@pytest.mark.parametrize("spread", ["fixed", "uniform", "exponential"])
def test_times_are_spread_about_their_mean(lite: SimSite, spread: str) -> None:
    driver = lite.driver(queue_time=0, run_time=100, spread=spread)
    jobs = send(driver, orders(1000))
    lite.wait(1000)
    ran = [(o.ended_at - NOW).total_seconds() for o in driver.poll(jobs) if o.ended_at]
    assert sum(ran) / len(jobs) == pytest.approx(100, rel=0.15)
    assert max(ran) <= {"fixed": 100, "uniform": 150, "exponential": 500}[spread]


@pytest.mark.parametrize(
    "cause", sorted(set(Cause) - {Cause.REFUSED, Cause.QUOTA, Cause.CREDENTIAL})
)
def test_a_job_may_end_for_every_cause(lite: SimSite, cause: Cause) -> None:
    driver = lite.driver(success_rate=0, failures={cause: 1}, run_time=100)
    [job] = send(driver, orders(1))
    lite.wait(1000)
    [observation] = look(driver, job)
    assert (observation.status, observation.cause) == (Status.FAILED, cause)
    assert (observation.started_at is None) == (cause is Cause.NEVER_STARTED)
    assert observation.ended_at is not None


def test_beyond_its_quota_the_ce_refuses(site: SimSite) -> None:
    driver = site.driver(max_jobs=3, run_time=10)
    send(driver, orders(2))
    receipts = driver.submit(orders(3))
    assert [one.refused for one in receipts] == [None, Cause.QUOTA, Cause.QUOTA]
    site.wait(100)
    assert len(send(driver, orders(5))) == 3


def test_what_left_the_listing_is_in_the_history_until_that_ends(site: SimSite) -> None:
    driver = site.driver(run_time=10, keep_listed=100, keep_history=1000)
    [job] = send(driver, orders(1))
    site.wait(50)
    assert [one.stamp for one in driver.find().jobs] == [job.stamp]
    site.wait(100)
    assert driver.find().jobs == []
    assert look(driver, job)[0].status is Status.DONE
    site.wait(1000)
    assert look(driver, job)[0].absent


def test_without_a_history_it_is_absent_at_once(site: SimSite) -> None:
    driver = site.driver(run_time=10, keep_listed=100, history=False)
    [job] = send(driver, orders(1))
    site.wait(50)
    assert look(driver, job)[0].status is Status.DONE
    site.wait(100)
    assert look(driver, job)[0].absent
    assert driver.output(job).text == ""


def test_forgotten_jobs_are_deleted_and_their_handles_never_used_again(site: SimSite) -> None:
    driver = site.driver(run_time=10, history=False)
    [old] = send(driver, orders(1))
    site.wait(10_000)
    [new] = send(driver, orders(1))
    with site.uow() as tx:
        assert tx.execute(select(func.count()).select_from(sim_jobs)).scalar_one() == 1
        tx.execute(sim_jobs.delete())
    [newest] = send(driver, orders(1))
    assert len({old.handle, new.handle, newest.handle}) == 3


def test_a_new_job_shows_after_the_visibility_delay(site: SimSite) -> None:
    driver = site.driver(visibility_delay=30)
    [job] = send(driver, orders(1))
    assert look(driver, job)[0].absent
    assert driver.find().jobs == []
    site.wait(30)
    assert look(driver, job)[0].status is Status.RUNNING
    assert len(driver.find().jobs) == 1


def test_a_ce_knows_nothing_of_another(site: SimSite, uow: UnitOfWork) -> None:
    other = SimSite(uow, "ce2")
    [job] = send(site.driver(), orders(1))
    assert look(other.driver(), job)[0].absent
    assert other.driver().find().jobs == []
    assert not other.driver().cancel([job])[0].accepted
    assert look(site.driver(), job)[0].status is Status.SUBMITTED


def test_a_handle_of_another_stamp_is_not_taken_for_it(site: SimSite) -> None:
    [job] = send(site.driver(), orders(1))
    [observation] = look(site.driver(), Job(stamp=uuid4().hex, handle=job.handle))
    assert observation.absent


def test_a_stamp_sent_twice_makes_two_jobs(site: SimSite) -> None:
    [order] = orders(1)
    first, second = send(site.driver(), [order]), send(site.driver(), [order])
    assert first != second
    assert len(site.driver().find().jobs) == 2


def test_a_cancelled_job_ends_at_once_and_one_that_waited_never_starts(site: SimSite) -> None:
    driver = site.driver(queue_time=10)
    [early] = send(driver, orders(1))
    driver.cancel([early])
    [late] = send(driver, orders(1))
    site.wait(20)
    driver.cancel([late])
    site.wait(20)
    first, second = look(driver, early, late)
    assert (first.status, first.started_at) == (Status.CANCELLED, None)
    assert (second.status, second.ended_at) == (Status.CANCELLED, NOW + timedelta(seconds=20))


def test_the_output_grows_with_the_work(site: SimSite) -> None:
    driver = site.driver(queue_time=10, run_time=100, output_lines=10)
    [job] = send(driver, orders(1))
    assert driver.output(job).text == ""
    site.wait(60)
    assert "work item 5 of 10" in driver.output(job).text
    assert "work item 6 of 10" not in driver.output(job).text
    site.wait(60)
    assert driver.output(job).text.endswith("pilot ends: COMPLETED, nothing is left to do\n")


# Cost


@pytest.mark.parametrize("count", [1, 1000])
def test_the_number_of_statements_does_not_depend_on_the_number_of_jobs(
    site: SimSite, count: int
) -> None:
    driver = site.driver(max_jobs=10_000)
    waits = site.uow.engine.dialect.name == "postgresql"
    batch = orders(count)
    with statements(site.uow.engine) as submitting:
        jobs = send(driver, batch)
    with statements(site.uow.engine) as polling:
        driver.poll(jobs)
    with statements(site.uow.engine) as finding:
        driver.find()
    with statements(site.uow.engine) as cancelling:
        driver.cancel(jobs)
    plain = [
        [one for one in queries if not one.startswith(("BEGIN", "SAVEPOINT", "RELEASE"))]
        for queries in (submitting, polling, finding, cancelling)
    ]
    assert [len(queries) for queries in plain] == [4 + waits, 2, 2 + waits, 3]


# Faults


def test_every_fault_has_a_sentence() -> None:
    assert all(fault.sentence.endswith(".") for fault in Fault)


def test_a_fault_is_switched_on_listed_and_switched_off(site: SimSite) -> None:
    site.switch_on(Fault.SLOW, seconds=3)
    site.switch_on(Fault.FORGETS, 0.5, for_ever=True)
    site.switch_on(Fault.SLOW, seconds=4)
    faults = active(site.uow, "ce1", NOW)
    assert [(one.fault, one.rate) for one in faults] == [(Fault.SLOW, 1), (Fault.FORGETS, 0.5)]
    assert faults[0].settings.seconds == 4
    assert active(site.uow, "ce2", NOW) == []
    assert switch_off(site.uow, "ce1", "slow") == [Fault.SLOW]
    assert switch_off(site.uow, "ce1", "slow") == []
    assert switch_off(site.uow, "ce1") == [Fault.FORGETS]


def test_a_fault_lasts_from_since_until_until(site: SimSite) -> None:
    minute = timedelta(minutes=1)
    site.switch_on(Fault.DOWN, since=NOW + minute, until=NOW + 2 * minute)
    driver = site.driver()
    driver.find()
    site.wait(60)
    with pytest.raises(Unavailable):
        driver.find()
    site.wait(60)
    driver.find()


@pytest.mark.parametrize(
    ("fault", "settings", "message"),
    [
        ("dwon", {}, "did you mean 'down'?"),
        ("slow", {"second": 3}, "did you mean 'seconds'?"),
        ("slow", {"stamps": []}, "known: seconds"),
        ("slow", {"seconds": -1}, "seconds"),
        ("slow", {"seconds": float("nan")}, "seconds"),
        ("refuses", {"cause": "bad mood"}, "cause"),
        ("strange_word", {"word": "a\0b"}, "word"),
        ("down", {"rate": 1.5}, "rate"),
        ("down", {"until": NOW}, "until"),
    ],
)
def test_a_fault_told_wrongly_is_refused(
    lite: SimSite, fault: str, settings: dict[str, Any], message: str
) -> None:
    with refused(Invalid, message):
        switch_on(lite.uow, "ce1", fault, now=NOW, **settings)
    assert active(lite.uow, "ce1", NOW) == []


def test_a_lost_reply_may_lose_a_part_of_the_batch(site: SimSite) -> None:
    site.switch_on(Fault.LOSES_REPLY, share=0.4)
    batch = orders(10)
    with pytest.raises(Unavailable):
        site.driver().submit(batch)
    assert [job.stamp for job in site.driver().find().jobs] == [o.stamp for o in batch[:4]]


def test_half_an_answer_is_another_half_each_time(site: SimSite) -> None:
    driver = site.driver()
    jobs = send(driver, orders(20))
    site.switch_on(Fault.ANSWERS_HALF)
    answers = [driver.poll(jobs) for _ in range(5)]
    assert {len(some) for some in answers} == {10}
    assert len({frozenset(one.stamp for one in some) for some in answers}) > 1
    assert not driver.find().complete


def test_orders_are_refused_one_by_one_or_as_a_whole(lite: SimSite) -> None:
    lite.switch_on(Fault.REFUSES, 0.5, cause="quota")
    causes = Counter(one.refused for one in lite.driver().submit(orders(200)))
    assert set(causes) == {None, Cause.QUOTA}
    assert causes[None] == pytest.approx(100, abs=40)
    lite.switch_on(Fault.REFUSES, whole=True, reason="maintenance")
    before = len(lite.driver().find().jobs)
    with refused(Refused, "maintenance") as caught:
        lite.driver().submit(orders(2))
    assert isinstance(caught.value, Refused)
    assert caught.value.cause == Cause.REFUSED
    assert len(lite.driver().find().jobs) == before


def test_held_jobs_never_start(site: SimSite) -> None:
    driver = site.driver(queue_time=10, run_time=1000)
    [active] = send(driver, orders(1))
    site.wait(10)
    [in_queue] = send(driver, orders(1))
    site.switch_on(Fault.HOLDS)
    [new] = send(driver, orders(1))
    switch_off(site.uow, "ce1")
    site.wait(500)
    assert [one.raw for one in look(driver, active, in_queue, new)] == ["RUNNING", "HELD", "HELD"]


@pytest.mark.parametrize(
    ("fault", "cause", "least", "most"),
    [
        (Fault.FAILS_FAST, Cause.FAILED_FAST, 0, 100),
        (Fault.FAILS_LATE, Cause.FAILED_LATE, 500, 1000),
        (Fault.KILLS, Cause.NODE, 100, 1000),
        (Fault.REMOVES, Cause.REMOVED, 100, 1000),
    ],
)
def test_new_jobs_end_as_the_fault_says(
    site: SimSite, fault: Fault, cause: Cause, least: int, most: int
) -> None:
    driver = site.driver(queue_time=0, run_time=1000)
    site.switch_on(fault)
    jobs = send(driver, orders(20))
    site.wait(1000)
    for one in look(driver, *jobs):
        assert one.cause is cause
        assert one.ended_at is not None
        assert least <= (one.ended_at - NOW).total_seconds() <= most


@pytest.mark.parametrize(
    ("fault", "word_of_new", "word_of_old"),
    [
        (Fault.KILLS, "PENDING", "NODE_FAIL"),
        (Fault.REMOVES, "REMOVED", "REMOVED"),
        (Fault.REQUEUES, "PENDING", "REQUEUED"),
        (Fault.FAILS_FAST, "PENDING", "RUNNING"),
    ],
)
def test_jobs_that_are_there_are_struck_at_once(
    site: SimSite, fault: Fault, word_of_new: str, word_of_old: str
) -> None:
    driver = site.driver(queue_time=10, run_time=1000)
    [first] = send(driver, orders(1))
    site.wait(10)
    [second] = send(driver, orders(1))
    site.switch_on(fault)
    assert [one.raw for one in look(driver, second, first)] == [word_of_new, word_of_old]


def test_a_fault_strikes_a_share_of_the_jobs_and_always_the_same(site: SimSite) -> None:
    driver = site.driver(queue_time=0)
    jobs = send(driver, orders(200))
    site.switch_on(Fault.FORGETS, 0.25)
    absent = [one.stamp for one in look(driver, *jobs) if one.absent]
    assert len(absent) == pytest.approx(50, abs=25)
    assert [one.stamp for one in look(driver, *jobs) if one.absent] == absent
    assert {one.stamp for one in driver.find().jobs} == {j.stamp for j in jobs} - set(absent)


def test_a_requeued_job_runs_as_long_as_it_would_have(site: SimSite) -> None:
    driver = site.driver(queue_time=0, run_time=100)
    [job] = send(driver, orders(1))
    site.wait(50)
    site.switch_on(Fault.REQUEUES, seconds=30)
    words = []
    for seconds in (0, 30, 49, 1):
        site.wait(seconds)
        words.append(look(driver, job)[0].raw)
    assert words == ["REQUEUED", "RUNNING", "RUNNING", "COMPLETED"]
    assert look(driver, job)[0].started_at == NOW + timedelta(seconds=80)


def test_new_jobs_are_requeued_midway(site: SimSite) -> None:
    driver = site.driver(queue_time=0, run_time=100)
    site.switch_on(Fault.REQUEUES, seconds=30)
    [job] = send(driver, orders(1))
    words = []
    for seconds in (49, 2, 30, 60):
        site.wait(seconds)
        words.append(look(driver, job)[0].raw)
    assert words == ["RUNNING", "REQUEUED", "RUNNING", "COMPLETED"]


def test_jobs_are_forgotten_for_a_while_or_for_ever(site: SimSite) -> None:
    driver = site.driver()
    [old] = send(driver, orders(1))
    for for_ever in (False, True):
        site.switch_on(Fault.FORGETS, for_ever=for_ever)
        [new] = send(driver, orders(1))
        assert all(one.absent for one in look(driver, old, new))
        assert not driver.cancel([old])[0].accepted
        switch_off(site.uow, "ce1")
        assert [one.absent for one in look(driver, old, new)] == [for_ever, for_ever]


def test_late_jobs_appear_after_a_while(site: SimSite) -> None:
    driver = site.driver()
    site.switch_on(Fault.LATE, seconds=120)
    [job] = send(driver, orders(1))
    site.wait(119)
    assert look(driver, job)[0].absent
    assert driver.find().jobs == []
    site.wait(1)
    assert not look(driver, job)[0].absent


def test_the_credential_of_one_vo_harms_no_other(site: SimSite) -> None:
    driver = site.driver()
    [good], [bad] = send(driver, orders(1, "lhcb")), send(driver, orders(1, "atlas"))
    site.switch_on(Fault.CREDENTIAL, vo="atlas")
    with pytest.raises(CredentialProblem):
        driver.submit(orders(1, "atlas"))
    with pytest.raises(CredentialProblem):
        driver.poll([bad])
    receipts = driver.submit([*orders(1, "atlas"), *orders(1, "lhcb")])
    assert {one.refused for one in receipts} == {Cause.CREDENTIAL, None}
    assert [one.stamp for one in driver.poll([good, bad])] == [good.stamp]
    assert {one.stamp: one.accepted for one in driver.cancel([good, bad])} == {
        good.stamp: True,
        bad.stamp: False,
    }
    listing = driver.find()
    assert listing.complete
    assert listing.vos is not None
    assert "atlas" not in listing.vos
    assert bad.stamp not in {one.stamp for one in listing.jobs}


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.UNREADABLE])
def test_what_was_asked_is_done_though_the_answer_does_not_come(
    site: SimSite, fault: Fault
) -> None:
    driver = site.driver(call_timeout=0.01)
    [job] = send(driver, orders(1))
    batch = orders(2)
    site.switch_on(fault)
    for call in (lambda: driver.submit(batch), lambda: driver.cancel([job])):
        with pytest.raises((Unavailable, Unreadable)):
            call()
    switch_off(site.uow, "ce1")
    statuses = {one.stamp: one.status for one in driver.find().jobs}
    assert statuses == {job.stamp: Status.CANCELLED} | {o.stamp: Status.SUBMITTED for o in batch}


def test_a_slow_listing_is_as_old_as_its_question(
    site: SimSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = site.driver(call_timeout=100)
    site.switch_on(Fault.SLOW, seconds=50)
    monkeypatch.setattr(time, "sleep", site.wait)
    listing = driver.find()
    assert site.clock == NOW + timedelta(seconds=50)
    assert listing.as_of == NOW
    assert listing.complete


def test_calls_are_struck_by_chance_at_a_rate(lite: SimSite) -> None:
    lite.switch_on(Fault.DOWN, 0.5)
    failures = 0
    for _ in range(60):
        try:
            lite.driver().find()
        except Unavailable:
            failures += 1
    assert 5 < failures < 55


def test_a_world_that_cannot_be_reached_is_an_unavailable_ce(
    site: SimSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("no such table: sim_jobs"))

    monkeypatch.setattr(memory, "by_ids", fail)
    with refused(Unavailable, "ce1", "older than this program"):
        site.driver().poll([Job(stamp=uuid4().hex, handle="sim-1")])


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue_tiem": 3}, "did you mean 'queue_time'?"),
        ({"run_time": -1}, "run_time"),
        ({"run_time": float("inf")}, "run_time"),
        ({"success_rate": 1.1}, "success_rate"),
        ({"spread": "wide"}, "spread"),
        ({"failures": {}}, "no cause has a weight"),
        ({"failures": {"node": 0}}, "no cause has a weight"),
        ({"failures": {"node": -1}}, "failures.node"),
        ({"failures": {"quota": 1}}, "cannot end as"),
        ({"failures": {"boredom": 1}}, "failures"),
        ({"call_timeout": 0}, "call_timeout"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with refused(Invalid, message):
        registry.check_options({"sim": BACKEND}, "sim", options)


def test_every_option_has_a_sentence() -> None:
    for name, option in BACKEND.options.model_fields.items():
        assert (option.description or "").endswith("."), name
