"""check_pilots: only an answer of the CE changes a status."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce
from tests.services.world import Fake, World
from worker.backends.sim.faults import Fault
from worker.db import mover, payloads, pilots
from worker.domain.ce_answers import Cancelled, Job, Observed
from worker.domain.errors import UnknownCE
from worker.domain.pilot import Cause, Move, Status
from worker.domain.schedule import Outcome
from worker.policy.polling import LOST_MISSES


def walk(world: World, pilot_id: int) -> list[Status]:
    return [step.became for step in world.history(pilot_id)]


def test_a_pilot_lives_its_life_by_the_checks(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    for seconds in (20, 50, 600):
        world.wait(seconds)
        assert world.check(ce).outcome is Outcome.OK
    after = world.pilot(pilot)

    assert walk(world, pilot)[2:] == [Status.SUBMITTED, Status.RUNNING, Status.DONE]
    assert (after.raw, after.exit_code) == ("COMPLETED", 0)
    assert after.started_at is not None
    assert after.ended_at is not None
    assert after.ended_at - after.started_at == timedelta(seconds=600)
    assert after.next_check_at is None


def test_why_a_pilot_waits_is_told_with_it(world: World) -> None:
    class Busy(Fake):
        def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
            return [
                Observed(
                    stamp=job.stamp,
                    handle=job.handle,
                    status=Status.SUBMITTED,
                    raw="PENDING",
                    reason="PartitionDown",
                )
                for job in jobs
            ]

    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    before = walk(world, pilot)
    world.wait(20)
    world.check(ce, world.with_driver(Busy()))
    after = world.pilot(pilot)
    assert (after.status, after.raw, after.reason) == (Status.SUBMITTED, "PENDING", "PartitionDown")
    assert walk(world, pilot) == before


class OnNodes(Fake):
    """A CE that names the node of each job: another one in each answer, and none after the end."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = iter(("wn1", "wn2", None))
        self.words = iter((Status.RUNNING, Status.RUNNING, Status.DONE))

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        node, status = next(self.nodes), next(self.words)
        return [
            Observed(stamp=job.stamp, handle=job.handle, status=status, raw="r", node=node)
            for job in jobs
        ]


def test_the_node_is_recorded_with_the_move_and_the_check_and_kept_after_the_end(
    world: World,
) -> None:
    ce, driver = world.ce(), OnNodes()
    [pilot] = world.sent(ce, 1)
    nodes = []
    for _ in range(3):
        world.wait(600)
        world.check(ce, world.with_driver(driver))
        nodes.append((world.pilot(pilot).status, world.pilot(pilot).node))

    assert nodes == [
        (Status.RUNNING, "wn1"),
        (Status.RUNNING, "wn2"),
        (Status.DONE, "wn2"),
    ]


def test_one_call_asks_after_the_pilots_of_all_vos(world: World) -> None:
    driver = Fake()
    ce, other = world.ce(), world.vo()
    world.sent(ce, 3)
    world.sent(ce, 2, other.name)
    world.wait(70)
    result = world.check(ce, world.with_driver(driver))

    assert driver.calls == ["poll"]
    assert result.counts == {"checked": 5, "moved": 5, "missing": 0, "unanswered": 0}
    assert world.statuses() == {"running": 5}


def test_only_what_is_due_is_asked_after_and_a_batch_at_the_most(world: World) -> None:
    sizes: list[int] = []

    class Counting(Fake):
        def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
            sizes.append(len(jobs))
            return super().poll(jobs)

    runtime = world.with_driver(Counting(), batch=3)
    ce = world.ce()
    world.sent(ce, 5)
    assert world.check(ce, runtime).outcome is Outcome.SKIPPED
    world.wait(20)
    for _ in range(3):
        world.check(ce, runtime)
    assert sizes == [3, 2]


def test_a_check_comes_ever_more_rarely_while_nothing_happens(world: World) -> None:
    ce = world.ce(queue_time=10**6, check_soonest=10, check_latest=100)
    [pilot] = world.sent(ce, 1)
    delays = []
    for _ in range(60):
        moment = world.pilot(pilot).next_check_at
        assert moment is not None
        delays.append((moment - world.clock).total_seconds())
        world.clock = moment
        world.check(ce)
    assert delays[0] == 10
    assert delays == sorted(delays)
    assert delays[-1] == 100


