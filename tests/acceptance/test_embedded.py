"""`pilotage up` without a configuration: everything is in one state folder."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.acceptance.processes import PILOTAGE, Processes, ended, one_line, settings_of
from tests.databases import backend_chains, file_url
from tests.http_servers import has_ipv6
from tests.patience import until
from tests.runtimes import runtime_on
from worker.db import pilot_reads
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.domain.pilot import Status
from worker.embedded.children import COMMANDS
from worker.services.tasks import ticks

STEP = re.compile(r"pilot (\d+) (\S+): (\S+) → (\S+)")
ENDS_OF_LOGS = (".1", ".2", ".3", ".4")
IN_THE_PICTURE = ("reliable", "flaky", "here", "submitted", "running", "█", "▒")
STATUSES = {Status.SUBMITTED, Status.RUNNING, Status.DONE, Status.FAILED}


class State:
    """The contents of a state folder."""

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
        [moment] = [
            s.last_at for s in ticks.list_schedules(runtime_on(self.database)) if s.task == task
        ]
        return moment

    def stamps(self) -> list[str]:
        with self.database.uow() as tx:
            return [
                pilot.stamp for pilot in pilot_reads.find(tx, asked=PageRequest(limit=1000)).items
            ]


def up(processes: Processes, name: str, home: Path, *words: str) -> "subprocess.Popen[bytes]":
    return processes.start(name, [*PILOTAGE, "up", *words], settings_of({"home": str(home)}))


def child(processes: Processes, word: str) -> int | None:
    """Return the first process of a child whose command line has these words."""
    pids = [pid for pid, words in processes.left().items() if f"celery -A pilotage {word}" in words]
    return min(pids, default=None)


def writes_to(processes: Processes, word: str, file: Path) -> bool:
    """Return whether the standard output of a child is this file."""
    pid = child(processes, f"worker --loglevel INFO --without-gossip --without-mingle {word}")
    return pid is not None and Path(f"/proc/{pid}/fd/1").samefile(file)


def is_another(processes: Processes, word: str, than: int) -> Callable[[], bool]:
    return lambda: child(processes, word) not in (None, than)


def printed_statuses(text: str) -> set[str]:
    """Return the new statuses of pilots in a printed text."""
    return {became for _, _, _, became in STEP.findall(text)}


def test_it_ends_by_itself_after_the_time_that_it_was_asked_for(
    processes: Processes, tmp_path: Path
) -> None:
    process = up(processes, "up", tmp_path / "home", "--for", "1s")

    assert ended(process) == 0
    assert processes.left() == {}
    assert processes.said("up").splitlines()[-1].startswith("stopped; ")


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_it_listens_at_an_address_of_the_sixth_version(
    processes: Processes, tmp_path: Path
) -> None:
    settings = settings_of({"home": str(tmp_path / "home"), "web_address": "::1"})
    process = processes.start("up", [*PILOTAGE, "up"], settings)
    until(lambda: "console and API: http://[::1]:" in processes.said("up"), "the address")
    [port] = re.findall(r"API: http://\[::1\]:(\d+);", processes.said("up"))
    check = [*PILOTAGE, "web", "--check", "--port", port]
    until(lambda: processes.run(check, settings).returncode == 0, "the server")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0


def test_pilots_are_seen_to_live_and_die_and_nothing_is_left_behind(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    first = up(processes, "up", home, "--demo")
    state = State(home / "demo")
    until(lambda: state.statuses().get(Status.SUBMITTED), progress=processes.progress)

    again = processes.run([*PILOTAGE, "up", "--demo"], settings_of({"home": str(home)}))
    one_line(again, str(home / "demo"), f"pid {first.pid} since")

    until(lambda: printed_statuses(processes.said("up")) >= STATUSES, progress=processes.progress)
    first.send_signal(signal.SIGINT)
    assert ended(first) == 0
    assert processes.left() == {}
    output = processes.said("up")
    assert {became for _, became in state.history()} >= STATUSES
    last_but_one, last = output.splitlines()[-2:]
    assert last_but_one.startswith("stopped; ")
    assert last.startswith(f"look at it: PILOTAGE_HOME={home / 'demo'} ")
    looked = processes.run(["/bin/sh", "-c", last.removeprefix("look at it: ")], {})
    assert (looked.returncode, "reliable" in looked.stdout) == (0, True), looked
    assert [path.name for path in home.iterdir()] == ["demo"], "nothing is outside its folder"
    assert "Traceback" not in output
    for log in (home / "demo" / "log").iterdir():
        assert "Traceback" not in log.read_text(), log


def test_its_server_has_no_other_port_than_the_one_that_pilots_know(
    processes: Processes, tmp_path: Path
) -> None:
    home = str(tmp_path / "home")

    def refused() -> "subprocess.CompletedProcess[str] | None":
        """Start it while its port is taken; return `None` if the port has become free meanwhile."""
        with ExitStack() as stack:
            is_ours = False
            with suppress(OSError):  # if another process has the port, that is enough
                stack.enter_context(socket.create_server(("127.0.0.1", 8017)))
                is_ours = True
            settings = settings_of({"home": home, "web_url": "https://pilotage.example.org"})
            result = processes.run([*PILOTAGE, "up", "--for", "1s"], settings)
            another = processes.run([*PILOTAGE, "up", "--for", "1s"], settings_of({"home": home}))
        assert another.returncode == 0, another.stderr
        return result if is_ours or result.returncode else None

    one_line(until(refused, progress=processes.progress), "8017", "in use")


def test_whoever_is_killed_leaves_no_temporary_folder(processes: Processes, tmp_path: Path) -> None:
    temporary, home = tmp_path / "temporary", tmp_path / "home"
    temporary.mkdir()
    settings = {**settings_of({"home": str(home)}), "TMPDIR": str(temporary)}
    processes.start("up", [*PILOTAGE, "up"], settings)

    def pool_of_calls() -> int:
        return sum("-Q call" in words for words in processes.left().values())

    until(lambda: pool_of_calls() > 2, "the pool of calls", progress=processes.progress)
    processes.end()
    assert list(temporary.iterdir()) == []
    assert list((home / "pool").iterdir()) == []


def test_a_child_that_is_killed_is_started_again_and_work_goes_on(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    process = up(processes, "up", home, "--demo")
    state = State(home / "demo")
    until(lambda: state.statuses().get(Status.SUBMITTED), progress=processes.progress)
    words = {
        "beat": "beat",
        "plan": "worker --loglevel INFO --without-gossip --without-mingle -Q p",
    }
    words["call"] = words["plan"].removesuffix("p") + "c"
    for name, word in words.items():
        pid = child(processes, word)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(is_another(processes, word, pid))
        for sentence in (
            f"{name} ended, killed by SIGKILL; its log: {home / 'demo' / 'log' / name}.log",
            f"{name} was started again (it had ended, killed by SIGKILL)",
        ):
            until(lambda s=sentence: s in processes.said("up"))  # type: ignore[misc]
    before, last_tick = max(state.history())[0], state.last("submit_pilots")
    until(lambda: max(state.history())[0] > before, progress=processes.progress)
    until(lambda: state.last("submit_pilots") != last_tick, progress=processes.progress)

    process.send_signal(signal.SIGINT)
    assert ended(process) == 0
    assert processes.left() == {}


def test_children_do_not_outlive_their_parent_and_a_restart_goes_on(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    process = up(processes, "first", home, "--demo")
    state = State(home / "demo")
    until(lambda: state.statuses().get(Status.RUNNING), progress=processes.progress)
    process.kill()
    until(lambda: child(processes, "") is None)
    stamps, last = state.stamps(), max(state.history())[0]

    again = up(processes, "again", home, "--demo")
    until(lambda: max(state.history())[0] > last, progress=processes.progress)
    until(lambda: state.statuses().get(Status.DONE), progress=processes.progress)
    again.send_signal(signal.SIGINT)
    until(lambda: "stopping; " in processes.said("again"))
    # A second signal changes nothing.
    until(lambda: child(processes, "beat") is None)
    again.send_signal(signal.SIGINT)
    assert ended(again) == 0
    assert processes.left() == {}
    *_, first_line, second_line, _ = processes.said("again").splitlines()
    assert first_line.startswith("stopping; ")
    assert second_line.startswith("stopped; ")
    assert set(stamps) <= set(state.stamps())
    assert len(state.stamps()) == len(set(state.stamps()))


def test_the_logs_of_all_children_stay_small_and_have_their_last_lines(
    processes: Processes, tmp_path: Path
) -> None:
    home, size = tmp_path / "home 100%", 1000
    settings = settings_of({"home": str(home), "log_size": str(size)})
    process = processes.start("up", [*PILOTAGE, "up", "--demo"], settings)
    logs = home / "demo" / "log"
    # Each child goes on writing. Its first output moves to old logs, which are removed later.
    until((logs / "plan.log.4").exists, "old logs", progress=processes.progress)
    until((logs / "call.log.2").exists, "old logs", progress=processes.progress)
    until(lambda: writes_to(processes, "-Q call", logs / "call.log"))
    process.kill()
    ended(process)
    until(lambda: child(processes, "") is None)

    names = {log.name for log in logs.iterdir()}
    assert names <= {f"{one}.log{end}" for one in COMMANDS for end in ("", *ENDS_OF_LOGS)}
    for log in logs.iterdir():
        assert log.stat().st_mode & 0o777 == 0o600
        # The banner of a worker or the last line may exceed the size.
        assert log.stat().st_size < size + 3000
        assert "BrokenPipe" not in log.read_text()
    for name in ("plan", "call"):
        lines = "".join(log.read_text() for log in logs.glob(f"{name}.log*"))
        assert "Warm shutdown" in lines, "a worker that the kernel ends says so"


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
        closed_folder = tmp_path / "closed"
        closed_folder.mkdir(mode=0o500)
        result = processes.run(
            [*PILOTAGE, "up", "--for", "1s"], settings_of({"home": str(closed_folder / "home")})
        )
        one_line(result, str(closed_folder))


@pytest.mark.parametrize("duration", ["soon", "-1s", "1y", ""])
def test_a_duration_that_is_none_is_told_in_one_line(
    processes: Processes, tmp_path: Path, duration: str
) -> None:
    result = processes.run(
        [*PILOTAGE, "up", "--for", duration], settings_of({"home": str(tmp_path / "home")})
    )
    one_line(result, "--for", "2h", code=2)
    assert not (tmp_path / "home").exists()


def test_a_demonstration_is_refused_where_a_database_or_broker_is_configured(
    processes: Processes, tmp_path: Path
) -> None:
    for name, url in (
        ("database_url", f"sqlite:///{tmp_path / 'a.sqlite'}"),
        ("broker_url", "redis://127.0.0.1:1/0"),
    ):
        settings = settings_of({"home": str(tmp_path / "home"), name: url})
        one_line(processes.run([*PILOTAGE, "up", "--demo"], settings), "--demo", "unset")
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_a_picture_is_drawn_and_the_screen_given_back(
    processes: Processes, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    process = processes.start(
        "up",
        [*PILOTAGE, "up", "--demo"],
        {**settings_of({"home": str(tmp_path / "home")}), "TERM": "xterm-256color", "LINES": "50"},
        stdin=theirs,
        stdout=theirs,
    )
    os.close(theirs)
    screen = Screen(ours)
    until(lambda: screen.shows(*IN_THE_PICTURE), progress=screen.size)
    process.send_signal(signal.SIGINT)
    until(screen.is_left, progress=screen.size)
    os.close(ours)
    text = screen.text()

    assert ended(process) == 0
    enter, leave = text.find("\x1b[?1049h"), text.rfind("\x1b[?1049l")
    assert 0 <= enter < leave
    picture = text[enter:leave]
    assert [word for word in IN_THE_PICTURE if word not in picture] == []
    assert 0 < text[leave:].find("stopping; ") < text[leave:].find("stopped; ")
    assert "Traceback" not in text


class Screen:
    """The output on a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self._output = terminal, b""

    def text(self) -> str:
        return self._output.decode(errors="replace")

    def size(self) -> int:
        return len(self._output)

    def shows(self, *words: str) -> bool:
        """Read on; return whether the output has all these words."""
        self.is_left()
        return all(word in self.text() for word in words)

    def is_left(self) -> bool:
        """Read on; return whether no process has the terminal open any more."""
        while select.select([self._terminal], [], [], 0.1)[0]:
            try:
                some = os.read(self._terminal, 65536)
            except OSError:  # the other end of the terminal is closed
                return True
            if not some:
                return True
            self._output += some
        return False
