"""Nobody follows a link that a pilot plants among its files to the files of others.

The pilots of a shared account can replace their files by anything.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.backends.local_world import World
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.output import OutputFolder
from worker.backends.local import output
from worker.backends.local.look import Folder
from worker.backends.local.processes import Remains
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.output import Files
from worker.db.database import Database
from worker.domain.ce_answers import Job

GROUP, OTHER = "0123456789abcdef01234567", "f" * 24
STAMP, SECOND = f"{GROUP}{0:08x}", f"{GROUP}{1:08x}"
SECRET = "of somebody else"
A_YEAR_AGO = time.time() - 365 * 86400
END = "7_1 3 1700000000 1700000001\n"

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]

pytestmark = pytest.mark.skipif(shutil.which("find") is None, reason="needs the program find")


class Shell:
    """Runs the scripts for the files of pilots, as a login node does."""

    def __init__(self, name: str) -> None:
        self._words = ["busybox", "sh"] if name == "busybox" else [name]

    def shell(self, script: str, *words: str, stdin: str = "") -> str:
        return subprocess.run(
            [*self._words, "-c", script, "sh", *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout


@pytest.fixture(params=SHELLS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return Files(cast(SlurmClient, Shell(request.param)), str(tmp_path / "kept"), "p")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "kept" / "p"
    (place / GROUP).mkdir(parents=True)
    return place


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of another user, whose files have the names of ours."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in (f"{STAMP}.out", f"{STAMP}.end", "passwd"):
        (folder / name).write_text(END if name.endswith("end") else SECRET)
    age(folder)
    return folder


def age(folder: Path) -> None:
    """Make a folder and all its contents a year old."""
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (A_YEAR_AGO, A_YEAR_AGO), follow_symlinks=False)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def tidy_twice(files: Files, place: Path) -> None:
    """Tidy once for the files, and again for the folders that are empty then."""
    for _ in range(2):
        age(place)
        files.tidy(0)


def test_what_a_pilot_wrote_is_read(files: Files, place: Path) -> None:
    (place / GROUP / f"{STAMP}.out").write_text("mine")
    (place / GROUP / f"{SECOND}.out").write_text("begin" + "x" * 200_000 + "end")

    assert files.output(STAMP).text == "mine"
    assert files.output(SECOND).truncated
    assert files.output(SECOND).text.endswith("end")
    assert files.output(f"{OTHER}00000000").text == ""


def test_l11_an_output_that_is_a_link_is_not_read(
    files: Files, place: Path, elsewhere: Path
) -> None:
    (place / GROUP / f"{STAMP}.out").symlink_to(elsewhere / "passwd")

    assert files.output(STAMP).text == ""


def test_l11_nothing_is_read_in_a_folder_that_is_a_link(
    files: Files, place: Path, elsewhere: Path
) -> None:
    (place / GROUP).rmdir()
    (place / GROUP).symlink_to(elsewhere)

    assert files.output(STAMP).text == ""
    assert files.ends([STAMP]) == {}
    assert files.ends_since(10**9) == {}


def test_l11_nothing_is_read_or_removed_where_the_place_of_all_is_a_link(
    files: Files, place: Path, elsewhere: Path
) -> None:
    shutil.move(place / GROUP, elsewhere / GROUP)
    shutil.copy(elsewhere / f"{STAMP}.out", elsewhere / GROUP)
    shutil.copy(elsewhere / f"{STAMP}.end", elsewhere / GROUP)
    age(elsewhere)
    before = names(elsewhere)
    place.rmdir()
    place.symlink_to(elsewhere)

    files.tidy(0)

    assert files.output(STAMP).text == ""
    with pytest.raises(subprocess.CalledProcessError):
        files.ends([STAMP])
    assert names(elsewhere) == before


def test_a_folder_of_outputs_may_lie_behind_a_link_of_the_operator(
    files: Files, place: Path, tmp_path: Path
) -> None:
    shutil.move(tmp_path / "kept", tmp_path / "scratch")
    (tmp_path / "kept").symlink_to(tmp_path / "scratch")
    (place / GROUP / f"{STAMP}.out").write_text("mine")

    assert files.output(STAMP).text == "mine"


@pytest.mark.finding("L11")
def test_l11_tidying_removes_our_own_files_and_no_other(files: Files, place: Path) -> None:
    ours = [f"{STAMP}.out", f"{STAMP}.end", f"{SECOND}.new", f"{SECOND}.out"]
    of_others = ["notes.txt", "results.end", f"{STAMP}.out.bak", f"x{SECOND}.out"]
    for name in [*ours, *of_others]:
        (place / GROUP / name).write_text("x")
    (place / "results").mkdir()
    (place / "results" / f"{STAMP}.out").write_text("x")
    (place / OTHER).mkdir()
    (place / OTHER / f"{OTHER}00000000.out").write_text("x")

    tidy_twice(files, place)

    assert names(place) == {
        GROUP, *(f"{GROUP}/{name}" for name in of_others), "results", f"results/{STAMP}.out",
    }  # fmt: skip


def test_l11_tidying_removes_links_and_nothing_that_they_lead_to(
    files: Files, place: Path, elsewhere: Path
) -> None:
    (place / GROUP / f"{STAMP}.out").symlink_to(elsewhere / "passwd")
    (place / GROUP / f"{STAMP}.end").symlink_to(elsewhere / f"{STAMP}.end")
    (place / OTHER).symlink_to(elsewhere)
    before = names(elsewhere)

    tidy_twice(files, place)

    assert names(elsewhere) == before
    assert names(place) == {OTHER}


def test_l11_what_htcondor_left_is_read_and_removed_without_links(
    tmp_path: Path, elsewhere: Path
) -> None:
    place = OutputFolder("ce", HTCondorOptions(keep_output=60), tmp_path)
    place.prepare([STAMP])
    place.path(STAMP).symlink_to(elsewhere / "passwd")
    (place.folder / OTHER).symlink_to(elsewhere)
    (place.folder / GROUP / "notes.txt").write_text("x")
    age(place.folder)
    before = names(elsewhere)

    assert place.output(STAMP).text == ""
    assert place.output(f"{OTHER}{STAMP[-8:]}").text == ""
    place.tidy([])

    assert names(elsewhere) == before
    assert names(place.folder) == {OTHER, GROUP, f"{GROUP}/notes.txt"}


def test_l11_what_htcondor_left_is_not_read_in_a_folder_that_is_a_link(
    tmp_path: Path, elsewhere: Path
) -> None:
    place = OutputFolder("ce", HTCondorOptions(), tmp_path)
    place.folder.mkdir(parents=True)
    (place.folder / GROUP).symlink_to(elsewhere)

    assert place.output(STAMP).text == ""


def local_file_is_a_link(mine: Path, elsewhere: Path) -> None:
    mine.mkdir()
    (mine / "output").symlink_to(elsewhere / "passwd")


def local_folder_is_a_link(mine: Path, elsewhere: Path) -> None:
    shutil.copy(elsewhere / "passwd", elsewhere / "output")
    mine.symlink_to(elsewhere)


@pytest.mark.parametrize("plant", [local_file_is_a_link, local_folder_is_a_link])
def test_l11_what_a_local_pilot_left_is_read_without_links(
    tmp_path: Path, elsewhere: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(tmp_path / STAMP, elsewhere)

    assert output.read(tmp_path / STAMP).text == ""


def test_l11_to_cancel_a_local_pilot_makes_no_file_behind_a_link(
    tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / STAMP).mkdir()
    (tmp_path / STAMP / "cancel").symlink_to(elsewhere / "new")
    (tmp_path / SECOND).symlink_to(elsewhere)
    before = names(elsewhere)

    assert Folder(tmp_path / STAMP).cancel(Remains()) is None
    assert Folder(tmp_path / SECOND).cancel(Remains()) is None

    assert names(elsewhere) == before


def test_l11_a_local_pilot_whose_folder_is_a_link_hides_no_other(
    tmp_path: Path, elsewhere: Path, sqlite_database: Database
) -> None:
    world = World(tmp_path / "world", sqlite_database.uow)
    try:
        job = world.send(command="echo mine")[0]
        world.until_final(job)
        (world.place / STAMP).symlink_to(elsewhere)
        jobs = [job, Job(stamp=STAMP, handle=STAMP)]
        driver = world.connect()

        assert {one.stamp for one in driver.poll(jobs)} == {job.stamp, STAMP}
        assert len(driver.cancel(jobs)) == 2
        driver.tidy()
        assert driver.output(job).text == "mine\n"
        assert (elsewhere / "passwd").read_text() == SECRET
    finally:
        world.end()
