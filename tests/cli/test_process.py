"""The command as a process: exit codes, pipes, terminals, colours, and what it imports."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.world import Disk
from tests.cli.command import Cli, address, complaint, on_a_terminal, process, refusal
from tests.patience import LONGEST, until
from worker.db.database import Database

ESCAPE = "\x1b["


@pytest.fixture
def here(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Database:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    return sqlite_database


@pytest.mark.postgresql
def test_a_process_answers_as_the_function_does(cli: Cli, world: Database) -> None:
    answer = process("ce", "add", "lyon", "--backend", "sim", "--capacity", "3", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == cli.json("ce", "show", "lyon")
    assert "no CE of this name" in refusal(process("ce", "show", "rome"))


def test_verify_leaves_with_1_and_tells_where_and_what(here: Database) -> None:
    with here.engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_pilots_waiting")
    here.engine.dispose()

    answer = process("db", "verify")

    assert answer.lines == ["index pilots.ix_pilots_waiting: missing"]
    assert complaint(answer).endswith("1 difference")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", [("db", "status"), ("status",), ("ce", "show", "rome")])
def test_colours_are_for_terminals(words: tuple[str, ...]) -> None:
    answer = process(*words, FORCE_COLOR="1")

    assert ESCAPE not in answer.out + answer.err
    assert ESCAPE in on_a_terminal(*words)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", [("db", "status"), ("ce", "show", "rome")])
def test_who_asks_for_no_colour_gets_none(words: tuple[str, ...]) -> None:
    output = on_a_terminal(*words, NO_COLOR="1")

    for colour in range(30, 38):
        assert f"{ESCAPE}{colour}m" not in output


@pytest.mark.usefixtures("here")
def test_a_narrow_terminal_keeps_the_name_and_the_state(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", "--backend", "sim", "--capacity", "3", "--tag", "x" * 90)

    output = on_a_terminal("ce", "list", COLUMNS="40", NO_COLOR="1")

    assert "waiting limit" not in output
    assert any(line.startswith("lyon  normal") for line in output.splitlines())
    assert "x" * 90 in process("ce", "list").out


@pytest.mark.usefixtures("here")
def test_a_reader_who_has_seen_enough_gets_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "db", "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "pilotage: interrupted"),
        (signal.SIGTERM, 143, "pilotage: ended by SIGTERM"),
    ],
)
def test_a_command_that_is_ended_says_so_and_leaves_nothing_half_done(
    here: Database, cli: Cli, tmp_path: Path, number: signal.Signals, code: int, line: str
) -> None:
    mark = tmp_path / "begun"
    words = json.dumps(["/bin/sh", "-c", f"echo $$ > {mark}; sleep 1000"])
    cli.ok("vo", "set", "default", "--source", "kind=command", "--source", f"command={words}")
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "vo", "ask", "default"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PILOTAGE_DATABASE_URL": address(here.url)},
    ) as child:
        pid = int(until(lambda: mark.read_text() if mark.exists() else ""))
        child.send_signal(number)
        out, complaints = child.communicate(timeout=LONGEST)

    assert (child.returncode, complaints.strip(), out) == (code, line, "")
    assert not Path(f"/proc/{pid}").exists()
    cli.ok("vo", "set", "default", "--source", "kind=command", "--source", 'command=["echo","4"]')
    assert "4" in cli.ok("vo", "ask", "default").out


@pytest.mark.finding("L3")
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("> /dev/full", "the output cannot be written: No space left on device"),
        (">&-", "the standard output is closed"),
    ],
    ids=["full", "closed"],
)
@pytest.mark.parametrize("command", ["ce list", "status --json", "--help"])
def test_an_output_that_takes_nothing_is_one_line(where: str, line: str, command: str) -> None:
    words = ["/bin/sh", "-c", f'exec "$0" -m worker {command} {where}', sys.executable]
    child = subprocess.run(words, check=False, capture_output=True, text=True)

    assert (child.returncode, child.stderr) == (1, f"pilotage: {line}\n")


@pytest.mark.usefixtures("here")
def test_what_is_printed_in_json_is_not_coloured_on_a_terminal() -> None:
    assert json.loads(on_a_terminal("vo", "list", "--json"))["items"][0]["name"] == "default"


def test_help_does_not_wait_for_celery() -> None:
    code = (
        "import sys; from worker.cli.main import run; code = run(['--help']);"
        "sys.exit(code or any(name in sys.modules for name in ('celery', 'kombu', 'pdb')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=-3).returncode == 0


FULL_DISK = """
mount -t tmpfs -o size=48m,mode=700 pilotage-test "$PILOTAGE_HOME"
"$PYTHON" -m worker db setup >&2
"$PYTHON" -m worker status
head -c 100M /dev/zero > "$PILOTAGE_HOME/ballast"
"$PYTHON" -m worker status
"$PYTHON" -m worker vo add lhcb
truncate -s -1M "$PILOTAGE_HOME/ballast"
COLUMNS=80 "$PYTHON" -m worker status
"""


@pytest.mark.skipif(bool(Disk.problem()), reason="only root may mount a disk of its own")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    words = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", FULL_DISK]
    environment = {
        "PATH": os.environ["PATH"],
        "PILOTAGE_HOME": str(tmp_path),
        "PYTHON": sys.executable,
    }
    child = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)

    complaints = [line for line in child.stderr.splitlines() if line.startswith("pilotage: ")]
    file = tmp_path / "pilotage.sqlite"
    sentence = f"pilotage: The disk of the database is full: make room on it: sqlite:///{file}: "
    assert [line.startswith(sentence) for line in complaints] == [True, True], child.stderr
    # The warning appears only while there is too little room.
    assert child.stdout.count("last hour: ") == 2
    warnings = [line for line in child.stdout.splitlines() if line.startswith("! ")]
    text = " ".join(child.stdout.split())
    assert len(warnings) == 1
    assert f"! the disk of the state folder {tmp_path} is full: make room on it" in text


def test_statements_are_logged_beside_the_answer_if_the_settings_say_so(
    sqlite_database: Database,
) -> None:
    url = address(sqlite_database.url)
    quiet = process("ce", "list", "--json", PILOTAGE_DATABASE_URL=url)
    verbose = process(
        "ce", "list", "--json", PILOTAGE_DATABASE_URL=url, PILOTAGE_LOG_STATEMENTS="true"
    )

    assert quiet.err == ""
    assert verbose.out == quiet.out
    assert "INFO    sqlalchemy.engine.Engine: SELECT " in verbose.err
