"""Log files stay small, however many processes write to them, and keep the newest lines."""

import logging
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT
from tests.patience import until
from worker.services import private_files
from worker.services.log_files import KEPT, LogFile, begin_anew

SIZE = 5000
LINES = 300
WRITERS = 4
ROOM = 2 * SIZE
"""The greatest length of a file that one writer writes."""

WRITER = """
import logging, os, sys
from pathlib import Path
from worker.services.log_files import LogFile
path, size, name, lines = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
log = logging.getLogger("x")
log.addHandler(LogFile(path, size))
log.setLevel("INFO")
Path(path.parent.parent, name).touch()
sys.stdin.read()
number = 0
while not lines or number < lines:
    log.info("%s %d says something", name, number)
    os.write(1, f"{name} {number} cries\\n".encode())
    number += 1
"""


def write(path: Path, name: str, lines: int = LINES) -> "subprocess.Popen[bytes]":
    with private_files.open_file(path, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(SIZE), name, str(lines)],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )


def begin(path: Path, writers: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """Let the writers write once all have begun."""
    for name in writers:
        until((path.parent.parent / name).exists, f"{name} to begin")
    for writer in writers.values():
        assert writer.stdin is not None
        writer.stdin.close()


def files(path: Path) -> list[Path]:
    """List a log file and the older ones, the oldest first."""
    older = [path.with_name(f"{path.name}.{number}") for number in range(99, 0, -1)]
    return [one for one in [*older, path] if one.exists()]


def check(path: Path, room: int = ROOM) -> None:
    """Assert that the files are few and small, and that only their owner may read them."""
    assert {one.name for one in path.parent.iterdir()} == {one.name for one in files(path)}
    assert len(files(path)) == KEPT + 1
    assert all(one.stat().st_size <= room for one in files(path))
    assert {stat.S_IMODE(one.stat().st_mode) for one in files(path)} == {0o600}


def test_several_processes_write_to_one_file_that_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "log" / "call.log"
    path.parent.mkdir()
    names = [f"writer-{number}" for number in range(WRITERS)]

    writers = {name: write(path, name) for name in names}
    begin(path, writers)
    assert [writer.wait() for writer in writers.values()] == [0] * WRITERS

    # While one writer rotates the files, the others write on, however long it takes.
    check(path, room=WRITERS * LINES * 80)
    lines = "".join(one.read_text() for one in files(path)).splitlines()
    whole = re.compile(r"(writer-\d) (\d+) (says something|cries)")
    assert all(map(whole.fullmatch, lines)), "no line is torn"
    for name in names:
        mine = [line for line in lines if line.startswith(f"{name} ")]
        last = [f"{name} {n} {word}" for n in range(LINES) for word in ("says something", "cries")]
        assert mine == [line for line in last if line in set(mine)], "in its order, each once"
        # A writer that stops within a line loses it if the others replace every file meanwhile.
        assert not mine or len(last) - last.index(mine[0]) - len(mine) <= LINES / 2
    assert lines[-1] in {f"{name} {LINES - 1} cries" for name in names}


def test_a_process_that_is_killed_leaves_the_others_a_file_to_write_to(tmp_path: Path) -> None:
    path = tmp_path / "log" / "call.log"
    path.parent.mkdir()
    victim = write(path, "killed", lines=0)
    begin(path, {"killed": victim})
    try:
        until(lambda: len(files(path)) == KEPT + 1, f"{KEPT + 1} files")
    finally:
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()

    survivor = write(path, "survivor")
    begin(path, {"survivor": survivor})
    assert survivor.wait() == 0

    check(path)
    assert f"survivor {LINES - 1} cries" in path.read_text().splitlines()[-1]


def test_what_cannot_be_put_aside_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    handler = LogFile(tmp_path / "x.log", 10)
    monkeypatch.setattr(Path, "replace", full)
    for number in range(3):
        handler.emit(logging.makeLogRecord({"msg": f"line {number}"}))
    handler.stream.close()

    assert (tmp_path / "x.log").read_text() == "line 0\nline 1\nline 2\n"


def test_a_file_that_somebody_removes_is_made_again(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "x.log", 1000)
    handler.emit(logging.makeLogRecord({"msg": "gone"}))
    (tmp_path / "x.log").unlink()
    handler.emit(logging.makeLogRecord({"msg": "here"}))
    handler.stream.close()

    assert (tmp_path / "x.log").read_text() == "here\n"
    begin_anew(tmp_path / "none.log", 1)
