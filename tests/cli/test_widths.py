"""Every listing fits the terminal and shows its important columns whole."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from rich.console import Console

from tests.cli.command import Cli, address
from tests.cli.terminal import on_a_screen, too_wide
from tests.cli.test_simulate import scenario
from tests.cli.test_tree import LEAVES
from tests.databases import Sqlite
from tests.factories import a_ce, a_decision, a_pilot, a_vo
from tests.secrets import a_token
from worker import wiring
from worker.cli import show
from worker.cli.columns import Column, layout
from worker.cli.view import picture
from worker.cli.watch import Lines
from worker.db import mover, trials, work
from worker.db.database import Database
from worker.db.uow import Transaction
from worker.db.work import WorkRecord
from worker.domain.pilot import Cause, Move, Status, Use
from worker.domain.trial import Trial
from worker.policy.work import NoWork
from worker.services.observe.overview import overview

CE = "cream-07.cluster-a.example"
VO = "atlas-production"
NORMAL_CE = "lyon"
HANDLE = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefgh"
REASON = "the technicians of the third floor put in new disks and will call when they are done"
WIDTHS = (80, 100, 140)
NO_LISTINGS = {
    *("add", "set", "enable", "disable", "drain", "cancel", "renew", "run", "test", "remove"),
    *(
        "submit",
        "setup",
        "create",
        "drop",
        "reset",
        "migrate",
        "clean",
        "upgrade-all",
        "output",
        "payload",
    ),
    *("roles", "backup", "restore"),
}
"""The last words of commands that take --json and are no listings."""
ARGUMENTS = {
    ("ce", "name"): CE, ("ce", "ce"): CE, ("explain", "ce"): CE, ("vo", "name"): VO,
    ("pilot", "which"): "1", ("pilot", "ce"): CE,
    ("credential", "vo"): VO, ("credential", "backend"): "htcondor",
}  # fmt: skip
LISTINGS = sorted(
    path
    for path, command in LEAVES.items()
    if path[-1] not in NO_LISTINGS and "as_json" in {option.name for option in command.params}
)
# Cut times, but no cut path: a temporary folder may be called pilotage-tests-24….
CUT_TIME = re.compile(r"\d:\d*…|\d{4}-\d*…|\d-\d+…|\d\d [A-Z][a-z]{2}…")


@pytest.fixture
def long_site(
    sqlite_database: Database,
    sqlite_template: Sqlite,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Database:
    """A site with long names and texts everywhere."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def make() -> None:
        with sqlite_database.uow() as tx:
            _fill(tx)
        _fill_by_hand(cli, tmp_path_factory.mktemp("token"))

    sqlite_template.fill("everything is long", make)
    return sqlite_database


def _fill_by_hand(cli: Cli, folder: Path) -> None:
    now = datetime.now(UTC)
    token = a_token(
        folder / f"token-{'of-the-production-' * 4}role",
        iat=int((now - timedelta(hours=9)).timestamp()),
        exp=int((now + timedelta(hours=1)).timestamp()),
    )
    token_of_vo = ("credential", "add", VO, "htcondor", "--token", str(token))
    cli.ok(*token_of_vo, "--renew", "renew it " * 9)
    cli.ok("ce", "pause", CE, "--reason", REASON, "--until", "2h")
    cli.ok(*("ce", "maintenance", "add", NORMAL_CE, "--begin", "30d", "--end", "40d"),
           *("--reason", REASON))  # fmt: skip
    cli.ok("task", "schedule", "submit_pilots", "--vo", VO, "--every", "3600")
    cli.ok("token", "create", "nightly-test-of-the-site", "--role", "operate", "--vo", VO)


