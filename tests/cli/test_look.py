"""`pilotage status`, `top`, `explain` and `plan`."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.command import Cli, contents
from worker.db import schedules
from worker.db.database import Database
from worker.domain.pilot import Status

SIM = ("--backend", "sim", "--capacity", "3")


def test_status_of_a_site(cli: Cli, site: Database) -> None:
    found = cli.json("status")

    assert set(found) == {
        *("at", "pilots", "ces", "credentials", "decisions", "transitions", "fired_at")
    }
    assert list(found["pilots"]) == [str(status) for status in Status]
    assert found["pilots"]["running"] == 1
    assert found["pilots"]["lost"] == 0
    lyon, rome = found["ces"]
    assert (lyon["name"], lyon["running"], lyon["reserved"], lyon["free"]) == ("lyon", 1, 1, 3)
    assert (rome["state"], rome["capacity"]) == ("disabled", 2)
    assert {step["ce"] for step in found["transitions"]} == {"lyon"}
    assert found["transitions"][0]["became"] == "done"


def test_status_and_top_in_a_pipe_print_one_picture(cli: Cli, site: Database) -> None:
    for word in ("status", "top"):
        lines = cli.ok(word).lines
        assert any(line.startswith("lyon") and line.endswith("normal") for line in lines)
        assert any(line.startswith("rome") and line.endswith("disabled") for line in lines)


@pytest.mark.parametrize(("minutes", "warned"), [(1, False), (12, True)])
def test_status_says_when_all_stands_still(
    cli: Cli, site: Database, minutes: int, warned: bool
) -> None:
    cli.ok("task", "schedule", "learn", "--every", "60")
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    with site.uow() as tx:
        assert schedules.claim(tx, {schedules.get(tx, "learn"): then}, then)
    told = "! no task has fired for 12 min: no scheduler is alive"
    assert (told in cli.ok("status").lines) is warned


@pytest.mark.usefixtures("world")
def test_status_without_a_ce_says_how_to_add_one(cli: Cli) -> None:
    plain = cli.ok("status").out

    assert "no CE yet: pilotage ce add" in plain
    assert "nothing was decided yet" in plain
    assert "nothing happened yet" in plain


@pytest.mark.usefixtures("world")
def test_explain_says_why_a_ce_got_what_it_got(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)
    cli.ok("ce", "add", "rome", *SIM, "--disabled")
    assert cli.ok("explain", "lyon").out == "nothing was decided about lyon yet\n"
    assert cli.json("explain", "lyon") == []

    cli.ok("task", "run", "submit_pilots")

    (decision,) = cli.json("explain", "lyon")
    assert set(decision) == {"vo", "ce", "at", "granted", "reason", "trace"}
    assert (decision["vo"], decision["ce"], decision["granted"]) == ("default", "lyon", 3)
    head, *steps, result = cli.ok("explain", "lyon").lines
    assert head.endswith("VO default: 3 pilots")
    assert result.split(maxsplit=1) == ["result", f"3: {decision['reason']}"]
    assert any(line.split()[:2] == ["free", "3"] for line in steps)
    (refused,) = cli.json("explain", "rome", "--vo", "default")
    assert (refused["granted"], "disabled" in refused["reason"]) == (0, True)


@pytest.mark.usefixtures("world")
def test_explain_looks_back_to_a_moment(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)
    cli.ok("task", "run", "submit_pilots")
    decided = cli.json("explain", "lyon")[0]["at"]
    cli.ok("task", "run", "submit_pilots")

    assert cli.json("explain", "lyon")[0]["granted"] == 0
    assert cli.json("explain", "lyon", "--at", decided)[0]["granted"] == 3
    assert cli.ok("explain", "lyon", "--at", "2020-01-31").out == (
        "nothing was decided about lyon by 2020-01-31 00:00:00Z\n"
    )


def test_plan_says_what_would_be_done_and_changes_nothing(cli: Cli, site: Database) -> None:
    before = contents(site)

    planned = cli.json("plan")
    plain = cli.ok("plan", "--vo", "lhcb").lines

    assert set(planned) == {"default", "lhcb"}
    given = sum(one["granted"] for found in planned.values() for one in found)
    assert given == 3
    assert {one["ce"] for one in planned["lhcb"]} == {"lyon", "rome"}
    assert plain[0].startswith("VO lhcb: ")
    assert [line.split()[0] for line in plain[1:]] == ["lyon", "rome"]
    assert contents(site) == before


def test_plan_answers_what_if(cli: Cli, site: Database) -> None:
    before = contents(site)
    more = cli.json("plan", "--set", "ce.lyon.capacity=50", "--demand", "lhcb=40")

    assert sum(one["granted"] for found in more.values() for one in found) == 48
    assert "did you mean 'lyon'" in cli.refused("plan", "--set", "ce.lion.capacity=50")
    assert "is not like" in cli.refused("plan", "--set", "lyon")
    assert "is not like" in cli.refused("plan", "--demand", "lhcb")
    assert "is not like" in cli.refused("plan", "--replay", "yesterday")
    assert "no --set" in cli.refused("plan", "--replay", "2026-01-01", "--vo", "lhcb")
    assert "did you mean 'fill_all'" in cli.refused("plan", "--policy", "fil_all")
    assert contents(site) == before
