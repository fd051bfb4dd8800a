"""The owner of processes: other hosts, other folders, garbage and old folders."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from tests.backends.local_world import World, orders
from worker.backends.guard import Guard
from worker.backends.local.memory import CEFolder, local_hosts, machine_id, safe_name
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Job
from worker.domain.errors import Unavailable
from worker.domain.pilot import Status

HERE = socket.gethostname()


@pytest.fixture
def world(tmp_path: Path, uow: UnitOfWork) -> Iterator[World]:
    """A CE on each database; a table says to which host it belongs."""
    world = World(tmp_path / "home", uow)
    yield world
    world.end()


def calls(driver: Guard, job: Job) -> list[Callable[[], object]]:
    return [
        lambda: driver.poll([job]),
        driver.find,
        lambda: driver.cancel([job]),
        lambda: driver.output(job),
        lambda: driver.submit(orders()),
    ]


def is_unavailable(driver: Guard, job: Job, *words: str) -> None:
    for call in calls(driver, job):
        with pytest.raises(Unavailable) as caught:
            call()
        assert all(word in str(caught.value) for word in words), caught.value


def claim(world: World) -> Any:
    with world.uow() as tx:
        return tx.execute(select(local_hosts)).one()


def claim_for(world: World, **values: str) -> None:
    with world.uow() as tx:
        tx.execute(update(local_hosts).values(values))


def test_the_first_host_that_starts_pilots_is_remembered(world: World) -> None:
    assert world.connect().find().jobs == []
    assert world.connect().find().complete
    world.send()
    host_claim = claim(world)
    identity = json.loads((world.place / ".identity.json").read_text())
    assert (host_claim.ce, host_claim.host, host_claim.folder) == (world.ce, HERE, str(world.place))
    assert (identity["id"], identity["machine"]) == (host_claim.folder_id, machine_id())
    world.send()
    assert claim(world) == host_claim


def test_a_worker_elsewhere_says_where_the_processes_are(world: World) -> None:
    """Its own state folder is empty."""
    [job] = world.send()
    claim_for(world, host="node7")
    other = World(world.home.with_name("other"), world.uow)
    is_unavailable(other.connect(), job, "its processes are on host node7", str(world.place))
    assert other.stamps() == set()
    assert world.look(job).status is Status.RUNNING


def test_a_folder_of_the_same_name_is_not_the_same_folder(world: World) -> None:
    """This happens if the disk with the state folder is not mounted."""
    [job] = world.send()
    moved_folder = world.home.rename(world.home.with_name("hidden"))
    is_unavailable(world.connect(), job, f"its processes are on host {HERE}")
    (world.place / ".identity.json").unlink()
    for path in (world.place, *world.place.parents[:2]):
        path.rmdir()
    moved_folder.rename(world.home)
    assert world.look(job).status is Status.RUNNING


def test_a_folder_that_hosts_share_is_its_maker_s(world: World) -> None:
    [job] = world.send()
    identity = world.place / ".identity.json"
    content = json.loads(identity.read_text())
    identity.write_text(json.dumps({**content, "host": "node7", "machine": "0" * 32}))
    is_unavailable(world.connect(), job, "its processes are on host node7")
    identity.write_text(json.dumps({**content, "host": "node7"}))
    assert not machine_id() or world.look(job).status is Status.RUNNING, "it was renamed"
    identity.write_text(json.dumps({**content, "machine": ""}))
    assert world.look(job).status is Status.RUNNING
    identity.write_text("{")
    is_unavailable(world.connect(), job, "cannot be read")


def test_the_option_host_forbids(world: World) -> None:
    [job] = world.send()
    is_unavailable(world.connect(host="node7"), job, "its processes are on host node7")
    assert world.connect(host=HERE).poll([job])[0].status is Status.RUNNING


def test_the_option_host_takes_over_from_a_host_that_is_gone(world: World) -> None:
    [old_job] = world.send()
    claim_for(world, host="node7", folder_id="0" * 32)
    other = World(world.home.with_name("other"), world.uow)
    assert other.connect(host=HERE).poll([old_job])[0].absent
    assert other.connect(host=HERE).find().complete
    [job] = other.send(host=HERE)
    assert claim(world).host == HERE
    assert other.look(job).status is Status.RUNNING, "it needs the option no longer"
    other.end()


def test_the_option_host_gives_up_no_folder_that_is_there(world: World) -> None:
    """Two state folders on one host are an error, and no move."""
    [job] = world.send()
    other = World(world.home.with_name("other"), world.uow)
    is_unavailable(other.connect(host=HERE), job, str(world.place))
    world.end()
    world.home.rename(world.home.with_name("moved"))
    assert other.connect(host=HERE).poll([job])[0].absent


def test_only_one_of_two_first_hosts_gets_the_ce(world: World) -> None:
    """The other host saw no claim before; none of its pilots starts."""
    other = World(world.home.with_name("other"), world.uow)
    other.connect()  # this worker runs already
    world.send()
    with pytest.raises(Unavailable):
        other.connect().submit(orders())
    assert other.stamps() == set()


def test_ces_do_not_share_a_folder(world: World) -> None:
    names = ["a/b", "a%2Fb", "a:b", "A/b", "a" * 128, "a" + "/" * 127, "a" + "/" * 126 + "b"]
    folders = [safe_name(name) for name in names if "%" not in name]
    assert len(set(folders)) == len(folders)
    assert all("/" not in name and len(name) < 200 for name in folders)
    second = World(world.home, world.uow, ce="host:one")
    [mine], [other] = world.send(), second.send()
    assert world.look(other).absent
    assert [job.stamp for job in second.connect().find().jobs] == [other.stamp]
    assert world.look(mine).status is Status.RUNNING


def test_garbage_in_the_folder_is_nobody_s_pilot(world: World) -> None:
    [job] = world.send()
    stamps = [uuid4().hex for _ in range(3)]
    (world.place / "lost+found").mkdir()
    (world.place / stamps[0].upper()).mkdir()
    (world.place / "README").touch()
    (world.place / stamps[0]).touch()
    (world.place / stamps[1]).symlink_to(world.place / job.stamp)
    os.mkfifo(world.place / "pipe")
    listing = world.connect().find()
    assert listing.complete
    assert [one.stamp for one in listing.jobs] == [job.stamp]


def test_an_empty_folder_of_a_pilot_is_used(world: World) -> None:
    world.send()
    [order] = orders()
    (world.place / order.stamp).mkdir()
    [receipt] = world.connect().submit([order])
    assert receipt.raw == "accepted"


def test_a_folder_that_cannot_be_used_says_nothing_of_pilots(world: World) -> None:
    [job] = world.send()
    moved_folder = world.place.rename(world.place.with_name("kept"))
    world.place.touch()
    is_unavailable(world.connect(), job, str(world.place))
    world.place.unlink()
    moved_folder.rename(world.place)
    assert world.look(job).status is Status.RUNNING


def test_a_state_folder_that_cannot_be_made(world: World) -> None:
    world.home.parent.mkdir(exist_ok=True)
    world.home.touch()
    with pytest.raises(Unavailable, match=r"Not a directory|File exists"):
        world.connect().submit(orders())
    world.home.unlink()


def test_folders_are_kept_from_the_first_tidying_after_the_end(world: World) -> None:
    """The first tidying may come late."""
    world.now = datetime.now(UTC) + timedelta(days=30)
    [old], [active] = world.send(command="exit 0"), world.send()
    driver = world.connect(keep_output=60)
    world.until_final(old)
    driver.tidy()
    world.now += timedelta(seconds=50)
    [fresh] = world.send(command="exit 0")
    world.until_final(fresh)
    everything = {old.stamp, fresh.stamp, active.stamp}
    assert {job.stamp for job in driver.find().jobs} == everything
    driver.tidy()

    world.now += timedelta(seconds=20)
    assert driver.poll([old])[0].status is Status.DONE
    (world.place / old.stamp / "work" / "of the pilot").mkdir()
    assert {job.stamp for job in driver.find().jobs} == everything
    assert world.stamps() == everything, "asking removes nothing"
    driver.tidy()
    assert world.stamps() == {fresh.stamp, active.stamp}
    assert driver.poll([old])[0].absent
    assert not list(world.place.glob(".trash-*"))

    world.now += timedelta(days=30)
    assert len(driver.find().jobs) == 2
    driver.tidy()
    assert world.stamps() == {active.stamp}


def test_the_folder_is_below_the_state_folder(world: World) -> None:
    place = CEFolder("x", world.connect()._driver.options, world.connect()._driver.means)  # type: ignore[attr-defined]
    assert place.folder == world.home / "local" / "x"
