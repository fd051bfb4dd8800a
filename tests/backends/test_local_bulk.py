"""Many pilots at once: one program starts all of them, and none is needed to look at them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.backends.local_world import World, orders
from tests.patience import until
from worker.db.database import Database
from worker.domain.ce_answers import Job
from worker.domain.pilot import FINAL, Status


@pytest.fixture
def world(tmp_path: Path, sqlite_database: Database) -> Iterator[World]:
    world = World(tmp_path, sqlite_database.uow)
    yield world
    world.end()


def test_two_hundred_pilots_are_started_in_a_moment(world: World) -> None:
    driver, batch = world.connect(command="exit 0"), orders(200)
    began = time.process_time()
    receipts = driver.submit(batch)
    seconds = time.process_time() - began
    assert {one.stamp for one in receipts if one.raw == "accepted"} == {one.stamp for one in batch}
    assert seconds < 6, "seconds of processor time; 0.7 are usual"
    jobs = [Job(stamp=one.stamp, handle=one.stamp) for one in batch]
    until(lambda: all(one.status in FINAL for one in driver.poll(jobs)), "the end of all pilots")
    assert {job.status for job in driver.find().jobs} == {Status.DONE}


def test_a_thousand_folders_are_looked_into_in_a_moment(world: World) -> None:
    [pilot] = world.send()
    text = (world.place / pilot.stamp / "launch.json").read_text()
    jobs = [Job(stamp=uuid4().hex, handle="") for _ in range(1000)]
    for job in jobs:
        folder = world.place / job.stamp
        folder.mkdir()
        (folder / "launch.json").write_text(json.dumps({**json.loads(text), "stamp": job.stamp}))
        (folder / "output").touch()
    driver = world.connect()
    began = time.process_time()
    observations = driver.poll(jobs)
    listing = driver.find()
    seconds = time.process_time() - began
    assert {one.status for one in observations} == {Status.RUNNING}, "by pid, start time and boot"
    assert len(listing.jobs) == 1001
    assert seconds < 3, "seconds of processor time; 0.1 are usual"
