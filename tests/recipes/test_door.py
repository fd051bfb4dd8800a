"""The door of the recipe for runners as a program: its messages and its end."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import ROOT, Processes, ended
from tests.http_servers import proxy_of_the_environment
from tests.patience import until
from tests.redis_server import free_port
from tests.secrets import HOUR, a_proxy, write

pytestmark = pytest.mark.processes
DOOR = ROOT / "recipes" / "runners" / "door.py"
AS_INSTALLED = {"PYTHONPATH": ""}
TEAM = """
[vo.{name}.source]
kind = "github"
runners_of = "https://github.com/octo"
scale_set = 7
token_file = "/nowhere"
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.end()


def fleet_of(folder: Path, *teams: str) -> str:
    return str(write(folder / "fleet.toml", "".join(TEAM.format(name=name) for name in teams)))


def door(*words: str) -> list[str]:
    return [sys.executable, str(DOOR), *words]


class OpenDoor:
    """A door that listens; no Pilotage answers at its address."""

    def __init__(self, processes: Processes, folder: Path, *words: str) -> None:
        self._processes, self.port = processes, free_port()
        place = ["--port", str(self.port), "--pilotage", f"http://127.0.0.1:{free_port()}"]
        fleet = fleet_of(folder, "runners")
        self.process = processes.start("door", door(fleet, *place, *words), AS_INSTALLED)
        self.says("open at 127.0.0.1 port")

    def says(self, words: str) -> None:
        """Wait until the log of the door has these words; check that it has no traceback."""
        what = f"the door to say {words!r}"
        until(lambda: words in self.log or self.process.poll() is not None, what, pause=0.05)
        assert words in self.log
        assert "Traceback" not in self.log

    @property
    def log(self) -> str:
        return self._processes.said("door")


def test_it_is_closed_by_a_signal(processes: Processes, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        a_door = OpenDoor(processes, tmp_path)
        a_door.process.send_signal(number)
        assert ended(a_door.process) == 0
        a_door.says("closed")
        processes.log("door").unlink()


def test_what_is_wrong_with_its_words_is_one_line(processes: Processes, tmp_path: Path) -> None:
    one, two = fleet_of(tmp_path, "runners"), tmp_path / "two"
    two.mkdir()
    no, here = str(tmp_path / "no.pem"), ["--pilotage", "http://127.0.0.1:1"]
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        for words, parts in {
            (no,): [no, "No such file"],
            (one, "--team", "others"): ["others has no source github"],
            (fleet_of(two, "a", "b"),): ["--team a or b"],
            (one, "--certificate", no): [no, "No such file"],
            (one, "--certificate", one): [one, "no certificate"],
            (one, "--port", port): [port, "Address already in use"],
            (one, "--address", "0.0.0.0"): ["without --certificate"],
        }.items():
            result = processes.run(door(*words, *here), AS_INSTALLED)
            [line] = result.stderr.splitlines()
            assert result.returncode == 1
            assert all(part in line for part in parts), line


def test_pilotage_that_does_not_answer_is_named(processes: Processes, tmp_path: Path) -> None:
    a_door = OpenDoor(processes, tmp_path)
    headers = {"Authorization": "Bearer " + "x" * 40}
    url = f"http://127.0.0.1:{a_door.port}/runner"
    assert httpx.post(url, headers=headers, timeout=60).status_code == 503
    a_door.says("no runner, Pilotage: 127.0.0.1: the connection was refused")
    assert "x" * 40 not in a_door.log


def test_the_secret_of_a_worker_goes_by_no_proxy_of_the_environment(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_of_the_environment(monkeypatch) as by_proxy:
        a_door = OpenDoor(processes, tmp_path)
        headers = {"Authorization": "Bearer " + "x" * 40}
        url = f"http://127.0.0.1:{a_door.port}/runner"
        assert httpx.post(url, headers=headers, timeout=60, trust_env=False).status_code == 503
    assert by_proxy == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_who_does_not_trust_its_certificate_is_said(processes: Processes, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certificate = a_proxy(tmp_path / "certificate", now - HOUR, now + HOUR)
    a_door = OpenDoor(processes, tmp_path, "--certificate", str(certificate))
    words = ["curl", "--silent", "--request", "POST", f"https://127.0.0.1:{a_door.port}/runner"]
    assert subprocess.run(words, check=False, timeout=60).returncode == 60
    a_door.says("no runner for 127.0.0.1: it does not trust the certificate of the door")
