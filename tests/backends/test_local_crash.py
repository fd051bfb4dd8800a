"""A crash at any moment: one job for each stamp, and an end of each job."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.backends.local_world import World, names, orders, processes_of
from tests.patience import until
from worker.backends.local.keeper.process import boot_id, children_of, start_ticks
from worker.backends.local.submit import _FOLDER, _PROGRAM, is_launching
from worker.db.database import Database
from worker.domain.ce_answers import Job, Order
from worker.domain.errors import Unavailable
from worker.domain.pilot import Cause, Status

pytestmark = pytest.mark.slow

MANY = 40
SUBMITTER = """
import json, sys
from pathlib import Path
from tests.backends.local_world import World
from worker.backends.contract import Order
from worker.db.database import Database
from worker.db.engine import parse_url
url, home, command, stamps = json.loads(sys.argv[1])
world = World(Path(home), Database(parse_url(url)).uow)
world.connect(command=command).submit([Order(stamp=stamp, vo="lhcb") for stamp in stamps])
"""


@pytest.fixture
def world(tmp_path: Path, sqlite_database: Database) -> Iterator[World]:
    world = World(tmp_path / "with a space", sqlite_database.uow)
    yield world
    world.end()


class Submitter:
    """Another process that submits; it is killed at the end of the block."""

    def __init__(self, world: World, command: str) -> None:
        self.world = world
        self.orders = orders(MANY)
        self.stamps = [order.stamp for order in self.orders]
        url = str(world.uow.engine.url)
        arguments = json.dumps([url, str(world.home), command, self.stamps])
        self.process = subprocess.Popen([sys.executable, "-c", SUBMITTER, arguments])

    def launcher(self) -> int | None:
        """Return its launcher, or None: on a busy machine both may have ended already."""
        return until(self._launchers, "the launcher", pause=0)[0]

    def _launchers(self) -> list[int | None]:
        over: list[int | None] = [] if self.process.poll() is None else [None]
        return [*children_of(self.process.pid), *over]

    def count_folders(self) -> int:
        return len(names(self.world.place) & set(self.stamps))

    def wait_for_folders(self, number: int) -> None:
        until(
            lambda: self.count_folders() >= number,
            "the folders",
            progress=self.count_folders,
            pause=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        until(lambda: not is_launching(self.world.place), "the end of the launcher")


def counts(starts: Path, submitter: Submitter) -> list[int]:
    """Return the number of starts of each pilot."""
    paths = [starts / stamp for stamp in submitter.stamps]
    return [len(path.read_text().split()) if path.exists() else 0 for path in paths]


@pytest.mark.parametrize("with_launcher", [False, True])
@pytest.mark.parametrize("number", [0, 1, 15])
def test_a_killed_submission_starts_no_pilot_twice(
    world: World, tmp_path: Path, number: int, with_launcher: bool
) -> None:
    """The submitter, or it and its launcher, is killed after this number of folders."""
    starts = tmp_path / "starts"
    starts.mkdir()
    command = f"echo $$ >> '{starts}'/$PILOTAGE_STAMP; exec sleep 1000"
    with Submitter(world, command) as submitter:
        launcher = submitter.launcher() if with_launcher else None
        submitter.wait_for_folders(number)
        if launcher is not None:
            with suppress(ProcessLookupError):  # on a busy machine it may have ended already
                os.kill(launcher, signal.SIGKILL)

    driver = world.connect(command=command)
    listing = driver.find()
    assert listing.complete
    assert {job.stamp for job in listing.jobs} <= set(submitter.stamps)
    if not with_launcher and number:
        assert len(listing.jobs) == MANY, "the launcher does not need the submitter"

    receipts = driver.submit(submitter.orders)
    assert {one.stamp for one in receipts if one.handle} == set(submitter.stamps)
    assert {one.stamp for one in receipts if one.raw == "exists"} == {
        job.stamp for job in listing.jobs
    }
    until(lambda: 0 not in counts(starts, submitter), "the start of every pilot")
    assert counts(starts, submitter) == [1] * MANY
    assert {job.status for job in driver.find().jobs} == {Status.RUNNING}


def test_a_stamp_is_started_once(world: World) -> None:
    [order] = orders()
    first, second = (world.connect().submit([order]) for _ in range(2))
    both = world.connect().submit([*orders(), order, order])
    assert first[0].handle == second[0].handle == order.stamp
    assert [one.raw for one in (*first, *second)] == ["accepted", "exists"]
    assert sorted(str(one.raw) for one in both) == ["accepted", "exists"]
    until(lambda: processes_of(order.stamp), "the pilot")
    assert len(processes_of(order.stamp)) == 1


def test_a_stamp_that_ended_is_not_started_again(world: World) -> None:
    [job] = world.send(command="exit 0")
    world.until_final(job)
    [receipt] = world.connect().submit([Order(stamp=job.stamp, vo="lhcb")])
    assert receipt.raw == "exists"
    assert world.look(job).status is Status.DONE


def test_while_a_launcher_is_at_work_no_listing_is_complete(world: World) -> None:
    [job] = world.send()
    with (world.place / ".launching").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listing = world.connect().find()
        assert not listing.complete
        assert [one.stamp for one in listing.jobs] == [job.stamp]
    assert world.connect().find().complete


def test_half_a_request_starts_nothing(world: World) -> None:
    """The request ends as if the worker is killed while it writes."""
    world.send()
    before = names(world.place)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_FOLDER), "0"],
        input='{"place": "/tmp", "orders": [{"stamp"',
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert result.returncode != 0
    assert names(world.place) == before


def test_what_a_killed_keeper_left_half_made_is_cleared_away(world: World) -> None:
    world.send()
    (world.place / f".draft-{'a' * 32}-1" / "work").mkdir(parents=True)
    assert len(world.connect().find().jobs) == 1
    world.send()
    assert not list(world.place.glob(".draft-*"))


def test_a_killed_keeper_takes_its_pilot_along(world: World) -> None:
    [job] = world.send()
    until(lambda: processes_of(job.stamp), "the pilot")
    world.kill_keeper(job)
    observation = world.until_final(job)
    assert (observation.status, observation.cause, observation.raw) == (
        Status.FAILED,
        Cause.SIGNAL,
        "killed",
    )
    assert world.look(job) == observation
    until(lambda: not processes_of(job.stamp), "the end of the pilot")


def test_what_a_killed_keeper_left_behind_is_killed_before_its_pilot_is_over(world: World) -> None:
    [job] = world.send(command="setsid sleep 1000 & sleep 1000 & echo ready; exec sleep 1000")
    world.until_written(job)
    until(lambda: len(processes_of(job.stamp)) == 3, "all processes of the pilot")
    world.kill_keeper(job)
    for observation in (world.look(job), *world.connect().find().jobs, world.look(job)):
        assert (observation.status, observation.raw) == (Status.RUNNING, "ending"), (
            "asking kills nothing"
        )
    world.connect().tidy()
    assert world.until_final(job).cause is Cause.SIGNAL
    assert processes_of(job.stamp) == []
    assert not (world.place / job.stamp / "exit").exists()
    world.connect().tidy()
    (world.place / job.stamp / "output").unlink()
    assert world.look(job).raw == "killed", "it is written down"


def test_cancelling_after_the_keeper_was_killed(world: World) -> None:
    [job] = world.send(command="setsid sleep 1000 & echo ready; sleep 1000")
    world.until_written(job)
    world.kill_keeper(job)
    assert world.connect().cancel([job])[0].accepted
    assert world.until_final(job).status is Status.CANCELLED
    assert processes_of(job.stamp) == []


def test_a_keeper_killed_before_it_began_never_started_its_pilot(world: World) -> None:
    [job] = world.send()
    world.kill_keeper(job)
    (world.place / job.stamp / "output").unlink()
    observation = world.until_final(job)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.NEVER_STARTED)


def test_a_boot_ends_every_pilot(world: World) -> None:
    [job, cancelled_job] = world.send(2)
    for one in (job, cancelled_job):
        world.kill_keeper(one)
        world.change_record(one, boot_id="another")
    (world.place / cancelled_job.stamp / "cancel").touch()
    observation = world.look(job)
    assert (observation.status, observation.cause, observation.raw) == (
        Status.FAILED,
        Cause.NODE,
        "rebooted",
    )
    assert world.look(cancelled_job).status is Status.CANCELLED


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\0" * 100])
def test_a_record_that_a_crash_of_the_host_spoiled(world: World, text: str) -> None:
    [job] = world.send()
    world.kill_keeper(job)
    (world.place / job.stamp / "launch.json").write_text(text)
    observation = world.until_final(job)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.NODE)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b'{"code": "x"}'])
def test_an_end_that_cannot_be_read_is_an_end(world: World, content: bytes) -> None:
    [job] = world.send(command="exit 0")
    world.until_final(job)
    (world.place / job.stamp / "exit").write_bytes(content)
    observation = world.look(job)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.UNKNOWN)


def test_the_word_of_another_version_is_an_end_without_a_known_cause(world: World) -> None:
    [job] = world.send(command="exit 0")
    world.until_final(job)
    (world.place / job.stamp / "exit").write_text('{"code": null, "why": "fr\\u00fch\\u0007"}')
    answer = world.look(job)
    assert (answer.status, answer.cause) == (Status.FAILED, Cause.UNKNOWN)
    assert answer.raw == r"'fr\xfch\x07'"


def test_a_pid_that_passed_to_a_stranger_is_left_alone(world: World) -> None:
    [job, cancelled_job] = world.send(2)
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        for one in (job, cancelled_job):
            world.kill_keeper(one)
            ticks = (start_ticks(stranger.pid) or 0) - 1
            world.change_record(one, pid=stranger.pid, start_ticks=ticks)
        assert world.connect().cancel([cancelled_job])[0].accepted
        assert world.until_final(job).cause is Cause.SIGNAL
        assert world.until_final(cancelled_job).status is Status.CANCELLED
        assert stranger.poll() is None
        stranger.kill()


def test_a_keeper_whose_lock_was_forgotten_lives(world: World) -> None:
    """A file server that restarts may forget the lock."""
    [job] = world.send()
    world.kill_keeper(job)
    with subprocess.Popen(["sleep", "1000"]) as keeper:
        world.change_record(job, pid=keeper.pid, start_ticks=start_ticks(keeper.pid))
        assert world.record(job)["boot_id"] == boot_id()
        assert world.look(job).status is Status.RUNNING
        assert world.connect().cancel([job])[0].accepted
        assert keeper.wait(10) == -signal.SIGTERM
    assert world.until_final(job).status is Status.CANCELLED


def test_a_launcher_that_cannot_start_is_no_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unavailable, match="the launcher did not answer"):
        world.connect().submit(orders())
    monkeypatch.setattr(sys, "executable", "/no/such python")
    with pytest.raises(Unavailable, match="No such file"):
        world.connect().submit(orders())


def test_a_file_in_the_way_refuses_one_pilot(world: World) -> None:
    world.send()
    bad, good = orders(2)
    (world.place / bad.stamp).touch()
    receipts = {one.stamp: one for one in world.connect().submit([bad, good])}
    assert (receipts[bad.stamp].refused, receipts[bad.stamp].raw) == (Cause.REFUSED, "ENOTDIR")
    assert receipts[good.stamp].handle == good.stamp
    assert world.look(Job(stamp=bad.stamp, handle="")).absent
