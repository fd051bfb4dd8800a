"""Real processes pass the conformance suite."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.backends.local_world import FOREVER, World
from tests.backends.planting import plant_local
from worker.backends.conformance import Conformance, Lie, Life, Site, Trouble
from worker.backends.conformance.neighbours import Neighbours
from worker.backends.contract import Driver
from worker.backends.local import submit
from worker.backends.local.keeper.files import EXIT
from worker.db.database import Database
from worker.domain.ce_answers import Job

LIVES: dict[Life, dict[str, Any]] = {
    Life.LONG: {"command": FOREVER},
    Life.SHORT: {"command": "exit 0"},
    Life.FAILING: {"command": "exit 3"},
    Life.CHATTY: {"command": "yes | head -c 3000000"},
}


class LocalSite(Site):
    """One CE of this host."""

    cannot = MappingProxyType(
        {
            Trouble.REPLY_LOST: "who submits is killed instead, in test_local_crash.py",
            Trouble.HALF: "who submits is killed instead, in test_local_crash.py",
            Trouble.SLOW: "no other program is asked",
            Trouble.UNREADABLE: "no other program is asked; spoiled files are an end, or garbage",
            Trouble.CREDENTIAL: "there is none",
            Trouble.STRANGE_WORD: "a strange word is written at the end only, so it is an end",
            Trouble.LEFT_LISTING: "listing and history are one",
            Trouble.REQUEUED: "a process does not go back to where it waited",
            Trouble.NEVER_STARTS: "nothing waits",
            Trouble.SKEWED: "its clock is ours",
        }
    )
    many = 60
    step = 0.01
    patience = 40_000

    def __init__(self, world: World) -> None:
        self.world = world
        world.connect().find()

    def connect(self, life: Life = Life.LONG) -> Driver:
        return self.world.connect(**LIVES[life])

    def connect_second(self, life: Life = Life.LONG) -> Driver:
        return replace(self.world, ce="host/two").connect(**LIVES[life])

    def contents(self) -> object:
        paths = sorted(self.world.place.rglob("*"))
        return [(path, path.stat().st_mtime_ns) for path in paths]

    def grow_old(self) -> None:
        self.world.now = datetime.now(UTC) + timedelta(days=30)

    def unknown_handle(self, number: int) -> str:
        return f"{number:032x}"

    def plant(self, lie: Lie, job: Job) -> None:
        plant_local(self.world.place / job.stamp / EXIT, lie)

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        with getattr(self, f"_{trouble}")([self.world.place / stamp for stamp in stamps]):
            yield

    @contextmanager
    def _refusal(self, folders: list[Path]) -> Iterator[None]:
        self.world.place.mkdir(parents=True, exist_ok=True)
        new_files = [folder for folder in folders if not folder.exists()]
        for folder in new_files:
            folder.touch()
        yield
        for folder in new_files:
            folder.unlink()

    @contextmanager
    def _down(self, _: list[Path]) -> Iterator[None]:
        with self._hide_place():
            self.world.place.touch()
            yield
            self.world.place.unlink()

    @contextmanager
    def _empty(self, _: list[Path]) -> Iterator[None]:
        """An empty folder, as if the disk is not mounted."""
        with self._hide_place():
            self.world.place.mkdir()
            yield
            shutil.rmtree(self.world.place)

    @contextmanager
    def _hide_place(self) -> Iterator[None]:
        moved_folder = self.world.place.rename(self.world.place.with_name("hidden"))
        yield
        moved_folder.rename(self.world.place)

    @contextmanager
    def _truncated(self, _: list[Path]) -> Iterator[None]:
        with (self.world.place / ".launching").open() as lock:
            flock(lock, LOCK_EX)
            yield

    @contextmanager
    def _garbage(self, folders: list[Path]) -> Iterator[None]:
        with self._write_ends(folders, b'{"why": "\\u0000\\u001b[2J\\ud800"}'):
            yield

    @contextmanager
    def _write_ends(self, folders: list[Path], content: bytes) -> Iterator[None]:
        ends = [folder / EXIT for folder in folders if folder.is_dir()]
        for path in ends:
            # Nobody reads the end while the keeper lives.
            self.world.kill_keeper(Job(stamp=path.parent.name, handle=path.parent.name))
            path.write_bytes(content)
        yield
        for path in ends:
            path.unlink()

    @contextmanager
    def _forgotten(self, folders: list[Path]) -> Iterator[None]:
        existing = [folder for folder in folders if folder.is_dir()]
        moved_folders = [
            folder.rename(folder.with_name(f"hidden {folder.name}")) for folder in existing
        ]
        yield
        for path, folder in zip(moved_folders, existing, strict=True):
            if folder.exists():
                shutil.rmtree(path)
            else:
                path.rename(folder)

    @contextmanager
    def _removed(self, folders: list[Path]) -> Iterator[None]:
        for folder in folders:
            if folder.is_dir():
                job = Job(stamp=folder.name, handle=folder.name)
                os.kill(self.world.keeper(job), signal.SIGTERM)
        yield


class TestLocal(Conformance):
    @pytest.fixture
    def site(
        self, tmp_path: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Site]:
        monkeypatch.setattr(submit, "TURN", 2.0)
        world = World(tmp_path / "with a space", sqlite_database.uow)
        yield LocalSite(world)
        world.end()


class TestLocalOnPostgresql(Neighbours):
    @pytest.fixture
    def site(self, tmp_path: Path, postgresql_database: Database) -> Iterator[Site]:
        world = World(tmp_path, postgresql_database.uow)
        yield LocalSite(world)
        world.end()
