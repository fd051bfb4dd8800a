"""`pilotage report`: the summaries that the task of this name stored."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.command import Cli
from tests.factories import a_ce, a_pilot
from worker.db import reports
from worker.db.database import Database
from worker.domain.pilot import Use


def summary(running: int) -> dict[str, object]:
    pilots = {"reserved": 1, "submitting": 2, "submitted": 4, "running": running}
    return {"pilots": pilots, "available_ces": 3, "free_slots": 40, "credentials": []}


@pytest.fixture
def reported(site: Database) -> Database:
    """Store a report of now, of an hour ago and of two days ago."""
    now = datetime.now(UTC)
    with site.uow() as tx:
        for running, ago in enumerate((timedelta(days=2), timedelta(hours=1), timedelta())):
            reports.add(tx, summary(running), now - ago)
    return site


def test_what_the_task_stores_is_shown(cli: Cli, site: Database) -> None:
    cli.ok("task", "run", "report")

    [stored] = cli.json("report")["items"]
    assert set(stored) == {
        *("at", "pilots", "good_ends", "available_ces", "free_slots", "credentials"),
    }
    assert (stored["pilots"]["running"], stored["pilots"]["done"]) == (1, 1)
    assert stored["free_slots"] == 3


def test_the_good_ends_of_the_last_hour_are_counted(cli: Cli, site: Database) -> None:
    now = datetime.now(UTC)
    with site.uow() as tx:
        bari = a_ce().named("bari").create(tx)
        for use, number in ((Use.USEFUL, 3), (Use.SHORT, 2)):
            a_pilot().on(bari).at(now).done(use).create_many(tx, number)
        a_pilot().on(bari).at(now - timedelta(hours=2)).done(Use.EMPTY).create(tx)
    cli.ok("task", "run", "report")
    cli.ok("task", "run", "tally")
    cli.ok("task", "run", "report")

    for stored in cli.json("report")["items"]:
        assert stored["good_ends"] == {"useful": 3, "short": 2, "empty": 0}
    assert cli.ok("report").lines[1].split()[-1] == "2"


def test_the_latest_report_comes_first(
    cli: Cli, reported: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, now, before = cli.ok("report").lines

    statuses = ("running", "done", "failed", "cancelled", "lost")
    assert head.split() == ["at", "waiting", *statuses, "free", "no", "use/h"]
    assert now.split()[2:] == ["7", "2", "0", "0", "0", "0", "40", "-"]
    assert before.split()[3] == "1"
    monkeypatch.setenv("COLUMNS", "80")
    for line in cli.ok("report").lines:
        assert len(line) <= 80


def test_reports_are_shown_since_a_moment(cli: Cli, reported: Database) -> None:
    def running(*words: str) -> list[int]:
        return [item["pilots"]["running"] for item in cli.json("report", *words)["items"]]

    assert running() == [2, 1]
    assert running("--since", "3d") == [2, 1, 0]
    assert running("--since", "30m") == [2]
    first = cli.json("report", "--since", "3d", "--rows", "2")
    assert running("--since", "3d", "--after", first["next"]) == [0]
    cli.refused("report", "--since", "soon")


def test_no_report_is_said_in_a_line(cli: Cli, site: Database) -> None:
    assert cli.ok("report").out.startswith("no report was stored since 20")
