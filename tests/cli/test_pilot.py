"""`pilotage pilot`: looking at pilots and ending them."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.command import Cli, contents
from tests.factories import a_ce, a_pilot
from worker.db import ces, mover
from worker.db.database import Database
from worker.domain.pilot import GROUP_LENGTH, Cause, Move, Status, Use

SIM = ("--backend", "sim", "--capacity", "3")


def pilots(cli: Cli, *words: str) -> list[tuple[int, str]]:
    return [(p["id"], p["status"]) for p in cli.json("pilot", "list", *words)["items"]]


def test_list_filters_by_status_ce_and_vo(cli: Cli, site: Database) -> None:
    whole = pilots(cli)

    assert [status for _, status in whole] == ["reserved", "running", "done"]
    assert pilots(cli, "--status", "running", "--status", "done") == whole[1:]
    assert pilots(cli, "--descending") == whole[::-1]
    assert pilots(cli, "--ce", "lyon", "--vo", "default") == whole
    assert pilots(cli, "--ce", "rome") == []
    assert pilots(cli, "--vo", "lhcb") == []


@pytest.fixture
def site_of_uses(site: Database) -> Database:
    """A site with a CE that has one pilot of each use."""
    with site.uow() as tx:
        bari = a_ce().named("bari").create(tx)
        for use in Use:
            a_pilot().on(bari).done(use).create(tx)
    return site


def test_list_filters_by_use(cli: Cli, site_of_uses: Database) -> None:
    def uses(*words: str) -> list[str]:
        return [p["use"] for p in cli.json("pilot", "list", *words)["items"]]

    assert uses("--use", "short") == ["short"]
    assert uses("--use", "empty", "--use", "short", "--descending") == ["empty", "short"]
    assert uses("--use", "useful", "--use", "empty", "--ce", "bari") == ["useful", "empty"]
    assert uses("--use", "short", "--ce", "lyon") == []
    assert uses("--ce", "lyon") == [None, None, "useful"]
    assert uses("--use", "short", "--status", "failed") == []
    assert uses("--use", "short", "--sort", "ended_at") == ["short"]
    message = cli.refused("pilot", "list", "--use", "short", "--sort", "age")
    assert "can be sorted by age, not done" in message
    assert "did you mean 'short'" in cli("pilot", "list", "--use", "shrt").err


@pytest.fixture
def site_of_many(site: Database) -> Database:
    """A site with a tagged CE: two of its pilots wait, three run and one has failed."""
    with site.uow() as tx:
        bari = a_ce().named("bari").tagged("gpu").create(tx)
        a_pilot().on(bari).submitted().create_many(tx, 2)
        a_pilot().on(bari).running().create_many(tx, 3)
        a_pilot().on(bari).failed(Cause.NODE).create(tx)
    return site


def test_list_filters_by_cause_tag_and_age(cli: Cli, site_of_many: Database) -> None:
    assert [status for _, status in pilots(cli, "--cause", "node")] == ["failed"]
    assert len(pilots(cli, "--tag", "gpu")) == 6
    assert pilots(cli, "--tag", "cpu") == []
    assert len(pilots(cli, "--tag", "gpu", "--older-than", "1s", "--status", "running")) == 3
    assert pilots(cli, "--older-than", "9000d") == []
    assert "is not a length of time like 2h" in cli("pilot", "list", "--older-than", "none").err
    assert "did you mean 'node'" in cli("pilot", "list", "--cause", "nodes").err
    assert "ce: it is empty" in cli.refused("pilot", "list", "--ce", "")


def test_a_set_of_pilots_is_shown_then_cancelled(cli: Cli, site_of_many: Database) -> None:
    which = ("pilot", "cancel", "--tag", "gpu", "--status", "submitted", "--status", "running")
    text = cli.ok(*which, "--dry-run").out
    assert re.search(r"bari +2 +3", text)
    assert "this would cancel 5 pilots at 1 CE (2 submitted, 3 running)" in text
    assert cli.json(*which, "--dry-run") == {
        "pilots": 5,
        "ces": {"bari": {"submitted": 2, "running": 3}},
    }
    assert "this would cancel 5 pilots at 1 CE" in cli.refused(*which)
    message = cli.ok(*which, "--yes").out
    assert message == "5 cancellations asked for: the next check of each CE ends them\n"
    assert cli.ok("pilot", "cancel", "--tag", "cpu", "--yes").out == "no active pilot matches\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name pilots, or choose them by an option such as --ce."),
        (("--yes",), "Name pilots, or choose them by an option such as --ce."),
        (("3", "--status", "running"), "not both"),
        (("3", "--dry-run"), "not both"),
    ],
)
def test_who_does_not_say_which_pilots_ends_none(
    cli: Cli, site_of_many: Database, words: tuple[str, ...], message: str
) -> None:
    answer = cli("pilot", "cancel", *words)
    assert answer.code == 2
    assert message in answer.err


def test_an_empty_variable_of_a_script_does_not_mean_all_pilots(
    cli: Cli, site_of_many: Database
) -> None:
    for option in ("--ce", "--vo", "--tag", "--node", "--handle"):
        assert "it is empty" in cli.refused("pilot", "cancel", option, "", "--yes")


def test_pilots_are_sent_by_hand(cli: Cli, site_of_many: Database) -> None:
    assert cli.ok("pilot", "submit", "bari", "--count", "2").out == (
        "2 slots held at bari for VO default: the next dispatch sends the pilots\n"
    )
    assert len(cli.json("pilot", "submit", "bari")["pilots"]) == 1
    assert cli.ok("pilot", "submit", "bari", "--count", "900").out.endswith(
        "of 900 slots were free\n"
    )
    assert "No slot is free" in cli.refused("pilot", "submit", "bari")
    assert "did you mean 'bari'" in cli.refused("pilot", "submit", "bary")
    assert cli("pilot", "submit", "bari", "--count", "0").code == 2


def test_the_use_of_a_pilot_is_shown_and_where_there_is_none_no_word(
    cli: Cli, site_of_uses: Database
) -> None:
    [short] = cli.json("pilot", "list", "--use", "short")["items"]
    assert cli.json("pilot", "show", str(short["id"]))["use"] == "short"
    rows = [line.split() for line in cli.ok("pilot", "show", str(short["id"])).lines]
    assert ["use", "short"] in rows
    number = pilots(cli, "--status", "running")[0][0]
    assert not any(line.startswith("use") for line in cli.ok("pilot", "show", str(number)).lines)


def test_the_use_stands_in_the_list_even_where_it_is_narrow(
    cli: Cli, site_of_uses: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("80", "140"):
        monkeypatch.setenv("COLUMNS", columns)
        head, *lines = cli.ok("pilot", "list", "--ce", "bari").lines
        assert "use" in head.split()
        assert [use for use in Use if any(use in line.split() for line in lines)] == [*Use]


def test_an_exit_code_is_shown_once(cli: Cli, site: Database) -> None:
    with site.uow() as tx:
        [one] = a_pilot().on(ces.get(tx, "lyon")).running().create_many(tx, 1)
        move = Move(
            pilot_id=one.id,
            to=Status.FAILED,
            cause=Cause.EXIT_CODE,
            raw="exit 78",
            reason="exit code 78",
            exit_code=78,
        )
        mover.move(tx, [move], datetime.now(UTC))
    text = cli.ok("pilot", "show", str(one.id)).out
    above, history = text.split("\n\n")
    assert re.findall(r".*\b78$", above, re.MULTILINE) == [
        "raw           exit 78",
        "exit code     78",
    ]
    assert "exit_code" not in history
    assert cli.json("pilot", "show", str(one.id))["reason"] == "exit code 78"


def test_list_pages(cli: Cli, site: Database) -> None:
    first = cli.json("pilot", "list", "--rows", "2")
    second = cli.json("pilot", "list", "--rows", "2", "--after", first["next"])

    assert [p["status"] for p in first["items"]] == ["reserved", "running"]
    assert [p["status"] for p in second["items"]] == ["done"]
    assert second["next"] is None


def test_a_pilot_is_found_by_its_id_and_by_its_stamp(cli: Cli, site: Database) -> None:
    row = cli.json("pilot", "list", "--status", "done")["items"][0]

    by_id = cli.json("pilot", "show", str(row["id"]))

    by_stamp = cli.json("pilot", "show", row["stamp"])
    for one in (row, by_id, by_stamp):
        del one["age"]  # it differs from one command to the next
    assert by_stamp == by_id
    assert {key: by_id[key] for key in row} == row
    assert [step["became"] for step in by_id["history"]] == [
        *("reserved", "submitting", "submitted", "running", "done"),
    ]
    assert row["id"] in dict(pilots(cli, "--search", row["stamp"][:20].upper()))
    assert pilots(cli, "--search", row["stamp"]) == [(row["id"], "done")]
    plain = cli.ok("pilot", "show", row["stamp"]).out
    assert ["stamp", row["stamp"]] in [line.split() for line in plain.splitlines()]
    assert "became" in plain


def test_what_was_never_sent_is_cancelled_at_once(cli: Cli, site: Database) -> None:
    (number, _), *_ = pilots(cli, "--status", "reserved")
    before = contents(site)

    assert "--yes" in cli.refused("pilot", "cancel", str(number))
    assert contents(site) == before

    data = cli.json("pilot", "cancel", str(number), str(number), "--yes")
    assert data["counts"]["cancelled"] == 1
    assert pilots(cli, "--status", "cancelled") == [(number, "cancelled")]
    again = cli.ok("pilot", "cancel", str(number), "--yes").out
    assert again == "1 pilot had ended already\n"


@pytest.mark.usefixtures("world")
def test_a_pilot_at_a_ce_writes_and_is_cancelled(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM, "--option", "queue_time=0", "--option", "run_time=600")
    cli.ok("task", "run", "submit_pilots")
    assert "has no output" in cli.refused("pilot", "output", str(pilots(cli)[0][0]))
    cli.ok("task", "run", "dispatch", "--ce", "lyon")
    (first, status), *_ = pilots(cli)
    assert status == "submitted"

    output = cli.ok("pilot", "output", str(first)).out
    stamp = cli.json("pilot", "show", str(first))["stamp"]
    assert stamp in output
    assert not output.endswith("\n\n")

    plain = cli.ok("pilot", "cancel", str(pilots(cli)[1][0]), "--yes").out
    assert plain == "1 cancellation accepted by the CE; a later check confirms\n"
    assert cli.json("pilot", "cancel", stamp, "--yes")["counts"] == {
        "cancelled": 0,
        "asked": 1,
        "over already": 0,
    }
    cli.ok("task", "run", "reconcile", "--ce", "lyon")
    cli.ok("task", "run", "check_pilots", "--ce", "lyon")
    assert (first, "cancelled") in pilots(cli, "--status", "cancelled")


def send(cli: Cli, number: int = 3) -> list[dict[str, Any]]:
    """Send pilots to a simulated CE that starts them at once; return their rows."""
    capacity = ("--backend", "sim", "--capacity", str(number))
    at_once = ("--option", "queue_time=0", "--option", "check_soonest=0.001")
    cli.ok("ce", "add", "lyon", *capacity, *at_once, "--option", "run_time=600")
    for task in ("submit_pilots", "dispatch", "check_pilots"):
        cli.ok("task", "run", task, *([] if task == "submit_pilots" else ["--ce", "lyon"]))
    rows: list[dict[str, Any]] = cli.json("pilot", "list")["items"]
    return rows


@pytest.mark.usefixtures("world")
def test_a_pilot_is_found_by_what_its_ce_says(cli: Cli) -> None:
    [first, *_] = send(cli)
    handle, number = first["handle"], first["id"]

    assert cli.json("pilot", "show", handle)["id"] == number
    assert cli.json("pilot", "show", handle, "--ce", "lyon")["id"] == number
    assert pilots(cli, "--handle", handle) == [(number, first["status"])]
    assert pilots(cli, "--search", handle) == [(number, first["status"])]
    assert pilots(cli, "--handle", "no-such-id") == []
    assert "matches several pilots" in cli.refused("pilot", "show", first["stamp"][:GROUP_LENGTH])
    assert first["stamp"] in cli.ok("pilot", "output", handle).out
    assert f"cancel pilot {number}:" in cli.refused("pilot", "cancel", handle)
    assert cli.json("pilot", "cancel", handle, "--yes")["counts"]["asked"] == 1
    for word in ("", " ", "2\x00_1", "\x1b[31m", "x" * 600):
        assert "no such pilot" in cli.refused("pilot", "show", word)


@pytest.mark.usefixtures("world")
def test_the_node_and_the_times_are_shown_and_can_be_chosen_by(cli: Cli) -> None:
    rows = send(cli, 20)
    node = rows[0]["node"]

    assert re.fullmatch(r"node[0-9]{2}", node)
    alike = [row["id"] for row in rows if row["node"] == node]
    assert [i for i, _ in pilots(cli, "--node", node)] == alike
    assert all(0 <= row["run_time"] <= row["age"] for row in rows)
    plain = cli.ok("pilot", "show", str(rows[0]["id"])).lines
    words = [line.split() for line in plain]
    assert ["node", node] in words
    assert any(line[:2] == ["run", "time"] for line in words)
    assert not any(line[0] in ("attempts", "misses", "requeues") for line in words if line)
    head, *_, note = cli.ok("pilot", "list", "--sort", "run_time", "--descending").lines
    assert "run time" in head
    assert note == "sorted by run_time: only pilots that are running"
    assert "only pilots that are running can be sorted by run_time, not done" in cli.refused(
        "pilot", "list", "--sort", "run_time", "--status", "done"
    )
