"""`pilotage task`: every task by hand, and when each fires."""

import json
import logging
from datetime import UTC, datetime

import pytest

from tests.cli.command import Cli, contents
from tests.factories import a_ce, a_pilot
from worker import wiring
from worker.backends.sim.faults import Fault, switch_off, switch_on
from worker.db.database import Database
from worker.domain.schedule import Scope
from worker.services.tasks import catalogue, execute, prune, ticks

TASKS = catalogue.tasks()
ROW = {
    *("name", "scope", "vo", "fires", "every", "cron", "enabled"),
    *("fired", "done", "next", "outcome", "outcome_at", "seconds", "about"),
    *("firings_not_done", "not_done_since", "failed_at", "failed_for", "failure"),
}


def subject(name: str) -> tuple[str, ...]:
    return ("--ce", "lyon") if TASKS[name].scope is Scope.CE else ()


def test_list_names_every_task_and_when_it_fires(cli: Cli, world: Database) -> None:
    rows = cli.json("task", "list")

    assert [row["name"] for row in rows] == list(TASKS)
    assert all(set(row) == ROW for row in rows)
    assert {row["scope"] for row in rows} == {"vo", "ce", "global"}
    head, *lines = cli.ok("task", "list").lines
    assert head.split() == [
        *("name", "scope", "vo", "fires", "enabled", "fired", "done", "next"),
        *("outcome", "outcome", "at", "seconds"),
    ]
    assert "every 60 s" in lines[0]


@pytest.mark.parametrize("name", TASKS)
def test_a_dry_run_changes_nothing(cli: Cli, site: Database, name: str) -> None:
    before = contents(site)

    plain = cli.ok("task", "run", name, *subject(name), "--dry-run")
    data = cli.json("task", "run", name, *subject(name), "--dry-run")

    assert plain.out.startswith(name)
    assert set(data) == {"outcome", "counts", "lines", "busy", "left"}
    assert contents(site) == before


@pytest.mark.parametrize("name", TASKS)
def test_every_task_runs_by_hand(cli: Cli, site: Database, name: str) -> None:
    assert cli.ok("task", "run", name, *subject(name)).out.startswith(name)


def test_prune_by_hand_goes_on_to_the_end(
    cli: Cli, world: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 2)
    monkeypatch.setenv("PILOTAGE_KEEP_FINAL_DAYS", "0")
    with world.uow() as tx:
        ce = a_ce().create(tx)
        a_pilot().on(ce).done().create_many(tx, 5)
    answer = cli("task", "run", "prune", "--json")

    assert answer.code == 0
    assert json.loads(answer.out)["counts"]["pilots"] == 5
    assert [line.partition("still to do: ")[2] for line in answer.err.splitlines()] == [
        "pilots 3",
        "pilots 1",
    ]


@pytest.mark.usefixtures("world")
def test_explain_shows_each_step(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", "--backend", "sim", "--capacity", "3")

    assert cli.ok("task", "run", "submit_pilots").out == (
        "submit_pilots default: reserved 3, CEs 1\n"
    )
    lines = cli.ok("task", "run", "submit_pilots", "--explain").lines
    assert lines[0] == "submit_pilots default: reserved 0, CEs 0"
    assert lines[1].split()[:2] == ["lyon", "0"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("dispatch",), "name its CE"),
        (("dispatch", "--vo", "lhcb"), "leave --vo out"),
        (("submit_pilots", "--ce", "lyon"), "leave --ce out"),
        (("learn", "--vo", "lhcb"), "leave --vo out"),
        (("learn", "--ce", "lyon"), "leave --ce out"),
        (("submit_pilots", "--vo", "nobody"), "no VO of this name"),
        (("dispatch", "--ce", "nowhere"), "no CE of this name"),
        (("dispach", "--ce", "lyon"), "did you mean 'dispatch'?"),
    ],
)
def test_a_task_is_not_run_for_what_it_is_not_for(
    cli: Cli, site: Database, words: tuple[str, ...], part: str
) -> None:
    before = contents(site)
    assert part in cli.refused("task", "run", *words)
    assert part in cli.refused("task", "run", *words, "--dry-run")
    assert contents(site) == before


