"""The two daemons of a CE: A-REX, which moves jobs, and its web service, which speaks REST."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tests.testbeds.arc.configuration import DAEMONS, configure, subjects
from tests.testbeds.arc.pki import Authority, write_secret
from tests.testbeds.arc.versions import TRUST, Version

FACTS = "facts.json"
PATIENCE = 180.0
"""Seconds to wait for a start. A daemon that fails ends the wait at once."""


@dataclass(frozen=True, kw_only=True)
class Testbed:
    """A CE that runs."""

    __test__ = False

    folder: str
    url: str
    ca: str
    proxy: str
    issuer: str
    takes_tokens: bool
    version: str
    pids: dict[str, int]

    @property
    def control(self) -> Path:
        """The folder in which A-REX keeps the states of its jobs."""
        return Path(self.folder) / "control"

    @property
    def authority(self) -> Authority:
        """The authority that signs the certificates of its users."""
        return Authority.read(Path(self.folder) / "pki")

    def admit(self, subject: str) -> None:
        """Accept a user from now on."""
        with subjects(Path(self.folder)).open("a", encoding="utf-8") as file:
            file.write(f'"{subject}"\n')

    def stand_still(self) -> None:
        """Stop A-REX; the web service goes on accepting jobs and answering."""
        pid = self.pids["arex"]
        for _ in range(1000):
            os.kill(pid, signal.SIGSTOP)
            # Otherwise the web service would wait for the lock of A-REX.
            if not _holds_a_lock(pid):
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.005)
        raise LookupError("A-REX is never without a lock")

    def go_on(self) -> None:
        """Let A-REX work again."""
        os.kill(self.pids["arex"], signal.SIGCONT)


def read(folder: Path) -> Testbed | None:
    """Return the CE that runs in this folder."""
    try:
        testbed = Testbed(**json.loads((folder / FACTS).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return testbed if all(_is_ours(pid, folder) for pid in testbed.pids.values()) else None


def start(folder: Path, version: Version, port: int, issuer_port: int) -> Testbed:
    """Start the CE in a new folder, and wait until it answers."""
    authority = Authority.make(folder / "pki")
    robot = authority.holder("Pilot Robot")
    proxy = write_secret(folder / "pki" / "proxy.pem", robot.proxy())
    configure(folder, version.scripts, port)
    before = version.wrapper_command(folder)
    pids = {name: _spawn(folder, name, before) for name in DAEMONS}
    testbed = Testbed(
        folder=str(folder),
        url=f"https://localhost:{port}/arex",
        ca=str(authority.bundle),
        proxy=str(proxy),
        issuer=f"https://localhost:{issuer_port}",
        takes_tokens=version.wrapper is not None,
        version=version.name,
        pids=pids,
    )
    testbed.admit(robot.subject)
    try:
        _await(testbed)
    except BaseException:
        end(folder, pids)
        raise
    (folder / FACTS).write_text(json.dumps(asdict(testbed)), encoding="utf-8")
    return testbed


def end(folder: Path, pids: dict[str, int]) -> None:
    """Stop the daemons, and then all processes that they started."""
    for pid in pids.values():
        if _is_ours(pid, folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGTERM)
    give_up = time.monotonic() + 10
    while any(_is_ours(pid, folder) for pid in pids.values()) and time.monotonic() < give_up:
        for pid in pids.values():
            _reap(pid)
        time.sleep(0.05)
    for _ in range(100):
        rest = _processes(folder)
        if not rest:
            return
        for pid in rest:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def remove(folder: Path) -> None:
    """Remove all files of the CE."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in (Path(TRUST), Path(TRUST).parent):
        with suppress(OSError):
            path.rmdir()


def _spawn(folder: Path, daemon: str, before: Sequence[str]) -> int:
    start = str(folder / "root/share/arc" / f"arc-{daemon}-start")
    with (folder / "log" / f"{daemon}.out").open("ab") as log:
        process = subprocess.Popen(
            [*before, start, "-f"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL": "C.UTF-8",
                "ARC_LOCATION": str(folder / "root"),
                "ARC_CONFIG": str(folder / "arc.conf"),
                "X509_CERT_DIR": str(folder / "pki/certificates"),
                "TMPDIR": str(folder / "tmp"),
            },
        )
    return process.pid


def _await(testbed: Testbed) -> None:
    context = ssl.create_default_context(cafile=testbed.ca)
    context.load_cert_chain(testbed.proxy)
    give_up = time.monotonic() + PATIENCE
    with httpx.Client(verify=context, trust_env=False, timeout=5) as client:
        while time.monotonic() < give_up:
            for name, pid in testbed.pids.items():
                _reap(pid)
                if not _is_ours(pid, Path(testbed.folder)):
                    raise LookupError(f"{name} ended: {_last_words(testbed, name)}")
            with suppress(httpx.HTTPError):
                if client.get(f"{testbed.url}/rest/1.0/jobs").status_code == 200:
                    return
            time.sleep(0.1)
    raise LookupError(f"it did not answer within {PATIENCE:g} s")


def _last_words(testbed: Testbed, daemon: str) -> str:
    text = (Path(testbed.folder) / "log" / f"{daemon}.out").read_text(errors="replace")
    return " ".join(text.split())[-300:]


def _holds_a_lock(pid: int) -> bool:
    give_up = time.monotonic() + 1
    while not (is_stopped := _state(pid) == "T") and time.monotonic() < give_up:
        time.sleep(0.001)
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return not is_stopped or any(line.split()[4] == str(pid) for line in lines if "->" not in line)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _is_ours(pid: int, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return _state(pid) not in ("Z", "") and str(folder).encode() in words


def _processes(folder: Path) -> list[int]:
    """Return the processes in the folder or from there: helpers, scripts and jobs."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    mine = {os.getpid(), os.getppid()}
    return [pid for pid in pids if pid not in mine and _belongs(pid, folder)]


def _belongs(pid: int, folder: Path) -> bool:
    with suppress(OSError):
        if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder):
            return True
        root = f"ARC_LOCATION={folder}/root".encode()
        return root in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False
