"""The commands of the testbed; the docstring of the package describes them."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.redis_server import free_port
from tests.testbeds.arc import service
from tests.testbeds.arc.jobs import jobs
from tests.testbeds.arc.service import Testbed
from tests.testbeds.arc.versions import VERSIONS, provide
from tests.testbeds.users import job_user

PROBLEM = "problem"

HOW = """\
An ARC CE is up. Its users' authority, and the proxy of one user, are in {folder}/pki.

  pilotage db setup
  pilotage credential add all arc --proxy {proxy}
  pilotage ce add arc1 --backend arc --capacity 10 --option url={url} --option ca={ca}
  pilotage ce test arc1 --pilot
  pilotage up

The client of ARC sees the same jobs:

  X509_CERT_DIR={folder}/pki/certificates X509_USER_PROXY={proxy} arcstat --all
"""


def up(folder: Path, version: str = "6") -> Testbed:
    """Start the CE, unless it runs already."""
    testbed = service.read(folder)
    if testbed is not None:
        return testbed
    provision = provide(version)
    job_user()
    folder.mkdir(parents=True, exist_ok=True)
    return service.start(folder, provision, free_port(), free_port())


def down(folder: Path) -> None:
    """Stop the CE, and remove its folder."""
    testbed = service.read(folder)
    service.end(folder, testbed.pids if testbed else {})
    service.remove(folder)


def keep(folder: Path, alive: Path, version: str) -> None:
    """Run the CE in the background while another process holds a lock on a file."""
    if os.fork():
        return
    os.setsid()
    with alive.open() as session:
        try:
            up(folder, version)
        except (OSError, LookupError) as error:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PROBLEM).write_text(" ".join(str(error).split()), encoding="utf-8")
        fcntl.flock(session, fcntl.LOCK_EX)
    down(folder)


def say_up(folder: Path, version: str = "6") -> None:
    """Start the CE, and say how to use it."""
    sys.stdout.write(HOW.format(**asdict(up(folder, version))))


def say_jobs(folder: Path) -> None:
    """Print one job a line, as JSON."""
    for job in jobs(folder / "control"):
        sys.stdout.write(json.dumps(asdict(job)) + "\n")


COMMANDS: Mapping[str, Callable[..., None]] = {"up": say_up, "down": down, "jobs": say_jobs}


def main(words: list[str]) -> int:
    """Execute the command that these words name."""
    if len(words) == 4 and words[0] == "keep":
        keep(Path(words[1]).absolute(), Path(words[2]), words[3])
        return 0
    version = [word for word in words[2:] if words[0] == "up" and word in VERSIONS]
    if len(words) < 2 or words[2:] != version or words[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m tests.testbeds.arc {'|'.join(COMMANDS)} DIR [6|7]\n")
        return 2
    try:
        COMMANDS[words[0]](Path(words[1]).absolute(), *version)
    except LookupError as error:
        sys.stderr.write(f"no ARC CE: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
