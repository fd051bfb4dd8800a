"""How pilots of Slurm ended, by their own files: what cannot be read is not taken for absent."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from worker.backends.shell import STANDARD_PATH, Completed
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.output import Files
from worker.backends.slurm.reach import Reach
from worker.domain.errors import BackendError

GROUP, OTHER = "0123456789abcdef01234567", "f" * 24
STAMP, SECOND = f"{GROUP}{0:08x}", f"{OTHER}{1:08x}"
END = "7_1 3 1700000000 1700000001\n"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]

pytestmark = pytest.mark.skipif(shutil.which("find") is None, reason="needs the program find")


@dataclass
class LoginNode:
    """A host that runs scripts with some shell, and whose programs a test can replace."""

    shell: str
    home: Path
    programs: Path

    def run(
        self, words: Sequence[str], env: Mapping[str, str], stdin: str, seconds: float
    ) -> Completed:
        shell = [str(shutil.which(self.shell)), *(["sh"] if self.shell == "busybox" else [])]
        path = f"{self.programs}:{STANDARD_PATH}"
        done = subprocess.run(
            [*shell, *words[1:]],
            env={**env, "HOME": str(self.home), "PATH": path},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        return Completed(
            stdout=done.stdout, stderr=done.stderr, exit_code=done.returncode, seconds=0
        )

    def replace(self, program: str, script: str) -> None:
        (self.programs / program).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / program).chmod(0o755)

    def files(self, folder: str) -> Files:
        """Return the files of the pilots in a folder, as a driver reads them."""
        options, until = SlurmOptions(output_folder=folder), time.monotonic() + 60
        client = SlurmClient(cast(Reach, self), options, Names("p"), until)
        return Files(client, folder, "p")


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> LoginNode:
    for name in ("home", "programs"):
        (tmp_path / name).mkdir()
    return LoginNode(request.param, tmp_path / "home", tmp_path / "programs")


@pytest.fixture(params=["absolute", "relative", "with [a-z] */more/"])
def folder(request: pytest.FixtureRequest, node: LoginNode) -> str:
    return str(node.home) if request.param == "absolute" else request.param


@pytest.fixture
def place(node: LoginNode, folder: str) -> Path:
    """The place of the files, with the ends of two pilots."""
    place = node.home / folder / "p"
    for stamp in (STAMP, SECOND):
        end = place / stamp[:24] / f"{stamp}.end"
        end.parent.mkdir(parents=True)
        end.write_text(END)
    return place


LOOKS: list[Callable[[Files], object]] = [
    lambda files: files.ends([STAMP, SECOND]),
    lambda files: files.ends_since(60),
]
either = pytest.mark.parametrize("look", LOOKS, ids=["of some", "of all"])


@either
def test_the_ends_of_pilots_are_read(
    node: LoginNode, folder: str, place: Path, look: Callable[[Files], object]
) -> None:
    assert set(cast(dict[str, object], look(node.files(folder)))) == {STAMP, SECOND}
    (place / GROUP / f"{STAMP}.end").unlink()
    assert set(cast(dict[str, object], look(node.files(folder)))) == {SECOND}


@either
def test_a_folder_that_no_pilot_has_made_yet_has_no_ends(
    node: LoginNode, folder: str, look: Callable[[Files], object]
) -> None:
    assert look(node.files(folder)) == {}


def a_file(place: Path) -> None:
    shutil.rmtree(place)
    place.touch()


def a_link(place: Path) -> None:
    place.rename(place.with_name("moved"))
    place.symlink_to("moved")


def a_dangling_link(place: Path) -> None:
    shutil.rmtree(place)
    place.symlink_to("nowhere")


@either
@pytest.mark.parametrize("spoil", [a_file, a_link, a_dangling_link])
def test_what_stands_in_place_of_the_folder_is_no_answer(
    node: LoginNode,
    folder: str,
    place: Path,
    spoil: Callable[[Path], None],
    look: Callable[[Files], object],
) -> None:
    spoil(place)
    with pytest.raises(BackendError, match="cannot be read"):
        look(node.files(folder))


@either
def test_where_the_home_or_an_absolute_folder_is_missing_there_is_no_answer(
    node: LoginNode, folder: str, look: Callable[[Files], object]
) -> None:
    node.home.rmdir()
    with pytest.raises(BackendError, match=r"cannot be read; is .* mounted"):
        look(node.files(folder))
    node.home.touch()
    with pytest.raises(BackendError, match="cannot be read"):
        look(node.files(folder))


@either
def test_a_folder_that_cannot_be_listed_is_no_answer(
    node: LoginNode, folder: str, place: Path, look: Callable[[Files], object]
) -> None:
    node.replace("ls", 'echo "ls: .: Stale file handle" >&2; exit 2')
    with pytest.raises(BackendError, match="cannot be read"):
        look(node.files(folder))
    shutil.rmtree(place)
    with pytest.raises(BackendError, match="cannot be read"):
        look(node.files(folder))


@either
@pytest.mark.parametrize(
    "end",
    [
        f"echo \"find: './{OTHER}': Input/output error\" >&2; exit 1",
        f'echo "find: ./{OTHER}: Stale file handle" >&2; exit 1',
        "kill -9 $$",
        "exit 127",
    ],
)
def test_a_list_that_find_did_not_finish_is_no_answer(
    node: LoginNode, folder: str, place: Path, end: str, look: Callable[[Files], object]
) -> None:
    node.replace("find", f"echo ./{GROUP}/{STAMP}.end\n{end}")
    with pytest.raises(BackendError):
        look(node.files(folder))


@either
@pytest.mark.parametrize(
    "why", ["No such file or directory", "Permission denied", "Not a directory"]
)
def test_what_a_pilot_makes_of_its_own_files_hides_no_other(
    node: LoginNode, folder: str, place: Path, why: str, look: Callable[[Files], object]
) -> None:
    line = f"find: './{OTHER}': {why}"
    node.replace("find", f'echo ./{GROUP}/{STAMP}.end; echo "{line}" >&2; exit 1')
    assert set(cast(dict[str, object], look(node.files(folder)))) == {STAMP}
