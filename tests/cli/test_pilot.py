"""`pilotage pilot`: looking at pilots and ending them."""

import pytest

from tests.cli.command import Cli, contents
from worker.db.database import Database

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


def test_list_pages(cli: Cli, site: Database) -> None:
    first = cli.json("pilot", "list", "--rows", "2")
    second = cli.json("pilot", "list", "--rows", "2", "--after", first["next"])

    assert [p["status"] for p in first["items"]] == ["reserved", "running"]
    assert [p["status"] for p in second["items"]] == ["done"]
    assert second["next"] is None


def test_a_pilot_is_found_by_its_id_and_by_its_stamp(cli: Cli, site: Database) -> None:
    row = cli.json("pilot", "list", "--status", "done")["items"][0]

    found = cli.json("pilot", "show", str(row["id"]))

    assert cli.json("pilot", "show", row["stamp"]) == found
    assert {key: found[key] for key in row} == row
    assert [step["became"] for step in found["history"]] == [
        *("reserved", "submitting", "submitted", "running", "done"),
    ]
    assert pilots(cli, "--search", row["stamp"][4:20].upper()) == [(row["id"], "done")]
    plain = cli.ok("pilot", "show", row["stamp"]).out
    assert ["stamp", row["stamp"]] in [line.split() for line in plain.splitlines()]
    assert "became" in plain


def test_what_was_never_sent_is_cancelled_at_once(cli: Cli, site: Database) -> None:
    (reserved, _), *_ = pilots(cli, "--status", "reserved")
    before = contents(site)

    assert "--yes" in cli.refused("pilot", "cancel", str(reserved))
    assert contents(site) == before

    told = cli.json("pilot", "cancel", str(reserved), str(reserved), "--yes")
    assert told["counts"]["cancelled"] == 1
    assert pilots(cli, "--status", "cancelled") == [(reserved, "cancelled")]
    again = cli.ok("pilot", "cancel", str(reserved), "--yes").out
    assert again == "1 pilot had ended already\n"


@pytest.mark.usefixtures("world")
def test_a_pilot_at_a_ce_writes_and_is_cancelled(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM, "--option", "queue_time=0", "--option", "run_time=600")
    cli.ok("task", "run", "submit_pilots")
    assert "has no output" in cli.refused("pilot", "output", str(pilots(cli)[0][0]))
    cli.ok("task", "run", "dispatch", "--ce", "lyon")
    (first, status), *_ = pilots(cli)
    assert status == "submitted"

    written = cli.ok("pilot", "output", str(first)).out
    stamp = cli.json("pilot", "show", str(first))["stamp"]
    assert stamp in written
    assert not written.endswith("\n\n")

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