def test_an_unknown_ce_is_an_error(world: World) -> None:
    with refused(UnknownCE, "nowhere"):
        world.check(replace(world.ce(), name="nowhere"))


ENDS = {
    "killed": (Fault.KILLS, Cause.NODE),
    "removed": (Fault.REMOVES, Cause.REMOVED),
}


@pytest.mark.parametrize(("fault", "cause"), ENDS.values(), ids=ENDS)
def test_a_pilot_that_is_ended_from_outside_has_failed_and_the_cause_says_how(
    world: World, fault: Fault, cause: Cause
) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.wait(70)
    world.check(ce)
    world.fault(ce, fault)
    world.wait(20)
    world.check(ce)
    assert (world.pilot(pilot).status, world.pilot(pilot).cause) == (Status.FAILED, cause)


class Cancelling(Fake):
    """A CE that says of each job that it was cancelled."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return [
            Observed(stamp=job.stamp, handle=job.handle, status=Status.CANCELLED, raw="CANCELLED")
            for job in jobs
        ]


@pytest.mark.parametrize("by_us", [True, False])
def test_a_cancelled_job_was_cancelled_by_us_or_removed_by_others(
    world: World, by_us: bool
) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    if by_us:
        world.change(lambda tx: pilots.request_cancel(tx, {pilot: "asked for"}, world.clock))
    world.wait(20)
    world.check(ce, world.with_driver(Cancelling()))
    after = world.pilot(pilot)

    if by_us:
        assert (after.status, after.cause) == (Status.CANCELLED, None)
    else:
        assert (after.status, after.cause) == (Status.FAILED, Cause.REMOVED)


class Ending(Fake):
    """A CE whose pilots end with an exit code; it notes the jobs that it is told to end."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__()
        self.exit_code = exit_code
        self.jobs_to_end: list[Job] = []

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        code = self.exit_code
        status = Status.RUNNING if code is None else Status.FAILED if code else Status.DONE
        cause = Cause.SIGNAL if code and code > 128 else Cause.EXIT_CODE if code else None
        return [
            Observed(stamp=job.stamp, handle=job.handle, status=status, cause=cause, exit_code=code)
            for job in jobs
        ]

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        self.jobs_to_end += jobs
        return [Cancelled(stamp=job.stamp, accepted=True) for job in jobs]


@pytest.mark.parametrize("code", [0, 1, 77, 143])
@pytest.mark.parametrize("by_us", [True, False])
def test_a_pilot_that_ends_because_it_was_asked_to_is_no_failure(
    world: World, code: int, by_us: bool
) -> None:
    world.change(
        lambda tx: payloads.put(tx, "default", {"script": "x", "exit_codes": {"77": "empty"}})
    )
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    if by_us:
        world.change(lambda tx: pilots.request_cancel(tx, {pilot: "idle"}, world.clock))
    world.wait(20)
    world.check(ce, world.with_driver(Ending(code)))
    after = world.pilot(pilot)
    if code in (0, 77):
        assert (after.status, after.cause) == (Status.DONE, None)
    elif by_us:
        assert (after.status, after.cause, after.reason) == (Status.CANCELLED, None, "idle")
    else:
        assert after.status is Status.FAILED


def test_a_pilot_that_is_to_end_may_finish_for_the_grace_of_its_payload(world: World) -> None:
    ce, driver = world.ce(), Ending(None)
    [pilot, other] = world.sent(ce, 2)
    moment = world.clock
    world.change(lambda tx: pilots.request_cancel(tx, {pilot: "idle"}, moment))
    world.wait(20)
    world.check(ce, world.with_driver(driver))
    world.change(lambda tx: payloads.put(tx, "default", {"script": "x", "grace": 90}))
    world.wait(20)
    with statements(world.database.engine) as sql:
        world.check(ce, world.with_driver(driver))
    assert [job.end_by for job in driver.jobs_to_end] == [None, moment + timedelta(seconds=90)]
    assert {job.stamp for job in driver.jobs_to_end} == {world.pilot(pilot).stamp}
    assert len([one for one in sql if "payload" in one and "vo_work" not in one]) == 1
    assert world.pilot(other).status is Status.RUNNING


