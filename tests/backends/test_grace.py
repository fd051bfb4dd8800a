"""The time between the request to end and the kill of a pilot."""

import os
import signal
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.backends.htcondor_site import CondorSite
from tests.backends.local_world import World as LocalWorld
from tests.backends.slurm_world import World as SlurmWorld
from tests.patience import PATIENCE, until
from tests.testbeds.condor import Condor
from worker.backends.alike import alike
from worker.backends.arc.description import program as arc_program
from worker.backends.arc.options import ArcOptions
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.submit import description
from worker.backends.htcondor.submit import program as htcondor_program
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.submit import batches
from worker.db.database import Database
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import FINAL, GROUP_LENGTH, Cause, Status, numbered

LONG = 600
STAMP = numbered(uuid4().hex[:GROUP_LENGTH], 1)
"""Unlike that of other processes: a world kills what has a stamp of its own when it ends."""
FINISHES = (
    "count=0; trap 'count=$((count + 1))' TERM; echo ready >>{mark}\n"
    'until [ -e "$PILOTAGE_END_FILE" ] && [ $count -gt 0 ]; do sleep 0.05; done\n'
    "sleep 0.3; echo finished $count >>{mark}\n"
)
"""A script that finishes its work, and counts the requests to end."""
DEAF = "trap '' TERM; echo ready >>{mark}; while :; do sleep 0.05; done\n"


