"""The sockets by which calls over SSH share a connection."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.reach import Login

LONGEST = 107
"""The longest path of a socket that Linux allows, in bytes."""
WHILE_MADE = f"{'f' * 40}.{'r' * 16}"
"""The name of a socket while ssh makes it: a hash as long as %C, and random characters."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is shorter than that of a test usually is."""
    folder = Path(tempfile.mkdtemp(prefix="p", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_path_of_a_socket_is_never_too_long(
    short: Path, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for length in range(20, 71):
        temporary = short / (letter * (length - len(f"{short}/")))
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        folder = Login(SlurmOptions(ssh="login.example.org"))._sockets()
        assert len(os.fsencode(folder / WHILE_MADE)) <= LONGEST, length
        assert folder.is_dir()


def test_a_short_folder_for_temporary_files_is_used(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    folder = Login(SlurmOptions(ssh="login.example.org"))._sockets()
    assert folder.is_relative_to(short)