class Unreadable(Ending):
    """A CE whose answer about each job cannot be read; it notes the jobs that it is told to end."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        answers = super().poll(jobs)
        return [answer._replace(cause="no cause") for answer in answers]  # type: ignore[arg-type]


def test_a_pilot_whose_word_has_no_meaning_is_asked_to_end(world: World) -> None:
    ce = world.ce(run_time=100_000.0)
    [pilot] = world.sent(ce, 1)
    world.change(lambda tx: pilots.request_cancel(tx, {pilot: "asked for"}, world.clock))
    world.fault(ce, Fault.STRANGE_WORD, word="MAYBE")
    world.wait(20)
    world.check(ce)
    world.mend(ce)
    world.wait(400)
    world.check(ce)
    assert walk(world, pilot)[-1] is Status.CANCELLED


def test_a_pilot_of_which_the_answer_is_unreadable_is_asked_to_end(world: World) -> None:
    ce, driver = world.ce(), Unreadable(None)
    [pilot] = world.sent(ce, 1)
    world.change(lambda tx: pilots.request_cancel(tx, {pilot: "asked for"}, world.clock))
    world.wait(20)
    world.check(ce, world.with_driver(driver))
    assert [job.stamp for job in driver.jobs_to_end] == [world.pilot(pilot).stamp]


@pytest.mark.parametrize("absent", [True, False])
def test_a_pilot_that_is_over_is_not_asked_to_end(world: World, *, absent: bool) -> None:
    class Over(Ending):
        def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
            if not absent:
                return super().poll(jobs)
            return [Observed(stamp=job.stamp, handle=job.handle, absent=True) for job in jobs]

    ce, driver = world.ce(), Over(0)
    [pilot] = world.sent(ce, 1)
    world.change(lambda tx: pilots.request_cancel(tx, {pilot: "asked for"}, world.clock))
    world.wait(20)
    world.check(ce, world.with_driver(driver))
    assert driver.jobs_to_end == []


def test_a_requeue_is_counted_and_the_pilot_waits_again(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.wait(70)
    world.check(ce)
    world.fault(ce, Fault.REQUEUES, seconds=300)
    world.wait(20)
    world.check(ce)
    again = world.pilot(pilot)
    assert (again.status, again.requeues, again.started_at) == (Status.SUBMITTED, 1, None)
    world.mend(ce)
    world.wait(1000)
    world.check(ce)
    assert world.pilot(pilot).status is Status.DONE


NO_STATUS = {
    "down": (Fault.DOWN, {}),
    "unreadable": (Fault.UNREADABLE, {}),
    "too_slow": (Fault.SLOW, {"seconds": 5}),
    "credential": (Fault.CREDENTIAL, {}),
    "empty": (Fault.ANSWERS_NOTHING, {}),
    "half": (Fault.ANSWERS_HALF, {"share": 1.0}),
    "strange": (Fault.STRANGE_WORD, {"word": "MAYBE"}),
}


@pytest.mark.parametrize(("fault", "settings"), NO_STATUS.values(), ids=NO_STATUS)
def test_not_knowing_is_not_a_status_however_long_it_lasts(
    world: World, fault: Fault, settings: dict[str, float]
) -> None:
    ce = world.ce(call_timeout=0.01)
    world.sent(ce, 3)
    world.fault(ce, fault, **settings)
    for _ in range(8):
        world.wait(hours=1)
        world.check(ce)
    assert world.statuses() == {"submitted": 3}
    assert {pilot.misses for pilot in world.pilots()} == {0}
    world.mend(ce)
    world.wait(hours=1)
    world.check(ce)
    assert world.statuses() == {"done": 3}


def test_a_call_that_failed_is_tried_again_after_a_growing_delay(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.DOWN)
    delays = []
    for _ in range(3):
        world.wait(minutes=30)
        result = world.check(ce)
        assert (result.outcome, result.counts) == (Outcome.FAILED, {"unanswered": 1})
        after = world.pilot(pilot)
        assert after.next_check_at is not None
        delays.append((after.next_check_at - world.clock).total_seconds())
    assert delays == [15, 30, 60]
    assert after.attempts == 3
    world.mend(ce)
    world.wait(10)
    world.wait(minutes=30)
    world.check(ce)
    assert world.pilot(pilot).attempts == 0


def test_a_word_without_a_meaning_is_told(world: World) -> None:
    ce = world.ce()
    world.sent(ce, 2)
    world.fault(ce, Fault.STRANGE_WORD, word="MAYBE")
    world.wait(20)
    result = world.check(ce)
    assert result.lines == ("the CE used an unknown status word: MAYBE",)


def let_ce_forget(world: World) -> tuple[int, list[int]]:
    """Let a CE forget a pilot; return the pilot and the minute of each check that missed it."""
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.FORGETS)
    misses = []
    for minute in range(1, 40):
        world.wait(60)
        before = world.pilot(pilot)
        if before.status is Status.LOST:
            break
        if world.check(ce).outcome is Outcome.OK:
            misses.append(minute)
    return pilot, misses


def test_a_pilot_is_lost_after_enough_complete_answers_and_long_enough(world: World) -> None:
    pilot, misses = let_ce_forget(world)
    after = world.pilot(pilot)

    assert after.status is Status.LOST
    assert after.reason is not None
    assert after.reason.startswith("the CE has not known the pilot since 2026-03-01 12:01")
    assert len(misses) >= LOST_MISSES
    assert misses[-1] - misses[0] >= 10


def test_a_pilot_is_not_lost_by_many_answers_within_a_moment(world: World) -> None:
    ce = world.ce(check_soonest=0.001, check_latest=0.001)
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.FORGETS)
    for _ in range(20):
        world.wait(1)
        world.check(ce)
    assert (world.pilot(pilot).status, world.pilot(pilot).misses) == (Status.SUBMITTED, 20)


def test_a_pilot_is_not_lost_by_two_answers_however_far_apart(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.FORGETS)
    for _ in range(LOST_MISSES - 1):
        world.wait(hours=5)
        world.check(ce)
    assert world.pilot(pilot).status is Status.SUBMITTED


def test_one_answer_that_knows_the_pilot_begins_the_count_anew(world: World) -> None:
    ce = world.ce(queue_time=10**6)
    [pilot] = world.sent(ce, 1)
    for _ in range(3):
        world.fault(ce, Fault.FORGETS)
        for _ in range(LOST_MISSES - 1):
            world.wait(minutes=10)
            world.check(ce)
        world.mend(ce)
        world.wait(minutes=10)
        world.check(ce)
    after = world.pilot(pilot)
    assert (after.status, after.misses, after.missing_since) == (Status.SUBMITTED, 0, None)


def test_errors_between_the_answers_neither_count_nor_wipe_out(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    for _ in range(LOST_MISSES):
        assert world.pilot(pilot).status is Status.SUBMITTED
        world.fault(ce, Fault.DOWN)
        world.wait(minutes=30)
        world.check(ce)
        world.mend(ce)
        world.fault(ce, Fault.FORGETS)
        world.wait(minutes=30)
        world.check(ce)
        world.mend(ce)
    assert world.pilot(pilot).status is Status.LOST


def test_a_pilot_that_moved_meanwhile_is_not_moved_back(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.wait(70)

    class Late(Fake):
        def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
            answer = super().poll(jobs)
            world.change(
                lambda tx: mover.move(tx, [Move(pilot_id=pilot, to=Status.DONE)], world.now())
            )
            return answer

    result = world.check(ce, world.with_driver(Late()))
    assert result.counts["moved"] == 0
    assert world.pilot(pilot).status is Status.DONE


def test_one_that_was_seen_meanwhile_is_not_lost_by_an_answer_that_is_too_old(
    world: World,
) -> None:
    ce = world.ce(queue_time=10**6)
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.FORGETS)
    for _ in range(LOST_MISSES - 1):
        world.wait(minutes=10)
        world.check(ce)

    class Frozen(Fake):
        """A driver whose process stands still until long after the end of its lease."""

        def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
            answer = super().poll(jobs)
            world.mend(ce)
            world.wait(hours=1)
            world.check(ce, world.runtime(holder="two"))
            return answer

    world.wait(minutes=10)
    world.check(ce, world.with_driver(Frozen()))
    after = world.pilot(pilot)
    assert (after.status, after.misses) == (Status.SUBMITTED, 0)


def test_the_number_of_statements_does_not_grow(world: World) -> None:
    counts = []
    for number in (40, 400):
        ce = world.ce(a_ce().with_capacity(number), spread="exponential", queue_time=60)
        world.sent(ce, number)
        world.fault(ce, Fault.FORGETS, rate=0.3)
        world.wait(60)
        with statements(world.database.engine) as sql:
            result = world.check(ce)
        assert result.counts["checked"] == number
        assert result.counts["moved"] > 0
        assert result.counts["missing"] > 0
        counts.append(len(sql))
    assert counts[0] == counts[1]