def test_a_task_that_fails_for_one_ce_is_listed_with_the_ce_and_the_reason(
    cli: Cli, site: Database
) -> None:
    cli.ok("task", "schedule", "reconcile", "--every", "60")
    switch_on(site.uow, "lyon", Fault.DOWN)
    cli("task", "run", "reconcile", "--ce", "lyon")
    cli.ok("task", "run", "reconcile", "--ce", "rome")

    [row] = [row for row in cli.json("task", "list") if row["name"] == "reconcile"]
    assert (row["outcome"], row["failed_for"]) == ("failed", "lyon")
    assert row["outcome_at"] == row["failed_at"]
    assert "connection refused" in row["failure"]
    at = f"{datetime.fromisoformat(row['failed_at']):%Y-%m-%d %H:%M:%S}Z"
    assert cli.ok("task", "list").lines[-1] == (
        f"reconcile failed for CE lyon at {at}: {row['failure']}"
    )
    switch_off(site.uow, "lyon")
    cli.ok("task", "run", "reconcile", "--ce", "lyon")
    [row] = [row for row in cli.json("task", "list") if row["name"] == "reconcile"]
    assert (row["outcome"], row["failed_for"], row["failure"]) == ("ok", None, None)


def test_a_firing_is_no_execution_and_an_execution_by_hand_is_none_by_a_worker(
    cli: Cli, site: Database
) -> None:
    cli.ok("task", "schedule", "learn", "--every", "60")
    fired_at = datetime.now(UTC)
    ticks.claim_due(site, fired_at)
    cli.ok("task", "run", "learn")
    [row] = [row for row in cli.json("task", "list") if row["name"] == "learn"]

    assert (datetime.fromisoformat(row["fired"]), row["done"]) == (fired_at, None)
    assert (row["firings_not_done"], row["outcome"]) == (1, "ok")
    execute.execute(TASKS["learn"], None, wiring.runtime())
    [row] = [row for row in cli.json("task", "list") if row["name"] == "learn"]
    assert datetime.fromisoformat(row["done"]) > fired_at
    assert row["firings_not_done"] == 0


def test_schedules_are_changed_for_all_and_for_one_vo(cli: Cli, site: Database) -> None:
    def row(name: str, vo: str | None = None) -> dict[str, object]:
        rows = cli.json("task", "list")
        (task,) = [row for row in rows if (row["name"], row["vo"]) == (name, vo)]
        return dict(task)

    assert cli.ok("task", "schedule", "submit_pilots", "--every", "30").out == (
        "submit_pilots: every 30 s\n"
    )
    cli.ok("task", "schedule", "submit_pilots", "--every", "10", "--vo", "lhcb")
    cli.ok("task", "schedule", "report", "--cron", "*/5 * * * *")
    assert row("submit_pilots")["every"] == 30
    assert row("submit_pilots", "lhcb")["every"] == 10
    report = row("report")
    assert (report["cron"], report["every"]) == ("*/5 * * * *", None)
    assert report["next"] is not None

    message = cli.ok("task", "disable", "submit_pilots", "--vo", "lhcb").out
    assert message == "submit_pilots for VO lhcb: every 10 s, disabled\n"
    assert (row("submit_pilots")["enabled"], row("submit_pilots", "lhcb")["enabled"]) == (
        True,
        False,
    )
    cli.ok("task", "enable", "submit_pilots", "--vo", "lhcb")
    assert row("submit_pilots", "lhcb")["enabled"] is True
    cli.ok("task", "disable", "learn")
    assert row("learn")["enabled"] is False


@pytest.mark.usefixtures("world")
def test_a_task_that_was_just_scheduled_fires_at_once(cli: Cli) -> None:
    cli.ok("task", "schedule", "submit_pilots", "--every", "10")

    [row] = [line for line in cli.ok("task", "list").lines if line.startswith("submit_pilots")]
    assert "at once" in row


@pytest.mark.usefixtures("world")
def test_the_log_line_of_a_task_for_all_has_no_stray_blank(
    cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cli.ok("task", "run", "learn")

    assert any(message.startswith("learn: outcomes") for message in caplog.messages)
