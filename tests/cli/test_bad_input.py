"""Wrong input of every kind: one clear line, exit code 1 or 2, and no change."""

import pytest

from tests.cli.command import Cli, address, contents, process
from tests.cli.conftest import furnish, small_site
from tests.databases import Sqlite
from worker.cli.options import LONGEST_SEARCH
from worker.db.database import Database

MEANT_LYON = "did you mean 'lyon'?"
MEANT_LHCB = "did you mean 'lhcb'?"
SIM = ("--backend", "sim", "--capacity", "3")
ADD = ("ce", "add", "oslo")
HOSTILE = {
    "a space": "a b",
    "a line break": "a\nb",
    "a semicolon": "a;b",
    "a shell's words": "$(reboot)",
    "a quote": "a'b",
    "a percent sign": "%",
    "a leading dash": "-x",
    "a leading dot": "../x",
    "no ASCII": "zürich",
    "an emoji": "🚀",
    "an escape": "\x1b[31mred",
    "nothing": "",
    "too much": "x" * 200,
}

WRONG = {
    "an unknown back-end": ((*ADD, "--backend", "smi", "--capacity", "3"), "did you mean 'sim'?"),
    "a negative capacity": ((*ADD, "--capacity", "-1"), "-1 is below 0"),
    "no capacity": (ADD, "--capacity"),
    "a capacity that is no number": ((*ADD, "--capacity", "many"), "'many'"),
    "a capacity with a fraction": ((*ADD, "--capacity", "1.5"), "'1.5'"),
    "a huge capacity": ((*ADD, "--capacity", "3000000000"), "above 2147483647"),
    "an immense capacity": ((*ADD, "--capacity", "9" * 400), "above 2147483647"),
    "a success rate of 1.5": ((*ADD, *SIM, "--success-rate", "1.5"), "1.5 is above 1"),
    "a success rate below 0": ((*ADD, *SIM, "--success-rate", "-0.1"), "-0.1 is below 0"),
    "a success rate of nan": ((*ADD, *SIM, "--success-rate", "nan"), "nan is not a number"),
    "an infinite success rate": ((*ADD, *SIM, "--success-rate", "inf"), "success rate"),
    "a negative waiting limit": ((*ADD, *SIM, "--waiting-limit", "-1"), "-1 is below 0"),
    "a waiting limit in words": ((*ADD, *SIM, "--waiting-limit", "few"), "nor 'none'"),
    "a name that is taken": (("ce", "add", "lyon", *SIM), "This name is taken: CE: lyon"),
    "a VO's name that is taken": (("vo", "add", "lhcb"), "This name is taken: VO: lhcb"),
    "a CE that is there already": (("ce", "add", "lyon", *SIM), "'pilotage ce set lyon'"),
    "a VO that is there already": (("vo", "add", "lhcb"), "'pilotage vo set lhcb'"),
    "a mistyped CE to set": (("ce", "set", "lyno", "--capacity", "1"), MEANT_LYON),
    "a mistyped CE to show": (("ce", "show", "Lyon"), MEANT_LYON),
    "a CE in capital letters": (("ce", "show", "LYON"), MEANT_LYON),
    "a mistyped CE to explain": (("explain", "lyno"), MEANT_LYON),
    "a mistyped CE to test": (("ce", "test", "lyno"), MEANT_LYON),
    "a mistyped CE to compare": (("ce", "diff", "lyno"), MEANT_LYON),
    "a mistyped CE to pause": (("ce", "pause", "lyno", "--reason", "x"), MEANT_LYON),
    "a mistyped CE to resume": (("ce", "resume", "lyno"), MEANT_LYON),
    "the pauses of a mistyped CE": (("ce", "pauses", "lyno"), MEANT_LYON),
    "a mistyped CE of a task": (("task", "run", "dispatch", "--ce", "lyno"), MEANT_LYON),
    "a mistyped CE of pilots": (("pilot", "list", "--ce", "lyno"), MEANT_LYON),
    "a mistyped VO to set": (("vo", "set", "lhbc", "--limit", "1"), MEANT_LHCB),
    "a mistyped VO to ask": (("vo", "ask", "lhbc"), MEANT_LHCB),
    "a mistyped VO of a task": (("task", "run", "submit_pilots", "--vo", "lhbc"), MEANT_LHCB),
    "a mistyped VO of a schedule": (
        ("task", "schedule", "submit_pilots", "--every", "9", "--vo", "lhbc"),
        MEANT_LHCB,
    ),
    "a mistyped VO of a CE": (("ce", "set", "lyon", "--vo", "lhbc"), MEANT_LHCB),
    "a mistyped VO of a credential": (
        ("credential", "add", "lhbc", "arc", "--proxy", "/x"),
        MEANT_LHCB,
    ),
    "a mistyped VO of a payload": (("vo", "payload", "lhbc"), MEANT_LHCB),
    "a mistyped column": (("ce", "list", "--sort", "capasity"), "did you mean 'capacity'?"),
    "a mistyped status": (("pilot", "list", "--status", "runing"), "did you mean 'running'?"),
    "a mistyped back-end to list": (("ce", "list", "--backend", "smi"), "did you mean 'sim'?"),
    "a mistyped kind of a credential": (
        ("credential", "show", "lhcb", "arc", "--kind", "prxy"),
        "did you mean 'proxy'?",
    ),
    "a setting as an option of a CE": ((*ADD, *SIM, "--option", "instance=x"), "PILOTAGE_INSTANCE"),
    "an option that is no number": (
        (*ADD, *SIM, "--option", "queue_time=soon"),
        "option 'queue_time' of back-end sim: it must be a number",
    ),
    "a VO's name that means every VO": (("vo", "add", "all"), "it means every VO"),
    "a bad tag": ((*ADD, *SIM, "--tag", "a b"), "tag name 'a b'"),
    "an option without a value": ((*ADD, *SIM, "--option", "seed"), "'seed' is not KEY=VALUE"),
    "an option without a name": ((*ADD, *SIM, "--option", "=3"), "'=3' is not KEY=VALUE"),
    "an unknown option of a back-end": ((*ADD, *SIM, "--option", "sed=3"), "did you mean 'seed'?"),
    "a bad option of a back-end": ((*ADD, *SIM, "--option", "run_time=-1"), "run_time"),
    "a restriction to an unknown VO": (
        (*ADD, *SIM, "--vo", "nobody"),
        "no VO of this name: nobody",
    ),
    "a change to a bad value": (("ce", "set", "lyon", "--capacity", "-1"), "-1 is below 0"),
    "a change to a bad option": (("ce", "set", "lyon", "--option", "x=1"), "option 'x'"),
    "an unknown CE to show": (("ce", "show", "nowhere"), "no CE of this name: nowhere"),
    "an unknown CE to set": (("ce", "set", "nowhere", "--capacity", "1"), "nowhere"),
    "an unknown CE to drain": (("ce", "drain", "nowhere"), "nowhere"),
    "an unknown CE to remove": (("ce", "remove", "nowhere", "--yes"), "nowhere"),
    "an unknown CE to explain": (("explain", "nowhere"), "no CE of this name: nowhere"),
    "an unknown CE to list pilots of": (("pilot", "list", "--ce", "nowhere"), "nowhere"),
    "an unknown VO to show": (("vo", "show", "nobody"), "no VO of this name: nobody"),
    "an unknown VO to enable": (("vo", "enable", "nobody"), "nobody"),
    "an unknown VO to remove": (("vo", "remove", "nobody", "--yes"), "nobody"),
    "an unknown VO to plan for": (("plan", "--vo", "nobody"), "nobody"),
    "an unknown VO to explain": (("explain", "lyon", "--vo", "nobody"), "nobody"),
    "an unknown VO to list pilots of": (("pilot", "list", "--vo", "nobody"), "nobody"),
    "an unknown VO to schedule for": (
        ("task", "schedule", "submit_pilots", "--every", "9", "--vo", "nobody"),
        "nobody",
    ),
    "a negative share": (("vo", "set", "lhcb", "--share", "-1"), "-1.0 is below 0"),
    "a share of nan": (("vo", "set", "lhcb", "--share", "nan"), "nan is not a number"),
    "a negative limit": (("vo", "set", "lhcb", "--limit", "-1"), "-1 is below 0"),
    "a huge demand": (("vo", "set", "lhcb", "--demand", "9" * 20), "above 2147483647"),
    "an unknown pilot": (("pilot", "show", "999999"), "no such pilot: 999999"),
    "an unknown stamp": (("pilot", "show", "0" * 32), "no such pilot"),
    "a pilot's id that is no number": (("pilot", "show", "²"), "name a pilot by its number"),
    "a pilot's id with a sign": (("pilot", "show", "+1"), "name a pilot by its number"),
    "a pilot's id that is too long": (("pilot", "show", "9" * 25), "name a pilot by its number"),
    "an unknown pilot to cancel": (("pilot", "cancel", "999999", "--yes"), "999999"),
    "no pilot to cancel": (("pilot", "cancel", "--yes"), "Name pilots, or choose them"),
    "an unknown pilot's output": (("pilot", "output", "999999"), "999999"),
    "an unknown status": (("pilot", "list", "--status", "dead"), "'dead'"),
    "an unknown task": (("task", "run", "reconsile"), "did you mean 'reconcile'?"),
    "an unknown task to schedule": (("task", "schedule", "x", "--every", "9"), "known: "),
    "an unknown task to disable": (("task", "disable", "lern"), "did you mean 'learn'?"),
    "a bad cron line": (("task", "schedule", "report", "--cron", "often"), "cron line: 'often'"),
    "a cron line that never fires": (
        ("task", "schedule", "report", "--cron", "0 0 31 2 *"),
        "'0 0 31 2 *'",
    ),
    "an interval of 0": (("task", "schedule", "report", "--every", "0"), "0"),
    "an interval of nan": (("task", "schedule", "report", "--every", "nan"), "nan"),
    "an endless interval": (("task", "schedule", "report", "--every", "inf"), "above"),
    "an interval beyond all time": (("task", "schedule", "report", "--every", "1e300"), "above"),
    "an interval with a unit": (("task", "schedule", "report", "--every", "5m"), "'5m'"),
    "interval and cron at once": (
        ("task", "schedule", "report", "--every", "9", "--cron", "* * * * *"),
        "not both",
    ),
    "neither interval nor cron": (("task", "schedule", "report"), "give --every or --cron"),
    "a VO for a task that is for all": (
        ("task", "schedule", "report", "--every", "9", "--vo", "lhcb"),
        "its scope is global",
    ),
    "an unknown command": (("pilots",), "did you mean 'pilot'?"),
    "an unknown word of a command": (("ce", "ad"), "did you mean 'add'? See 'pilotage ce --help'"),
    "an unknown word like no other": (("ce", "xyzzy"), "known: "),
    "an unknown option": (("ce", "list", "--jsn"), "Did you mean '--json'? See"),
    "a word too many": (("ce", "list", "lyon"), "lyon"),
    "a bad duration": (("up", "--for", "soon"), "'soon' is not a length of time like 2h"),
    "a bad cursor": (("ce", "list", "--after", "zzz"), "after"),
    "the cursor of another list": (("pilot", "list", "--after", "WyJseW9uIiwgMV0"), "after"),
    "an empty cursor": (("vo", "list", "--after", ""), "after"),
    "a cursor that is no text": (("vo", "list", "--after", "é"), "after"),
    "an unknown column": (("ce", "list", "--sort", "colour"), "known: capacity, id, name"),
    "a long text to search for": (("ce", "list", "--search", "%" * 100_000), "longer than 1000"),
    "no rows": (("ce", "list", "--rows", "0"), "--rows"),
    "too many rows": (("ce", "list", "--rows", "10001"), "--rows"),
    "a bad date": (("explain", "lyon", "--at", "yesterday"), "nor a moment like 2026-01-31T12:00"),
    "a month too many": (("explain", "lyon", "--at", "2026-13-01"), "'2026-13-01'"),
    "a date beyond all time": (
        ("explain", "lyon", "--at", "9999-12-31T23:59-23:00"),
        "nor a moment like 2026-01-31T12:00",
    ),
    "looking without end": (("top", "--interval", "inf"), "inf"),
    "looking every 0 seconds": (("top", "--interval", "0"), "0"),
    "a token without a role": (("token", "create", "ci"), "--role"),
    "a mistyped role": (
        ("token", "create", "ci", "--role", "oprate"),
        "did you mean 'operate'?",
    ),
    "a token's name with a space": (("token", "create", "a b", "--role", "read"), "token name"),
    "a token for an unknown VO": (
        ("token", "create", "ci", "--role", "operate", "--vo", "lhbc"),
        MEANT_LHCB,
    ),
    "a token that reads for one VO": (
        ("token", "create", "ci", "--role", "read", "--vo", "lhcb"),
        "only operate is",
    ),
    "a token for ever": (("token", "create", "ci", "--role", "read", "--for", "731d"), "730d"),
    "a token for no time": (("token", "create", "ci", "--role", "read", "--for", "0s"), "1s"),
    "a token for a while": (("token", "create", "ci", "--role", "read", "--for", "long"), "'long'"),
    "a token in no folder": (
        ("token", "create", "ci", "--role", "read", "--to", "/nowhere/token"),
        "/nowhere/token: No such file",
    ),
    "an unknown token to revoke": (("token", "revoke", "ci", "--yes"), "no token of this name"),
    "a link of an admin for one VO": (("token", "link", "--vo", "lhcb"), "only operate is"),
    "an unknown chain": (("backend", "revision", "smi", "x"), "did you mean 'sim'?"),
}


