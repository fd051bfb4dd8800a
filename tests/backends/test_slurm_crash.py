"""The submitter is killed at the worst moment: Slurm has accepted, nobody has read the answer."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.backends.slurm_world import World, orders, until
from worker.domain.ce_answers import Job
from worker.domain.pilot import Status

SUBMITTER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from worker.backends import registry
from worker.backends.contract import Means, Order
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.domain.ce import CE
url, home, prefix, name, options, stamps = json.loads(sys.argv[1])
ce = CE(name=name, backend="slurm", capacity=1000, options=options)
uow = Database(parse_url(url)).uow
means = Means(uow=uow, home=Path(home), now=lambda: datetime.now(UTC), prefix=prefix)
driver = registry.connect(registry.discover(), ce, means)
driver.submit([Order(stamp=stamp, vo="lhcb") for stamp in stamps])
"""
ACCEPT = 'real "$@" >/dev/null; echo $$ >"{mark}.new"; mv "{mark}.new" "{mark}"; exec sleep 60'


@contextmanager
def killing(world: World, stamps: list[str]) -> Iterator[None]:
    """Start a submission in another process, and kill it after the acceptance."""
    mark = world.folder / "accepted"
    arguments = [
        str(world.uow.engine.url),
        str(world.folder),
        world.prefix,
        world.ce,
        world.options,
    ]
    with world.replacing(ACCEPT.format(mark=mark), "sbatch"):
        words = [sys.executable, "-c", SUBMITTER, json.dumps([*arguments, stamps])]
        with subprocess.Popen(words, cwd=Path(__file__).parents[2]) as submitter:
            until(lambda: mark.exists() or None, "the acceptance of the submission")
            submitter.kill()
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(int(mark.read_text())), signal.SIGKILL)
    yield


def test_what_was_accepted_is_found_by_its_stamp(slurm_world: World) -> None:
    stamps = [order.stamp for order in orders(20)]
    slurm_world.connect().hello()
    with killing(slurm_world, stamps):
        by_stamp = {job.stamp: job for job in slurm_world.connect().find().jobs}
    assert set(by_stamp) == set(stamps)
    assert set(slurm_world.slurm.jobs(slurm_world.prefix)) == set(stamps)
    jobs = [Job(stamp=stamp, handle=by_stamp[stamp].handle) for stamp in stamps]
    for job in jobs[:3]:
        slurm_world.until_status(job, Status.RUNNING)
    assert all(answer.accepted for answer in slurm_world.connect().cancel(jobs))
    for job in jobs:
        assert slurm_world.until_final(job).status is Status.CANCELLED


def test_what_ended_meanwhile_is_found_too(slurm_world: World) -> None:
    stamps = [order.stamp for order in orders(3)]
    slurm_world.options["command"] = "exit 0"
    with killing(slurm_world, stamps):
        until(
            lambda: stamps_that_ended(slurm_world) == set(stamps) or None, "the end of all pilots"
        )
    with slurm_world.replacing('real "$@" | head -n 1; exit 0', "squeue"):
        until(
            lambda: stamps_that_ended(slurm_world) == set(stamps) or None,
            "the ends in the accounting",
        )


def stamps_that_ended(world: World) -> set[str]:
    return {job.stamp for job in world.connect().find().jobs if job.status is Status.DONE}
