"""Every end of a pilot, with real processes."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.local_world import World, orders, processes_of
from tests.patience import until
from worker.backends.local.keeper.process import children_of
from worker.db.database import Database
from worker.domain.ce_answers import Job
from worker.domain.pilot import Cause, Status

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
FAMILY = (
    "sleep 1000 & (trap '' TERM; sleep 1000) & setsid sleep 1000 & "
    "setsid sh -c 'trap \"\" TERM; sleep 1000 & wait' & echo ready; wait"
)
"""Children and grandchildren: some ignore SIGTERM, some have their own sessions."""


@pytest.fixture
def world(tmp_path: Path, sqlite_database: Database) -> Iterator[World]:
    world = World(tmp_path / "with a space", sqlite_database.uow)
    yield world
    world.end()


def test_exit_code_0_is_done(world: World) -> None:
    observation, text = world.run("echo out; echo err >&2")
    assert (observation.status, observation.cause, observation.exit_code) == (Status.DONE, None, 0)
    assert text == "out\nerr\n"
    assert observation.started_at is not None
    assert observation.ended_at is not None
    assert observation.started_at <= observation.ended_at
    assert observation.node == socket.gethostname()


def test_another_exit_code_is_a_failure(world: World) -> None:
    observation, _ = world.run(["/bin/sh", "-c", "exit 3"])
    assert (observation.status, observation.cause, observation.exit_code) == (
        Status.FAILED,
        Cause.EXIT_CODE,
        3,
    )


def test_a_program_that_is_not_there_is_exit_code_127(world: World) -> None:
    observation, text = world.run(["/no/such program"])
    assert (observation.status, observation.cause, observation.exit_code) == (
        Status.FAILED,
        Cause.EXIT_CODE,
        127,
    )
    assert "/no/such program cannot be started" in text


@pytest.mark.parametrize("command", ["kill -SEGV $$", "sh -c 'kill -SEGV $$'; exit $?"])
def test_a_signal_is_told_from_an_exit_code(world: World, command: str) -> None:
    observation, _ = world.run(command)
    assert (observation.status, observation.cause, observation.exit_code) == (
        Status.FAILED,
        Cause.SIGNAL,
        139,
    )
    assert "SIGSEGV" in str(observation.reason)


def test_a_pilot_that_is_killed_from_outside(world: World) -> None:
    [job] = world.send()
    [pilot] = until(lambda: processes_of(job.stamp), "the pilot")
    os.kill(pilot, signal.SIGKILL)
    observation = world.until_final(job)
    assert (observation.status, observation.cause, observation.exit_code) == (
        Status.FAILED,
        Cause.SIGNAL,
        137,
    )


def test_a_pilot_ends_when_its_time_is_up(world: World) -> None:
    observation, _ = world.run(STUBBORN, walltime=0.2, grace=0.1)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.WALLTIME)


def test_memory_is_limited(world: World) -> None:
    observation, text = world.run(["/bin/sh", "-c", "ulimit -v"], memory=64)
    assert observation.status is Status.DONE
    assert text.strip() == str(64 * 1024)


def test_a_pilot_that_writes_without_end_is_ended_and_fills_no_disk(world: World) -> None:
    observation, text = world.run(["/bin/sh", "-c", "while :; do echo more; done"], file_size=1)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.SIGNAL)
    assert observation.exit_code == 128 + signal.SIGXFSZ
    assert text.startswith("more")
    assert [path.stat().st_size for path in world.place.rglob("output")] == [2**20]


def test_a_running_pilot_runs(world: World) -> None:
    [job] = world.send()
    observation = world.look(job)
    assert (observation.status, observation.absent, observation.cause) == (
        Status.RUNNING,
        False,
        None,
    )
    assert observation.reason == f"pid {world.keeper(job)}"
    assert observation.started_at is not None


def test_what_was_never_sent_is_absent(world: World) -> None:
    world.send()
    [order] = orders()
    job = Job(stamp=order.stamp, handle=order.stamp)
    assert world.look(job).absent
    [answer] = world.connect().cancel([job])
    assert (answer.accepted, answer.reason) == (False, "there is no such process here")
    assert world.connect().output(job).text == ""


def test_cancelling_leaves_no_process_of_a_large_family(world: World) -> None:
    [job] = world.send(command=FAMILY, grace=0.2)
    world.until_written(job)
    until(lambda: len(processes_of(job.stamp)) >= 6, "all processes of the pilot")
    [answer] = world.connect().cancel([job])
    assert answer.accepted
    observation = world.until_final(job)
    assert (observation.status, observation.cause) == (Status.CANCELLED, None)
    assert processes_of(job.stamp) == []


def test_the_end_of_a_pilot_is_the_end_of_what_it_left_behind(world: World) -> None:
    observation, _ = world.run("setsid sleep 1000 & sleep 1000 & exit 0")
    assert observation.status is Status.DONE
    [stamp] = world.stamps()
    assert processes_of(stamp) == []


def test_a_pilot_that_will_not_end_is_killed_after_its_grace(world: World) -> None:
    [job] = world.send(command=STUBBORN, grace=0.2)
    world.until_written(job)
    # A second cancellation changes nothing.
    assert [world.connect().cancel([job])[0].accepted for _ in "12"] == [True, True]
    assert world.until_final(job).status is Status.CANCELLED


def test_a_pilot_that_will_not_end_goes_on_within_its_grace(world: World) -> None:
    [job] = world.send(command=STUBBORN.replace("''", "'echo stop'"), grace=3600)
    world.until_written(job)
    world.connect().cancel([job])
    world.until_written(job, "stop")
    assert world.look(job).status is Status.RUNNING


def test_a_pilot_that_ends_well_on_being_asked_was_cancelled(world: World) -> None:
    command = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    [job] = world.send(command=command)
    world.until_written(job)
    world.connect().cancel([job])
    observation = world.until_final(job)
    assert (observation.status, observation.exit_code) == (Status.CANCELLED, 0)
    assert "bye" in world.connect().output(job).text


def test_cancelling_what_has_ended_changes_nothing(world: World) -> None:
    [job] = world.send(command="exit 0")
    world.until_final(job)
    assert world.connect().cancel([job])[0].accepted
    assert world.look(job).status is Status.DONE


def test_a_keeper_that_somebody_else_ends(world: World) -> None:
    [job] = world.send()
    os.kill(world.keeper(job), signal.SIGTERM)
    observation = world.until_final(job)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.REMOVED)


def test_a_pilot_finds_a_clean_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", "postgresql://secret")
    options = {"environment": {"ONE": "1", "PILOTAGE_STAMP": "no", "TWO": "a b\nc"}}
    [order] = orders()
    [receipt] = world.connect(command=["/usr/bin/env", "-0"], **options).submit([order])
    job = Job(stamp=receipt.stamp, handle=str(receipt.handle))
    world.until_final(job)
    lines = world.connect().output(job).text.split("\0")
    variables = dict(line.split("=", 1) for line in lines if line)
    assert variables.pop("PILOTAGE_STAMP") == job.stamp
    assert variables.pop("PILOTAGE_VO") == "lhcb"
    assert variables.pop("PILOTAGE_CE") == "host/one"
    assert Path(variables.pop("PILOTAGE_END_FILE")).parts[-3::2] == (job.stamp, ".pilotage-end")
    assert (variables.pop("ONE"), variables.pop("TWO")) == ("1", "a b\nc")
    assert set(variables) <= {"PATH", "SHELL", "LANG", "HOME", "USER", "LOGNAME"}


def test_a_pilot_inherits_nothing_of_the_worker(world: World) -> None:
    command = "ls /proc/$$/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; nice; pwd; cat"
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    old_handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        [job] = world.send(command=command, nice=7)
    finally:
        signal.signal(signal.SIGHUP, old_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        os.close(reader)
        os.close(writer)
    assert world.until_final(job).status is Status.DONE
    work = world.place / job.stamp / "work"
    words = world.connect().output(job).text.split()
    # The C library uses the signals 32 and 33; the parent of the tests may ignore them.
    words[6] = f"{int(words[6], 16) & ~(0b11 << 31):016x}"
    assert words == [
        *["0", "1", "2", "SigBlk:", "0" * 16, "SigIgn:", "0" * 16, str(min(19, os.nice(0) + 7))],
        *str(work).split(),
    ]


def test_a_pilot_is_no_child_of_the_worker(world: World) -> None:
    world.connect().find()  # opens the database
    before = children_of(os.getpid()), len(list(Path("/proc/self/fd").iterdir()))
    [job] = world.send()
    [pilot] = until(lambda: processes_of(job.stamp), "the pilot")
    keeper = world.keeper(job)
    assert os.getsid(keeper) == os.getsid(pilot) == keeper != os.getsid(0)
    assert os.getpgid(pilot) == pilot
    after = children_of(os.getpid()), len(list(Path("/proc/self/fd").iterdir()))
    assert after == before


def test_only_the_owner_may_look(world: World) -> None:
    [job] = world.send(command="touch made")
    world.until_final(job)
    folder = world.place / job.stamp
    for path in [world.place.parent, world.place, *world.place.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) in (0o700, 0o600), path
    assert (folder / "work" / "made").exists()


def test_of_a_long_output_the_middle_is_left_out(world: World) -> None:
    [job] = world.send(command="echo first; yes 12345678 | head -c 1000000; echo last")
    world.until_final(job)
    output = world.connect().output(job)
    assert output.truncated
    assert output.text.startswith("first\n1234")
    assert output.text.endswith("last\n")
    assert "[... 868939 bytes are left out here ...]" in output.text
    assert len(output.text) < 140_000


def test_broken_characters_are_replaced(world: World) -> None:
    _, text = world.run(r"printf 'a\377b'")
    assert text == "a\N{REPLACEMENT CHARACTER}b"


def test_the_default_command_is_harmless(world: World) -> None:
    [job] = world.send(command=type(world.connect()._driver.options)().command)  # type: ignore[attr-defined]
    world.until_written(job, f"pilot {job.stamp} of lhcb")
    assert world.look(job).status is Status.RUNNING