@pytest.fixture
def small(
    monkeypatch: pytest.MonkeyPatch, sqlite_database: Database, sqlite_template: Sqlite
) -> Database:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    small_site(sqlite_database, sqlite_template)
    return sqlite_database


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, postgresql_database: Database) -> Database:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_database.url))
    with postgresql_database.uow() as tx:
        furnish(tx)
    return postgresql_database


@pytest.mark.finding("L4")
@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "é"])
def test_a_text_to_search_for_is_short_enough_for_every_database(
    cli: Cli, small: Database, text: str
) -> None:
    assert cli.json("ce", "list", "--search", text * LONGEST_SEARCH)["items"] == []
    assert "longer than" in cli.refused("ce", "list", "--search", text * (LONGEST_SEARCH + 1))


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused_in_one_line_and_changes_nothing(
    cli: Cli, small: Database, what: str
) -> None:
    words, part = WRONG[what]
    before = contents(small)

    assert part in cli.refused(*words)

    assert contents(small) == before


@pytest.mark.slow
@pytest.mark.postgresql
def test_all_of_it_is_refused_on_postgresql_too(cli: Cli, large: Database) -> None:
    before = contents(large)

    for words, part in WRONG.values():
        assert part in cli.refused(*words)

    assert contents(large) == before


@pytest.mark.parametrize("what", HOSTILE)
def test_no_name_can_be_misread_by_a_shell_a_log_or_a_url(
    cli: Cli, small: Database, what: str
) -> None:
    before = contents(small)

    refuse_the_name(cli, HOSTILE[what])

    assert contents(small) == before


