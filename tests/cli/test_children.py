"""The children of `pilotage up`: one that cannot be started again ends no other."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import until
from worker.embedded import children as module
from worker.embedded.children import Children
from worker.services import private_files

pytestmark = pytest.mark.processes

SHORT = (sys.executable, "-c", "raise SystemExit(3)")
LONG = (sys.executable, "-c", "import time; time.sleep(600)")
SIZE = 10_000_000


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """A child that ends at once, and one that stays."""
    monkeypatch.setattr(module, "COMMANDS", {"beat": SHORT, "web": LONG})
    with Children(tmp_path / "log", SIZE) as both:
        yield both


def test_a_child_that_cannot_be_started_again_is_tried_until_it_can(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    start, failures = subprocess.Popen, [errno.EAGAIN, errno.EAGAIN, errno.EAGAIN, errno.ENOMEM]

    def sometimes(*words: Any, **more: Any) -> "subprocess.Popen[bytes]":
        if failures:
            raise OSError(number := failures.pop(0), os.strerror(number))
        return start(*words, **more)

    def is_back() -> bool:
        events.extend(children.revive())
        return any("was started again" in event for event in events)

    monkeypatch.setattr(subprocess, "Popen", sometimes)
    until(is_back, "the child")

    [ended, full, no_memory, back] = events
    assert ended.startswith("beat ended, exit code 3; ")
    assert full == "beat cannot be started: Resource temporarily unavailable; it is tried again"
    assert no_memory == "beat cannot be started: Cannot allocate memory; it is tried again"
    assert back == "beat was started again (it had ended, exit code 3)"


def test_a_full_disk_ends_no_child(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(private_files, "open_file", full)
    events: list[str] = []

    def are_two() -> bool:
        events.extend(children.revive())
        return len(events) > 1

    until(are_two, "the second event")

    assert events[1] == "beat cannot be started: No space left on device; it is tried again"