class Mark:
    """The file that a pilot wrote on this machine."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mark"
        self.path.touch()
        self.path.chmod(0o666)

    def script(self, text: str) -> str:
        return text.format(mark=f"'{self.path}'")

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    def until_ready(self) -> None:
        until(lambda: "ready" in self.lines(), "the pilot to start its work")


@pytest.fixture
def mark(tmp_path: Path) -> Mark:
    return Mark(tmp_path)


def order(script: str, grace: float | None = LONG) -> Order:
    return Order(STAMP, "lhcb", script, grace=grace)


@pytest.fixture
def local(tmp_path: Path, sqlite_database: Database) -> Iterator[LocalWorld]:
    world = LocalWorld(tmp_path / "with a space", sqlite_database.uow)
    yield world
    world.end()


def start_local(world: LocalWorld, one: Order, **options: float) -> Job:
    [receipt] = world.connect(**options).submit([one])
    return Job(receipt.stamp, str(receipt.handle))


def test_a_local_pilot_finishes_after_it_was_asked_to_end(local: LocalWorld, mark: Mark) -> None:
    job = start_local(local, order(mark.script(FINISHES)), grace=0.1)
    mark.until_ready()
    for _ in range(3):
        assert local.connect().cancel([job])[0].accepted
    end = local.until_final(job)
    assert (end.status, end.exit_code) == (Status.DONE, 0)
    assert mark.lines() == ["ready", "finished 1"]


def test_a_local_pilot_says_by_its_code_how_it_finished(local: LocalWorld, mark: Mark) -> None:
    job = start_local(local, order(mark.script(FINISHES + "exit 77\n")))
    mark.until_ready()
    local.connect().cancel([job])
    end = local.until_final(job)
    assert (end.status, end.cause, end.exit_code) == (Status.FAILED, Cause.EXIT_CODE, 77)


def test_what_a_local_pilot_started_is_not_asked_to_end(local: LocalWorld, mark: Mark) -> None:
    child = "(trap 'echo child >>{mark}' TERM; while :; do sleep 0.05; done) &\n"
    job = start_local(local, order(mark.script(child + FINISHES)))
    mark.until_ready()
    local.connect().cancel([job])
    assert local.until_final(job).exit_code == 0
    assert mark.lines() == ["ready", "finished 1"]


def test_a_local_pilot_that_does_not_finish_is_killed_after_its_grace(
    local: LocalWorld, mark: Mark
) -> None:
    job = start_local(local, order(mark.script(DEAF), grace=0.2), grace=LONG)
    mark.until_ready()
    local.connect().cancel([job])
    assert local.until_final(job).status is Status.CANCELLED


def test_a_local_pilot_is_asked_before_its_time_is_up(local: LocalWorld, mark: Mark) -> None:
    job = start_local(local, order(mark.script(FINISHES)), walltime=LONG + 1)
    end = local.until_final(job)
    assert (end.status, end.cause, end.exit_code) == (Status.DONE, None, 0)
    assert mark.lines() == ["ready", "finished 1"]


def test_a_local_pilot_that_is_deaf_is_ended_by_its_walltime(local: LocalWorld, mark: Mark) -> None:
    job = start_local(local, order(mark.script(DEAF), grace=0.2), walltime=0.4)
    end = local.until_final(job)
    assert (end.status, end.cause) == (Status.FAILED, Cause.WALLTIME)


def written_by_slurm(one: Order, folder: Path) -> str:
    [batch] = batches([one], 1)
    return batch.script("hpc", Names("pilotage"), SlurmOptions(output_folder=None))


def written_by_htcondor(one: Order, folder: Path) -> str:
    return htcondor_program(alike(one), "ce", HTCondorOptions())


def written_by_arc(one: Order, folder: Path) -> str:
    return arc_program(one, ArcOptions.model_validate({"url": "https://arc.example.org/"}))


WRITERS = [written_by_slurm, written_by_htcondor, written_by_arc]


@pytest.mark.parametrize("write", WRITERS)
def test_a_script_passes_the_first_signal_on_and_no_other(
    tmp_path: Path, mark: Mark, write: Callable[[Order, Path], str]
) -> None:
    script = tmp_path / "script"
    script.write_text(write(order(mark.script(FINISHES)), tmp_path))
    with subprocess.Popen(
        ["/bin/sh", str(script)], cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        mark.until_ready()
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert mark.lines() == ["ready", "finished 1"]


@pytest.mark.parametrize("system", ["htcondor", "arc"])
def test_a_script_asks_before_the_time_is_up(tmp_path: Path, mark: Mark, system: str) -> None:
    one = order(mark.script(FINISHES))
    if system == "htcondor":
        text = htcondor_program(alike(one), "ce", HTCondorOptions(walltime=LONG + 1))
    else:
        options = {"url": "https://arc.example.org/", "walltime": LONG + 1}
        text = arc_program(one, ArcOptions.model_validate(options))
    result = subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, check=False, timeout=PATIENCE)
    assert result.returncode == 0
    assert mark.lines() == ["ready", "finished 1"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_script_ends_with_the_code_of_a_pilot_that_nobody_asked(
    tmp_path: Path, write: Callable[[Order, Path], str]
) -> None:
    text = write(order("exit 7\n"), tmp_path)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    result = subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, env=environment, check=False)
    assert result.returncode == 7


def test_pilots_with_and_without_a_grace_are_sent_apart() -> None:
    some = [order("true"), Order(numbered("a" * GROUP_LENGTH, 2), "lhcb", "true")]
    may_finish, others = batches(some, 1001)
    assert f"--signal=B:TERM@{LONG}" in may_finish.arguments("hpc", Names("p"), SlurmOptions())
    assert not [w for w in others.arguments("hpc", Names("p"), SlurmOptions()) if "--signal" in w]
    assert alike(some[0]) != alike(some[1])


def test_htcondor_is_asked_to_wait(tmp_path: Path) -> None:
    names = {"prefix": "p", "instance_and_ce": "p", "batch": "b"}
    options, program = HTCondorOptions(), tmp_path / "x"
    lines = [
        description(
            [STAMP],
            alike(order("true", grace)),
            names=names,
            options=options,
            executable=program,
            folder=tmp_path,
        )
        for grace in (90.5, None)
    ]
    assert "\njob_max_vacate_time = 91\n" in lines[0]
    assert "vacate" not in lines[1]


def test_the_words_that_arc_gets_hold_the_whole_script(tmp_path: Path) -> None:
    text = written_by_arc(order("echo hello\n"), tmp_path)
    archive = text.partition("<<'END' || exit 126\n")[2].partition("\nEND\n")[0]
    assert b64decode(archive) == b"echo hello\n"


def may_finish(job: Job, seconds: float = LONG) -> Job:
    return job._replace(end_by=datetime.now(UTC) + timedelta(seconds=seconds))


def send_to_slurm(world: SlurmWorld, one: Order) -> Job:
    [receipt] = world.connect().submit([one])
    return Job(receipt.stamp, str(receipt.handle))


@pytest.fixture
def shared_mark(slurm_world: SlurmWorld) -> Mark:
    return Mark(slurm_world.folder / "kept by pilots")


def test_a_pilot_of_slurm_finishes_after_it_was_asked_to_end(
    slurm_world: SlurmWorld, shared_mark: Mark
) -> None:
    job = send_to_slurm(slurm_world, order(shared_mark.script(FINISHES), grace=60))
    shared_mark.until_ready()
    for _ in range(3):
        assert slurm_world.connect().cancel([may_finish(job)])[0].accepted
    end = slurm_world.until_final(job)
    assert (end.status, end.exit_code) == (Status.DONE, 0)
    assert shared_mark.lines() == ["ready", "finished 1"]


def test_a_pilot_of_slurm_is_killed_when_its_grace_is_over(
    slurm_world: SlurmWorld, shared_mark: Mark
) -> None:
    job = send_to_slurm(slurm_world, order(shared_mark.script(DEAF), grace=60))
    shared_mark.until_ready()
    slurm_world.connect().cancel([may_finish(job)])
    assert slurm_world.look(job).status is Status.RUNNING
    slurm_world.connect().cancel([may_finish(job, -1)])
    assert slurm_world.until_final(job).status is Status.CANCELLED


def test_a_pilot_of_slurm_that_waits_is_cancelled_at_once(slurm_world: SlurmWorld) -> None:
    slurm_world.options["arguments"] = ["--begin=now+1hour"]
    job = send_to_slurm(slurm_world, order("true", grace=60))
    slurm_world.until_status(job, Status.SUBMITTED)
    assert slurm_world.connect().cancel([may_finish(job)])[0].accepted
    assert slurm_world.until_final(job).status is Status.CANCELLED


@pytest.fixture
def condor_site(condor: Condor, sqlite_database: Database) -> Iterator[CondorSite]:
    site = CondorSite(condor, sqlite_database.uow)
    yield site
    site.close()


def test_a_pilot_of_htcondor_finishes_after_it_was_asked_to_end(
    condor_site: CondorSite,
) -> None:
    mark = Mark(condor_site.folder)
    [one] = condor_site.orders(1)
    [job] = condor_site.send([one._replace(script=mark.script(FINISHES), grace=60)])
    mark.until_ready()
    driver = condor_site.driver()
    assert driver.cancel([job])[0].accepted
    condor_site.until(lambda: "finished 1" in mark.lines(), "the end of its work")
    condor_site.until(
        lambda: all(answer.status in FINAL for answer in driver.poll([job])), "the end of the job"
    )
    assert mark.lines() == ["ready", "finished 1"]