@pytest.mark.postgresql
def test_no_name_can_be_misread_on_postgresql_either(cli: Cli, large: Database) -> None:
    before = contents(large)

    for name in HOSTILE.values():
        refuse_the_name(cli, name)

    assert contents(large) == before


def refuse_the_name(cli: Cli, name: str) -> None:
    assert "CE name" in cli.refused("ce", "add", *SIM, "--", name)
    assert "VO name" in cli.refused("vo", "add", "--", name)
    assert "no CE" in cli.refused("ce", "show", "--", name)
    cli.refused("pilot", "show", "--", name)
    cli.refused("task", "run", "--", name)
    cli.refused("backend", "migrate", "--", name)


@pytest.mark.parametrize("words", [("ce", "show", "\udce9"), ("\udce9",), ("ce", "--\udce9")])
def test_a_word_that_is_not_utf_8_is_one_line(cli: Cli, words: tuple[str, ...]) -> None:
    line = cli.refused(*words)

    assert "is not UTF-8" in line
    assert "\\udce9" in line


@pytest.mark.slow
def test_an_output_that_does_not_know_a_sign_has_another_in_its_place(small: Database) -> None:
    words = ("ce", "set", "lyon", "--capacity", "6")
    answer = process(*words, PYTHONIOENCODING="iso-8859-1")

    assert (answer.code, answer.err) == (0, "")
    assert "capacity 5 ? 6" in answer.out


@pytest.mark.slow
def test_a_word_in_other_bytes_is_one_line_of_a_process(small: Database) -> None:
    answer = process("ce", "show", "\udce9")

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
