"""A disk that is full: of the state folder with its database and logs, and of PostgreSQL."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from tests.acceptance.conftest import processes as processes
from tests.acceptance.processes import PILOTAGE, Processes, ended, holds_for, settings_of
from tests.acceptance.test_embedded import State
from tests.chaos.conftest import Make
from tests.chaos.ending import begin
from tests.chaos.logs import BEGINS
from tests.chaos.world import Disk, World
from tests.faults.trial import ends_well, said, site, works_again
from tests.patience import until
from worker.domain.pilot import Status

MIB = 1 << 20
Mount = Callable[[Path, int], Disk]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount small disks, each gone after the test."""
    if problem := Disk.problem():
        pytest.skip(f"needs the right to mount: {problem}")
    with ExitStack() as stack:

        def build(folder: Path, size: int) -> Disk:
            disk = Disk(folder, size)
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False)
            return disk

        yield build


def test_a_state_folder_without_room_is_named_and_used_again(
    mount: Mount, processes: Processes, tmp_path: Path
) -> None:
    disk = mount(tmp_path / "home", 16 * MIB)
    told = settings_of({"home": str(disk.folder)})
    up = processes.start("up", [*PILOTAGE, "up", "--demo"], told)
    home = disk.folder / "demo"
    state = State(home)
    until(lambda: state.statuses().get(Status.DONE), progress=processes.progress)
    here = {**told, **settings_of({"home": str(home)})}
    capacities = count(10)

    def refused() -> "subprocess.CompletedProcess[str] | None":
        # A message that a child deletes makes room again for one change.
        disk.fill()
        words = ["ce", "set", "here", "--capacity", str(next(capacities))]
        done = processes.run([*PILOTAGE, *words], here)
        return done if done.returncode else None

    full = until(refused, "a change that finds no room")
    assert full.returncode == 1
    assert "full" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    # What the children are at now cannot be written, nor can they write that it cannot.
    holds_for(4.0, lambda: up.poll() is None)
    disk.free()

    before = state.statuses().get(Status.DONE, 0)
    until(lambda: state.statuses().get(Status.DONE, 0) > before, progress=processes.progress)
    up.send_signal(signal.SIGTERM)
    assert ended(up) == 0
    assert BEGINS not in logs(home) + processes.said("up")
    assert state.statuses().get(Status.LOST, 0) == 0
    state.database.close()


def logs(home: Path) -> str:
    return "".join(log.read_text(errors="replace") for log in (home / "log").glob("*.log"))


def has_a_disk_of_its_own(world: World, mount: Mount) -> Disk:
    """Move the data of the server to a small disk."""
    server, folder = world.postgresql, world.home.parent / "disk"
    server.stop(signal.SIGINT)
    disk = mount(folder, 192 * MIB)
    folder.chmod(0o711)
    moved = folder / "data"
    subprocess.run(["cp", "-a", str(server._data), str(moved)], check=True)
    server._data = moved
    server.start()
    return disk


def is_up(world: World) -> bool:
    """Start the server where it has ended, as systemd would; return whether it answers."""
    server = world.postgresql._server
    if server is not None and server.poll() is not None:
        world.postgresql.start()
    try:
        with world.database.engine.connect():
            return True
    except DBAPIError:
        return False


@pytest.mark.postgresql
def test_a_database_without_room_is_named_and_used_again(make: Make, mount: Mount) -> None:
    world = site(make)
    disk = has_a_disk_of_its_own(world, mount)
    begin(world)
    disk.fill()

    def is_named() -> bool:
        # What was written before leaves room in files that are used again; this uses it up.
        with suppress(DBAPIError), world.database.engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_switch_wal()")
        text = said(world)
        return "The disk of the database is full" in text or "cannot be reached" in text

    assert world.reaches(is_named), said(world)[-3000:]
    disk.free()
    until(lambda: is_up(world), "the server to be up again")
    works_again(world)
    ends_well(world)
