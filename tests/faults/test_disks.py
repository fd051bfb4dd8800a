"""A full disk: the one of the state folder with its database and logs, and PostgreSQL's."""

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
from tests.faults.trial import ends_well, output, site, works_again
from tests.patience import until
from worker.domain.pilot import Status

MIB = 1 << 20
Mount = Callable[[Path, int], Disk]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount small disks, which are removed after the test."""
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
    settings = settings_of({"home": str(disk.folder)})
    up = processes.start("up", [*PILOTAGE, "up", "--demo"], settings)
    home = disk.folder / "demo"
    state = State(home)
    until(lambda: state.statuses().get(Status.DONE), progress=processes.progress)
    here = {**settings, **settings_of({"home": str(home)})}
    capacities = count(10)

    def refusal() -> "subprocess.CompletedProcess[str] | None":
        # A child that deletes a message makes room for one change.
        disk.fill()
        words = ["ce", "set", "here", "--capacity", str(next(capacities))]
        result = processes.run([*PILOTAGE, *words], here)
        return result if result.returncode else None

    full = until(refusal, "a change that is refused because the disk is full")
    assert full.returncode == 1
    assert "full" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    # The children can write neither their work nor an error message.
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
    data = folder / "data"
    subprocess.run(["cp", "-a", str(server._data), str(data)], check=True)
    server._data = data
    server.start()
    return disk


def is_up(world: World) -> bool:
    """Start the server again if it has ended, as systemd would; return whether it answers."""
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
        # PostgreSQL uses its old log files again, and they have room. This uses the room up.
        with suppress(DBAPIError), world.database.engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_switch_wal()")
        text = output(world)
        return "The disk of the database is full" in text or "cannot be reached" in text

    assert world.reaches(is_named), output(world)[-3000:]
    disk.free()
    until(lambda: is_up(world), "the server to run again")
    works_again(world)
    ends_well(world)
