"""The search for jobs of a real Slurm, and the conclusion if Slurm knows nothing."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.backends.slurm_world import FOREVER, World, orders, until
from worker.backends.slurm.memory import FIRST_LOOK, OVERLAP, USES
from worker.domain.ce_answers import Job, Listing
from worker.domain.errors import Unavailable
from worker.domain.pilot import Cause, Status

SACCT_IS_AWAY = (
    'echo "sacct: error: Problem talking to the database: Connection refused" >&2; exit 1'
)
HALF_AN_ERROR = (
    'echo "sacct: error: Sending PersistInit msg: No error" >&2; real "$@" | head -n 1; exit 0'
)
NOTHING = 'real "$@" | head -n 1; exit 0'
"""Only the header: an answer without jobs."""


def send_to_closed(world: World, count: int) -> list[Job]:
    """Send pilots that wait for ever."""
    return world.send(count, partition="closed")


def statuses(world: World, jobs: list[Job]) -> list[Status | None]:
    by_stamp = {one.stamp: one.status for one in world.connect().poll(jobs)}
    return [by_stamp[job.stamp] for job in jobs]


def test_a_few_of_a_waiting_array_are_cancelled_though_slurm_forgets_them(
    slurm_world: World,
) -> None:
    jobs = send_to_closed(slurm_world, 10)
    unwanted, others = jobs[3:6], [*jobs[:3], *jobs[6:]]
    assert all(answer.accepted for answer in slurm_world.connect().cancel(unwanted))
    until(
        lambda: set(statuses(slurm_world, unwanted)) == {Status.CANCELLED} or None,
        "the cancellation",
    )
    assert set(statuses(slurm_world, others)) == {Status.SUBMITTED}
    assert set(slurm_world.slurm.jobs(slurm_world.prefix)) == {job.stamp for job in others}
    for one in slurm_world.connect().poll(unwanted):
        assert one.reason == "it was cancelled before it started"


def test_a_wrapper_that_shortens_lists_hides_no_pilot(slurm_world: World) -> None:
    jobs = send_to_closed(slurm_world, 100)
    slurm_world.connect().cancel(jobs[1::3])
    others = [job for n, job in enumerate(jobs) if n % 3 != 1]
    with slurm_world.replacing('unset SLURM_BITSTR_LEN; real "$@"; exit', "squeue"):
        assert statuses(slurm_world, others) == [Status.SUBMITTED] * len(others)
        listing = slurm_world.connect().find()
    assert {one.stamp for one in listing.jobs if one.status is Status.SUBMITTED} == {
        job.stamp for job in others
    }


def test_a_waiting_array_that_is_cancelled_as_a_whole(slurm_world: World) -> None:
    jobs = send_to_closed(slurm_world, 4)
    slurm_world.connect().cancel(jobs)
    until(
        lambda: set(statuses(slurm_world, jobs)) == {Status.CANCELLED} or None,
        "the cancellation of all",
    )


def test_somebody_else_cancels_a_whole_array(slurm_world: World) -> None:
    jobs = send_to_closed(slurm_world, 4)
    slurm_world.slurm.call("scancel", jobs[0].handle.partition("_")[0])
    until(
        lambda: set(statuses(slurm_world, jobs)) == {Status.CANCELLED} or None,
        "the cancellation of all",
    )


def test_what_somebody_else_cancels_before_it_starts_is_absent(slurm_world: World) -> None:
    jobs = send_to_closed(slurm_world, 3)
    slurm_world.slurm.call("scancel", jobs[1].handle)
    until(lambda: slurm_world.look(jobs[1]).absent or None, "the absence of the job")
    assert statuses(slurm_world, [jobs[0], jobs[2]]) == [Status.SUBMITTED] * 2


def test_a_job_of_another_name_is_another_job(slurm_world: World) -> None:
    [job] = slurm_world.send()
    [other] = orders()
    observation = slurm_world.look(Job(stamp=other.stamp, handle=job.handle))
    assert observation.absent, "a cluster may count from 1 again"


def test_a_job_without_a_handle_is_found_by_its_stamp(slurm_world: World) -> None:
    [job] = slurm_world.send()
    [observation] = slurm_world.connect().poll([Job(stamp=job.stamp, handle="")])
    assert (observation.handle, observation.absent) == (job.handle, False)


def test_two_installations_share_an_account(slurm_world: World) -> None:
    [job] = slurm_world.send()
    slurm_world.prefix, own = "another", slurm_world.prefix
    assert slurm_world.connect().find().jobs == []
    slurm_world.prefix = own
    assert [one.stamp for one in slurm_world.connect().find().jobs] == [job.stamp]


@pytest.mark.parametrize("trouble", [SACCT_IS_AWAY, HALF_AN_ERROR])
def test_while_accounting_is_away_nothing_is_absent(slurm_world: World, trouble: str) -> None:
    [alive] = slurm_world.send()
    stranger = Job(stamp=orders()[0].stamp, handle="999999_0")
    driver = slurm_world.connect()
    with slurm_world.replacing(trouble, "sacct"):
        assert [one.stamp for one in driver.poll([alive, stranger])] == [alive.stamp]
        with pytest.raises(Unavailable):
            driver.poll([stranger])
        listing = driver.find()
    assert {job.stamp for job in listing.jobs} == {alive.stamp}
    assert not listing.complete
    assert driver.poll([stranger])[0].absent
    assert driver.find().complete


def test_what_accounting_takes_for_alive_and_nobody_else_is_absent(slurm_world: World) -> None:
    [job] = slurm_world.send()
    slurm_world.until_status(job, Status.RUNNING)
    until(
        lambda: "RUNNING" in slurm_world.slurm.call("sacct", "-X", "-j", job.handle) or None,
        "the job in the accounting",
    )
    with slurm_world.replacing(NOTHING, "squeue"):
        assert slurm_world.look(job).absent
        assert slurm_world.connect().find().jobs == []
    assert slurm_world.look(job).status is Status.RUNNING


def test_jobs_that_ended_before_the_last_listings_are_still_listed(slurm_world: World) -> None:
    """A listing that is not recorded loses nothing: the next one begins as early."""
    [job] = slurm_world.send(command="exit 0")
    slurm_world.until_final(job)
    start = datetime.now(UTC)
    with slurm_world.replacing(NOTHING, "squeue"):
        until(
            lambda: slurm_world.connect().find().jobs or None,
            "the end of the job in the accounting",
        )
        for n in range(3 * USES):
            slurm_world.now = start + timedelta(minutes=n)
            assert [one.stamp for one in slurm_world.connect().find().jobs] == [job.stamp]
    assert FIRST_LOOK > OVERLAP > timedelta(minutes=3 * USES)


def test_without_accounting_the_pilot_itself_tells_how_it_ended(forgetful_world: World) -> None:
    """The controller forgets after two seconds; the files of the pilot stay."""
    world = forgetful_world
    good, bad, late = (world.send(command=line)[0] for line in ("exit 0", "exit 3", FOREVER))
    for job in (good, bad):
        world.until_final(job)
    world.until_status(late, Status.RUNNING)
    with world.replacing(NOTHING, "squeue"):
        by_stamp = {one.stamp: one for one in world.connect().poll([good, bad, late])}
        assert (by_stamp[good.stamp].status, by_stamp[good.stamp].raw) == (Status.DONE, "exit 0")
        assert by_stamp[good.stamp].started_at is not None
        assert (by_stamp[bad.stamp].status, by_stamp[bad.stamp].cause) == (
            Status.FAILED,
            Cause.EXIT_CODE,
        )
        assert by_stamp[late.stamp].absent
        listing = world.connect().find()
    assert listing.complete
    assert {(one.stamp, one.handle) for one in listing.jobs} == {
        (job.stamp, job.handle) for job in (good, bad)
    }


def test_without_accounting_nothing_is_absent_while_files_cannot_be_read(
    forgetful_world: World,
) -> None:
    world = forgetful_world
    [job] = world.send(command="exit 0")
    world.until_final(job)
    folder = world.folder / "kept by pilots"
    folder.rename(world.folder / "not mounted")
    with world.replacing(NOTHING, "squeue"):
        with pytest.raises(Unavailable, match="cannot be read"):
            world.look(job)
        assert not world.connect().find().complete
        (world.folder / "not mounted").rename(folder)
        assert world.look(job).status is Status.DONE


def test_with_accounting_the_files_need_not_be_readable(slurm_world: World) -> None:
    [job] = slurm_world.send(command="exit 0")
    slurm_world.until_final(job)
    stranger = Job(stamp=orders()[0].stamp, handle="999999_0")
    until(
        lambda: "COMPLETED" in slurm_world.slurm.call("sacct", "-X", "-j", job.handle) or None,
        "the job in the accounting",
    )
    with slurm_world.replacing(NOTHING, "squeue"):
        driver = slurm_world.connect(output_folder="/nowhere")
        ended, absent = driver.poll([job, stranger])
        assert (ended.status, absent.absent) == (Status.DONE, True)
        assert driver.find().complete


def test_a_node_that_fails_takes_its_pilots_with_it(slurm_world: World) -> None:
    [job] = slurm_world.send(requeue=False)
    slurm_world.until_status(job, Status.RUNNING)
    call = slurm_world.slurm.call
    node = call("squeue", "-h", "-j", job.handle, "-o", "%N").strip()
    call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    observation = slurm_world.until_final(job)
    assert (observation.status, observation.cause, observation.raw) == (
        Status.FAILED,
        Cause.NODE,
        "NODE_FAIL",
    )
    up = ["sinfo", "-h", "-N", "-n", node, "-p", "main", "-t", "idle,mix,alloc", "-o", "%N"]
    until(lambda: call(*up).strip() or None, "the node to come back")


@pytest.mark.slow
def test_the_controller_really_forgets(forgetful_world: World) -> None:
    world = forgetful_world
    [job] = world.send(command="exit 3")
    world.until_final(job)
    until(lambda: not world.slurm.jobs(world.prefix) or None, "the controller to forget")
    observation = world.look(job)
    assert (observation.status, observation.raw, observation.exit_code) == (
        Status.FAILED,
        "exit 3",
        3,
    )


def test_with_neither_accounting_nor_files_a_pause_makes_a_listing_incomplete(
    forgetful_world: World,
) -> None:
    world = forgetful_world
    world.options["output_folder"] = None

    def find(after: float) -> Listing:
        world.now = start + timedelta(seconds=after)
        return world.connect().find()

    start = datetime.now(UTC)
    assert find(0).complete
    assert find(1).complete
    assert not find(10).complete, "a job may have ended and been forgotten"


def test_files_are_kept_and_then_removed(slurm_world: World) -> None:
    [first, runs] = slurm_world.send(
        2, command="echo told; [ $SLURM_ARRAY_TASK_ID = 0 ] || sleep 99"
    )
    slurm_world.until_final(first)
    driver = slurm_world.connect()
    until(lambda: "told" in driver.output(runs).text or None, "the output")
    folder = slurm_world.folder / "kept by pilots" / slurm_world.prefix
    files = {path.name for path in folder.rglob("*.*")}
    assert files == {f"{first.stamp}.out", f"{first.stamp}.end", f"{runs.stamp}.out"}
    driver.tidy()
    assert {path.name for path in folder.rglob("*.*")} == files
    two_hours_ago = time.time() - 7200
    for path in folder.rglob("*.*"):
        os.utime(path, (two_hours_ago, two_hours_ago))
    slurm_world.connect(keep_output=3600).tidy()
    assert {path.name for path in folder.rglob("*.*")} == files, "it was tidied not long ago"
    slurm_world.now = datetime.now(UTC) + timedelta(hours=2)
    slurm_world.connect(keep_output=3600).find()
    assert {path.name for path in folder.rglob("*.*")} == files, "asking removes nothing"
    slurm_world.connect(keep_output=3600).tidy()
    assert {path.name for path in folder.rglob("*.*")} == {f"{runs.stamp}.out"}, "it still runs"