@pytest.fixture
def database_of_one(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A site with one CE, whose name is short."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    with sqlite_database.uow() as tx:
        a_pilot().on(a_ce().named("lyon").create(tx)).running().create(tx)
    return sqlite_database


def _fill(tx: Transaction) -> None:
    vo = a_vo().named(VO).create(tx)
    long = a_ce().named(CE).with_capacity(1200).tagged("a-tag-of-some-length", "another-tag-for-it")
    ce = long.with_options(queue_time=60, run_time=7200, spread="fixed").create(tx)
    full = a_ce().named(NORMAL_CE).with_capacity(1000).with_waiting_limit(3).create(tx)
    a_ce().named("a-ce-that-drains").draining().create(tx)
    now = datetime.now(UTC)
    for place in (ce, full):
        pilot = a_pilot().on(place).for_vo(vo).at(now)
        pilot.failed(Cause.OUT_OF_MEMORY).create_many(tx, 2)
        for status in (Status.RUNNING, Status.DONE, Status.LOST, Status.SUBMITTED):
            pilot.that_is(status).create_many(tx, 3)
    last = a_pilot().on(ce).for_vo(vo).at(now).with_handle(HANDLE).running().create(tx)
    move = Move(
        pilot_id=last.id, to=Status.FAILED, cause=Cause.OUT_OF_MEMORY, raw="OOM", reason=REASON
    )
    mover.move(tx, [move], now)
    for age in range(8, 0, -1):
        builder = a_decision().on(ce).for_vo(vo).at(now - timedelta(minutes=age)).granting(0)
        builder.because(f"held by hand: {REASON}").tracing({"note": REASON}).create(tx)
    a_pilot().on(ce).for_vo(vo).at(now).done(Use.SHORT).create_many(tx, 2)
    no_work = NoWork(reason="its last 1400 pilots in a row found no work, at 30 CEs", since=now)
    work.save(tx, {VO: WorkRecord(without_work=no_work)})
    trial = Trial(
        vo=VO,
        ce=ce.name,
        most=7,
        retry_at=now + timedelta(minutes=9),
        refused_at=now,
        reason=REASON,
    )
    trials.save(tx, [trial])
    a_decision().on(full).for_vo(vo).at(now).granting(123).because(REASON).create(tx)


def words_of(path: tuple[str, ...], tmp_path: Path) -> list[str]:
    """Return the words that call a listing, with all arguments that it needs."""
    words = list(path)
    for param in LEAVES[path].params:
        if isinstance(param, click.Argument) and param.required:
            place = (path[0], str(param.name))
            assert place in ARGUMENTS, f"add to ARGUMENTS what {place} may be"
            words.append(ARGUMENTS[place])
    extra = {"simulate": [scenario(tmp_path)], "apply": ["--dry-run"]}
    return [*words, *extra.get(path[0], [])]


def site_file(tmp_path: Path) -> str:
    path = tmp_path / "site.toml"
    path.write_text(f'[ce."{CE}"]\ncapacity = 5\nbackend = "sim"\n', encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("path", LISTINGS, ids=" ".join)
def test_a_listing_fits_the_terminal(
    long_site: Database, path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARGUMENTS, ("apply", "file"), site_file(tmp_path))
    words = words_of(path, tmp_path)
    for columns in WIDTHS:
        lines = on_a_screen(columns, *words)

        assert lines
        assert too_wide(lines, columns) == []
        for line in lines:
            assert not CUT_TIME.search(line), line
            for name in (CE, VO):
                assert name[:4] not in line or name in line, line


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_state_of_a_ce_is_never_cut_nor_left_out(long_site: Database, columns: int) -> None:
    for words in (("ce", "list"), ("status",)):
        lines = on_a_screen(columns, *words)
        states = {CE: r"held until \d\d(:\d\d| [A-Z])", "a-ce-that-drains": "draining"}
        for name, state in {**states, NORMAL_CE: "normal"}.items():
            [line] = [line for line in lines if re.search(rf"^{re.escape(name)} .* {state}", line)]
            assert line.startswith(name)


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_picture_fits_and_keeps_names_and_numbers(long_site: Database, columns: int) -> None:
    for height in (24, 40, None):
        lines = draw(long_site, columns, height)

        assert too_wide(lines, columns) == []
        assert height is None or len(lines) <= height
        [pause_line] = [line for line in lines if line.startswith(CE) and "held until" in line]
        assert " 3 " in pause_line
        [normal] = [line for line in lines if line.startswith(NORMAL_CE) and "normal" in line]
        assert ("0 (waiting limit)" if columns > 80 else "0 (waiting l") in normal
        [grant_line] = [line for line in lines if VO in line and NORMAL_CE in line]
        assert " 123 " in grant_line


def draw(database: Database, columns: int, height: int | None = None) -> list[str]:
    console = Console(width=columns, no_color=True)
    with console.capture() as capture:
        console.print(picture(overview(wiring.runtime()), columns, height))
    return capture.get().splitlines()


@pytest.mark.parametrize("columns", WIDTHS)
def test_equal_decisions_and_transitions_are_one_row(long_site: Database, columns: int) -> None:
    lines = draw(long_site, columns)

    [line] = [line for line in lines if VO in line and CE in line and "held" in line]
    assert columns == 80 or "8 x" in line
    assert any("and 2 more" in line for line in lines)


@pytest.mark.usefixtures("long_site")
def test_a_pipe_gets_whole_lines_and_an_explicit_width_is_kept(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, text in ((("pilot", "list"), HANDLE), (("status",), REASON)):
        assert any(text in line for line in cli.ok(*words).lines)
    assert "…" not in cli.ok("status").out

    monkeypatch.setenv("COLUMNS", "90")
    assert too_wide(cli.ok("pilot", "list").lines, 90) == []


@pytest.mark.usefixtures("long_site")
def test_what_a_machine_reads_is_whole_in_a_terminal(cli: Cli) -> None:
    for words in (("pilot", "list"), ("ce", "list"), ("task", "list")):
        in_terminal, in_pipe = on_a_screen(80, *words, "--json"), cli.ok(*words, "--json").lines
        # Seconds may pass between the two, so ages differ.
        assert [re.sub(r"\d+", "0", line) for line in in_terminal] == [
            re.sub(r"\d+", "0", line) for line in in_pipe
        ]


@pytest.mark.usefixtures("long_site")
def test_times_of_today_have_no_date() -> None:
    lines = on_a_screen(140, "pilot", "list", "--sort", "ended_at")
    assert any(re.search(r" \d\d:\d\d:\d\dZ( |$)", line) for line in lines)
    assert not any(f"{datetime.now(UTC):%Y-%m-%d}" in line for line in lines)
    [later] = on_a_screen(140, "ce", "maintenance", "list")[1:]
    then = datetime.now(UTC) + timedelta(days=30)
    assert f"{then:%d %b}" in later or f"{then:%Y-%m}" in later


def test_columns_of_little_worth_go_before_any_text_is_cut_short(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = (
        Column(name="first", rank=0),
        Column(name="dear", rank=1, least=6),
        Column(name="cheap", rank=9),
    )
    row = {"first": "f" * 10, "dear": "d" * 30, "cheap": "c" * 10}

    def cells(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        show.table([row], columns, "")
        return capsys.readouterr().out.splitlines()[1].split()

    assert cells(60) == ["f" * 10, "d" * 30, "c" * 10]
    assert cells(43) == ["f" * 10, "d" * 18 + "…", "c" * 10]
    assert cells(20) == ["f" * 10, "d" * 7 + "…"]
    assert cells(12) == ["f" * 10]


def test_the_column_of_least_worth_is_cut_first_even_if_it_is_the_narrower_one() -> None:
    columns = (Column(name="dear", rank=1, least=6), Column(name="cheap", rank=9, least=6))
    assert layout(columns, (6, 6), (30, 20), 52) == {0: 30, 1: 20}
    assert layout(columns, (6, 6), (30, 20), 45) == {0: 30, 1: 13}
    assert layout(columns, (6, 6), (30, 20), 38) == {0: 30, 1: 6}
    assert layout(columns, (6, 6), (30, 20), 20) == {0: 12, 1: 6}


def test_a_time_is_whole_or_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "_moment", lambda moment: f"{moment:%d %b %H:%M}Z")
    row = {"text": "t" * 40, "moment": datetime(2026, 3, 1, 12, 0, tzinfo=UTC), "number": 10**15}
    for width in range(12, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        show.table([row], ["text", "moment", "number"], "")
        line = capsys.readouterr().out.splitlines()[1]
        assert ("01 Mar" in line) == ("01 Mar 12:00Z" in line), line
        assert ("1000" in line) == (str(10**15) in line), line


def test_bars_are_short_where_there_is_little_room(database_of_one: Database) -> None:
    for columns, length in ((80, 8), (140, 18)):
        [line] = [one for one in draw(database_of_one, columns) if one.startswith("lyon ")]
        assert re.search(rf"▕[^▏]{{{length}}}▏", line), line


def test_what_is_not_normal_is_shown_where_not_all_fits(database_of_one: Database) -> None:
    with database_of_one.uow() as tx:
        for number in range(30):
            a_ce().named(f"ce{number:02}").create(tx)
        a_ce().named("zurich").disabled().create(tx)
    lines = draw(database_of_one, 80, 24)

    assert any(line.startswith("zurich ") for line in lines)
    assert any(re.fullmatch(r"\d+ more: pilotage ce list", line) for line in lines)


def test_a_status_and_its_number_stay_in_one_line(long_site: Database) -> None:
    for columns in (40, 60, 80):
        lines = draw(long_site, columns)
        for status in Status:
            assert any(re.search(rf"{status} \d", line) for line in lines), (columns, status)
        [end] = [n for n, line in enumerate(lines) if line.startswith("last hour")]
        assert end > 1
        assert all(re.match(r" {11}\S", line) for line in lines[1:end])


def test_lines_for_a_pipe_begin_with_what_is_new_and_are_in_order(
    long_site: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = overview(wiring.runtime())
    lines = Lines(begin)
    lines.show(begin)
    assert "→" not in capsys.readouterr().out

    with long_site.uow() as tx:
        earlier = datetime.now(UTC) - timedelta(minutes=5)
        pilot = a_pilot().at(earlier).running().create(tx)
    for _ in range(2):
        lines.show(overview(wiring.runtime()))
    output = capsys.readouterr().out.splitlines()

    moves = [line for line in output if f"pilot {pilot.id} " in line]
    assert [line.split("→ ")[1] for line in moves] == ["submitted", "running"]
    stamps = [line.split()[0] for line in output]
    assert stamps == sorted(stamps)
    assert stamps[0] >= f"{begin.at:%H:%M:%S}Z"
