"""A local pilot can write into its own folder. That harms only itself, and frees no slot."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.backends.local_world import FOREVER, World
from tests.patience import until
from worker.backends.local.keeper.process import start_ticks
from worker.backends.local.look import Folder
from worker.backends.local.processes import STAMP_VARIABLE, Remains
from worker.db.database import Database
from worker.domain.ce_answers import Job
from worker.domain.pilot import Cause, Status

STAMP = "0" * 32


@pytest.fixture
def world(tmp_path: Path, sqlite_database: Database) -> Iterator[World]:
    world = World(tmp_path, sqlite_database.uow)
    yield world
    world.end()


END = {
    "code": 0,
    "why": None,
    "started_at": "2020-01-01T00:00:00+00:00",
    "ended_at": "2020-01-01T00:00:01+00:00",
}


def forge_end(world: World, job: Job, **changes: Any) -> None:
    (world.place / job.stamp / "exit").write_text(json.dumps({**END, **changes}))


@pytest.mark.finding("L6")
def test_a_pilot_that_writes_its_own_end_runs_on_and_can_be_cancelled(world: World) -> None:
    [job] = world.send(command=FOREVER)
    world.until_status(job, Status.RUNNING)
    forge_end(world, job)

    assert world.look(job).status is Status.RUNNING
    assert [one.status for one in world.connect().find().jobs] == [Status.RUNNING]
    world.connect().tidy()
    assert start_ticks(world.keeper(job)) is not None

    assert [answer.accepted for answer in world.connect().cancel([job])] == [True]
    assert world.until_final(job).status is Status.CANCELLED


def test_a_pilot_that_makes_a_folder_in_the_place_of_its_end_ends_all_the_same(
    world: World,
) -> None:
    [job] = world.send(command="mkdir ../exit ../exit/more; exit 3")

    observation = world.until_final(job)

    assert (observation.status, observation.exit_code) == (Status.FAILED, 3)


def test_a_pilot_that_hides_the_record_of_its_keeper_is_taken_for_ended_when_it_has(
    world: World,
) -> None:
    [job] = world.send(command=FOREVER)
    world.until_status(job, Status.RUNNING)
    until(lambda: Remains().of(job.stamp), "the start of its program")
    pid = world.keeper(job)
    forge_end(world, job)
    (world.place / job.stamp / "launch.json").unlink()

    assert world.look(job).status is Status.RUNNING
    assert [answer.accepted for answer in world.connect().cancel([job])] == [True]
    until(lambda: start_ticks(pid) is None, "the end of the keeper")
    assert world.until_final(job).status is not Status.RUNNING


@pytest.mark.slow
@pytest.mark.finding("L6")
def test_a_pilot_that_begins_itself_anew_all_the_time_is_seen_each_time(tmp_path: Path) -> None:
    program, stamp = tmp_path / "again", secrets.token_hex(16)
    program.write_text('#!/bin/sh\nexec "$0"\n')
    program.chmod(0o755)
    environment = {**os.environ, "LONG": "x" * 20_000, STAMP_VARIABLE: stamp}
    with subprocess.Popen([program], env=environment) as process:
        try:
            until(lambda: Remains().of(stamp), "the start of the pilot")

            looks = [Remains().of(stamp) for _ in range(500)]
            assert process.poll() is None
            assert looks == [[process.pid]] * len(looks)
        finally:
            process.kill()


def test_what_outlives_a_keeper_that_it_killed_is_killed(world: World) -> None:
    [job] = world.send(command=f"(setsid sh -c '{FOREVER}') & sleep 0.2; kill -9 $PPID; sleep 100")
    until(lambda: start_ticks(world.keeper(job)) is None, "the end of the keeper")
    forge_end(world, job, code=99999999999)
    assert Remains().of(job.stamp)

    # Other processes of the pilot still run, so its slot is not free.
    assert world.look(job).status is Status.RUNNING
    world.connect().tidy()
    until(lambda: not Remains().of(job.stamp), "the end of its other processes")

    answer = world.look(job)
    assert (answer.status, answer.cause, answer.exit_code) == (Status.FAILED, Cause.UNKNOWN, None)


@pytest.mark.parametrize("why", ["vanished", "\0\ud800", "", ["killed"], 9**80])
def test_an_end_in_words_that_nobody_knows_is_an_end(world: World, why: object) -> None:
    [job] = world.send(command="sleep 0.2; kill -9 $PPID; sleep 100")
    until(lambda: start_ticks(world.keeper(job)) is None, "the end of the keeper")
    forge_end(world, job, why=why)
    world.connect().tidy()
    until(lambda: not Remains().of(job.stamp), "the end of its other processes")

    answer = world.look(job)

    # Otherwise its slot would never be free again.
    assert (answer.status, answer.cause) == (Status.FAILED, Cause.UNKNOWN)
    assert answer.raw


def test_a_fifo_in_the_place_of_its_output_is_not_waited_for(world: World) -> None:
    [job] = world.send(command="exit 0")
    world.until_final(job)
    output = world.place / job.stamp / "output"
    output.unlink()
    os.mkfifo(output)

    assert world.connect().output(job).text == ""


@pytest.mark.parametrize("kind", ["fifo", "directory", "symlink", "loop", "10 MB"])
@pytest.mark.parametrize("name", ["exit", "launch.json"])
def test_what_lies_in_the_place_of_a_record_is_not_waited_for(
    world: World, name: str, kind: str
) -> None:
    liar, honest = world.send(count=2, command="exit 0")
    for job in (liar, honest):
        world.until_final(job)
    path = world.place / liar.stamp / name
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "10 MB":
        path.write_text("1" * 10_000_000)
    else:
        path.symlink_to(path if kind == "loop" else "/dev/zero")

    of_liar, of_honest = world.connect().poll([liar, honest])

    assert of_honest.status is Status.DONE
    assert of_liar.status in (Status.DONE, Status.FAILED)
    assert len(world.connect().find().jobs) == 2
    assert [answer.accepted for answer in world.connect().cancel([liar, honest])] == [True, True]
    world.connect().tidy()
    # The world of the test does not read such files safely.
    path.rmdir() if kind == "directory" else path.unlink()


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.sampled_from([2**31, -(2**80), "0001-01-01", "9999-12-31T23:59:59-12:00", "cancelled"]),
)


@pytest.mark.slow
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    end=st.one_of(
        st.binary(max_size=60),
        st.dictionaries(st.sampled_from(["code", "why", "started_at", "ended_at"]), VALUES).map(
            lambda end: json.dumps(end).encode()
        ),
    ),
    launch=st.one_of(
        st.none(),
        st.binary(max_size=60),
        st.dictionaries(
            st.sampled_from(["pid", "start_ticks", "boot_id", "accepted_at"]), VALUES
        ).map(lambda launch: json.dumps(launch).encode()),
    ),
)
@example(end=b'{"why": ["a list"]}', launch=None)
@example(end=b'{"code": ' + b"9" * 5000 + b"}", launch=None)
@example(end=b"[" * 60_000, launch=b"[" * 60_000)
@example(
    end=b"", launch=b'{"pid": -1, "start_ticks": 1, "boot_id": "", "accepted_at": "2020-01-01"}'
)
def test_whatever_the_records_say_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, end: bytes, launch: bytes | None
) -> None:
    folder = tmp_path_factory.mktemp("lies") / STAMP
    folder.mkdir()
    (folder / "exit").write_bytes(end)
    if launch is not None:
        (folder / "launch.json").write_bytes(launch)

    assert Folder(folder).look(Remains()).stamp == STAMP
    Folder(folder).cancel(Remains())
