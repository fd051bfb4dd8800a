"""Many pilots at once: one program is started for all of them, and none to look at them."""

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
    made = World(tmp_path, sqlite_database.uow)
    yield made
    made.end()


def test_two_hundred_pilots_are_started_in_a_moment(world: World) -> None:
    driver, sent = world.connect(command="exit 0"), orders(200)
    began = time.process_time()
    receipts = driver.submit(sent)
    used = time.process_time() - began
    assert {one.stamp for one in receipts if one.raw == "accepted"} == {one.stamp for one in sent}
    assert used < 6, "seconds of processor time; 0.7 are usual"
    jobs = [Job(stamp=one.stamp, handle=one.stamp) for one in sent]
    until(lambda: all(one.status in FINAL for one in driver.poll(jobs)), "all to end")
    assert {job.status for job in driver.find().jobs} == {Status.DONE}


def test_a_thousand_folders_are_looked_into_in_a_moment(world: World) -> None:
    [known] = world.send()
    text = (world.place / known.stamp / "launch.json").read_text()
    jobs = [Job(stamp=uuid4().hex, handle="") for _ in range(1000)]
    for job in jobs:
        folder = world.place / job.stamp
        folder.mkdir()
        (folder / "launch.json").write_text(json.dumps({**json.loads(text), "stamp": job.stamp}))
        (folder / "output").touch()
    driver = world.connect()
    began = time.process_time()
    seen = driver.poll(jobs)
    listing = driver.find()
    used = time.process_time() - began
    assert {one.status for one in seen} == {Status.RUNNING}, "by pid, start time and boot"
    assert len(listing.jobs) == 1001
    assert used < 3, "seconds of processor time; 0.1 are usual"
