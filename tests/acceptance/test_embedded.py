"""`pilotage up` with nothing configured: everything in one state folder."""

import os
import pty
import re
import select
import signal
import subprocess
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.processes import PILOTAGE, Processes, ended, one_line, settings_of
from tests.databases import backend_chains, file_url
from tests.expectations import await_that
from worker.db import pilot_reads
from worker.db.database import Database
from worker.db.pages import Asked
from worker.domain.pilot import Status
from worker.services import ticks

STEP = re.compile(r"pilot (\d+) (\S+): (\S+) → (\S+)")
SEEN = {Status.SUBMITTED, Status.RUNNING, Status.DONE, Status.FAILED}


class State:
    """What is in a state folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = Database(file_url(home / "pilotage.sqlite"), backend_chains())
        weakref.finalize(self, self.database.close)

    def statuses(self) -> dict[Status, int]:
        if not (self.home / "pilotage.sqlite").exists():
            return {}
        try:
            with self.database.uow() as tx:
                return pilot_reads.count_by_status(tx)
        except Exception:  # noqa: BLE001 - its tables are being made
            return {}

    def history(self) -> list[tuple[int, Status]]:
        with self.database.uow() as tx:
            return [
                (step.id, step.became) for _, step in pilot_reads.latest_transitions(tx, 10_000)
            ]

    def last(self, task: str) -> object:
        [found] = [s.last_at for s in ticks.list_schedules(self.database) if s.task == task]
        return found

    def stamps(self) -> list[str]:
        with self.database.uow() as tx:
            return [pilot.stamp for pilot in pilot_reads.find(tx, asked=Asked(limit=1000)).items]


def up(processes: Processes, name: str, home: Path, *words: str) -> "subprocess.Popen[bytes]":
    return processes.start(name, [*PILOTAGE, "up", *words], settings_of({"home": str(home)}))


def child(processes: Processes, word: str) -> int | None:
    """Find the first process of a child by the words of its command."""
    found = [
        pid for pid, words in processes.left().items() if f"celery -A pilotage {word}" in words
    ]
    return min(found, default=None)


def is_another(processes: Processes, word: str, than: int) -> Callable[[], bool]:
    return lambda: child(processes, word) not in (None, than)


def test_pilots_are_seen_to_live_and_die_and_nothing_is_left_behind(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    first = up(processes, "up", home, "--demo")
    state = State(home / "demo")
    await_that(lambda: state.statuses().get(Status.SUBMITTED), 120)

    again = processes.run([*PILOTAGE, "up", "--demo"], settings_of({"home": str(home)}))
    one_line(again, str(home / "demo"), f"pid {first.pid} since")

    def steps() -> set[str]:
        return {became for _, _, _, became in STEP.findall(processes.said("up"))}

    await_that(lambda: steps() >= {str(status) for status in SEEN}, 120)
    first.send_signal(signal.SIGINT)
    assert ended(first, 60) == 0
    assert processes.left() == {}
    said = processes.said("up")
    assert {became for _, became in state.history()} >= SEEN
    stopped, look = said.splitlines()[-2:]
    assert stopped.startswith("stopped; ")
    assert look == f"look at it: PILOTAGE_HOME={home / 'demo'} pilotage status"
    assert [path.name for path in home.iterdir()] == ["demo"], "nothing is outside its folder"
    assert "Traceback" not in said
    for log in (home / "demo" / "log").iterdir():
        assert "Traceback" not in log.read_text(), log


def test_a_child_that_is_killed_is_started_again_and_work_goes_on(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    running = up(processes, "up", home, "--demo")
    state = State(home / "demo")
    await_that(lambda: state.statuses().get(Status.SUBMITTED), 20)
    words = {
        "beat": "beat",
        "plan": "worker --loglevel INFO --without-gossip --without-mingle -Q p",
    }
    words["call"] = words["plan"].removesuffix("p") + "c"
    for name, word in words.items():
        was = child(processes, word)
        assert was is not None
        os.kill(was, signal.SIGKILL)
        await_that(is_another(processes, word, was), 20)
        told = f"{name} ended with -9"
        await_that(lambda told=told: told in processes.said("up"), 20)  # type: ignore[misc]
    before, ticked = max(state.history())[0], state.last("submit_pilots")
    await_that(lambda: max(state.history())[0] > before, 40)
    await_that(lambda: state.last("submit_pilots") != ticked, 40)

    running.send_signal(signal.SIGINT)
    assert ended(running, 15) == 0
    assert processes.left() == {}


def test_children_do_not_outlive_their_parent_and_a_restart_goes_on(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    running = up(processes, "first", home, "--demo")
    state = State(home / "demo")
    await_that(lambda: state.statuses().get(Status.RUNNING), 30)
    running.kill()
    await_that(lambda: child(processes, "") is None, 20)
    stamps, last = state.stamps(), max(state.history())[0]

    again = up(processes, "again", home, "--demo")
    await_that(lambda: max(state.history())[0] > last, 20)
    await_that(lambda: state.statuses().get(Status.DONE), 30)
    began = time.monotonic()
    again.send_signal(signal.SIGINT)
    # An impatient finger changes nothing.
    await_that(lambda: child(processes, "beat") is None, 10)
    again.send_signal(signal.SIGINT)
    assert ended(again, 12) == 0
    assert time.monotonic() - began < 15  # a busy machine included
    assert processes.left() == {}
    assert processes.said("again").splitlines()[-2].startswith("stopped; ")
    assert set(stamps) <= set(state.stamps())
    assert len(state.stamps()) == len(set(state.stamps()))


def test_a_folder_that_cannot_be_made_or_written_is_told_in_one_line(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    one_line(
        processes.run(
            [*PILOTAGE, "up", "--for", "1s"], settings_of({"home": str(tmp_path / "file" / "x")})
        ),
        str(tmp_path / "file"),
    )
    if os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        done = processes.run(
            [*PILOTAGE, "up", "--for", "1s"], settings_of({"home": str(closed / "home")})
        )
        one_line(done, str(closed))


@pytest.mark.parametrize("duration", ["soon", "-1s", "1y", ""])
def test_a_duration_that_is_none_is_told_in_one_line(
    processes: Processes, tmp_path: Path, duration: str
) -> None:
    done = processes.run(
        [*PILOTAGE, "up", "--for", duration], settings_of({"home": str(tmp_path / "home")})
    )
    one_line(done, "duration", "30s")
    assert not (tmp_path / "home").exists()


def test_a_demonstration_is_refused_where_a_database_or_broker_is_configured(
    processes: Processes, tmp_path: Path
) -> None:
    for name, url in (
        ("database_url", f"sqlite:///{tmp_path / 'a.sqlite'}"),
        ("broker_url", "redis://127.0.0.1:1/0"),
    ):
        configured = settings_of({"home": str(tmp_path / "home"), name: url})
        one_line(processes.run([*PILOTAGE, "up", "--demo"], configured), "--demo", "unset")
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_a_picture_is_drawn_and_the_screen_given_back(
    processes: Processes, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    running = processes.start(
        "up",
        [*PILOTAGE, "up", "--demo", "--for", "8s"],
        {**settings_of({"home": str(tmp_path / "home")}), "TERM": "xterm-256color", "LINES": "50"},
        stdin=theirs,
        stdout=theirs,
    )
    os.close(theirs)
    drawn = read_all(ours, 40)
    os.close(ours)

    assert ended(running, 20) == 0
    enter, leave = drawn.find("\x1b[?1049h"), drawn.rfind("\x1b[?1049l")
    assert 0 <= enter < leave
    picture = drawn[enter:leave]
    for word in ("reliable", "flaky", "here", "submitted", "running", "█", "▒"):
        assert word in picture
    assert "stopped; " in drawn[leave:]
    assert "Traceback" not in drawn


def read_all(terminal: int, seconds: float) -> str:
    """Read what is drawn on a terminal until nobody is left to draw."""
    give_up, seen = time.monotonic() + seconds, b""
    while time.monotonic() < give_up:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            some = os.read(terminal, 65536)
        except OSError:
            break
        if not some:
            break
        seen += some
    return seen.decode(errors="replace")
