"""`pilotage report`: the summaries that the task of this name stored."""

import csv
import io
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.command import Cli
from tests.factories import a_ce, a_pilot
from worker.db import reports
from worker.db.database import Database
from worker.domain.pilot import Cause, Use


def summary(number: int) -> dict[str, object]:
    pilots = {"reserved": 1, "submitting": 2, "submitted": 4, "running": number}
    return {"pilots": pilots, "available_ces": 3, "free_slots": 40, "credentials": []}


@pytest.fixture
def site_with_reports(site: Database) -> Database:
    """A site with reports of now, of an hour ago and of two days ago."""
    now = datetime.now(UTC)
    with site.uow() as tx:
        for number, ago in enumerate((timedelta(days=2), timedelta(hours=1), timedelta())):
            reports.add(tx, summary(number), now - ago)
    return site


def test_what_the_task_stores_is_shown(cli: Cli, site: Database) -> None:
    cli.ok("task", "run", "report")

    [report] = cli.json("report")["items"]
    assert set(report) == {
        *("at", "pilots", "good_ends", "available_ces", "free_slots", "credentials"),
    }
    assert (report["pilots"]["running"], report["pilots"]["done"]) == (1, 1)
    assert report["free_slots"] == 3


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

    for report in cli.json("report")["items"]:
        assert report["good_ends"] == {"useful": 3, "short": 2, "empty": 0}
    assert cli.ok("report").lines[1].split()[-1] == "2"


def test_the_latest_report_comes_first(
    cli: Cli, site_with_reports: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, now, before = cli.ok("report").lines

    statuses = ("running", "done", "failed", "cancelled", "lost")
    assert head.split() == ["at", "waiting", *statuses, "free", "no", "use/h"]
    assert now.split()[2:] == ["7", "2", "0", "0", "0", "0", "40", "-"]
    assert before.split()[3] == "1"
    monkeypatch.setenv("COLUMNS", "80")
    for line in cli.ok("report").lines:
        assert len(line) <= 80


def test_reports_are_shown_since_a_moment(cli: Cli, site_with_reports: Database) -> None:
    def numbers(*words: str) -> list[int]:
        return [item["pilots"]["running"] for item in cli.json("report", *words)["items"]]

    assert numbers() == [2, 1]
    assert numbers("--since", "3d") == [2, 1, 0]
    assert numbers("--since", "30m") == [2]
    first = cli.json("report", "--since", "3d", "--rows", "2")
    assert numbers("--since", "3d", "--after", first["next"]) == [0]
    cli.refused("report", "--since", "soon")


def test_no_report_is_said_in_a_line(cli: Cli, site: Database) -> None:
    assert cli.ok("report").out.startswith("no report was stored since 20")


@pytest.fixture
def site_with_ends(site: Database) -> Database:
    """A CE where pilots ended in the last hour, and another with a long name."""
    now = datetime.now(UTC)
    with site.uow() as tx:
        for name in ("bari", "lhcb-ce_07.example.org"):
            ce = a_ce().named(name).with_capacity(20).create(tx)
            builder = a_pilot().on(ce).at(now)
            builder.done(Use.USEFUL).create_many(tx, 6)
            builder.done(Use.SHORT).create(tx)
            builder.failed(Cause.NODE).create_many(tx, 3)
    return site


def test_what_pilots_did_is_added_up_by_ce_in_a_table_of_80_columns(
    cli: Cli, site_with_ends: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli.ok("report", "--by", "ce,vo,day").out.splitlines()

    assert all(len(line) <= 80 for line in lines)
    bari = next(line for line in lines if line.startswith("bari")).split()
    assert bari[3:7] == ["10", "6", "1", "3"]
    assert lines[-1].split()[:3] == ["all", "all", "all"]


def test_json_and_csv_say_the_same(cli: Cli, site_with_ends: Database) -> None:
    answer = cli.json("report", "--by", "ce,vo")
    [bari] = [one for one in answer["items"] if one["ce"] == "bari"]
    assert (bari["ended"], bari["causes"], bari["success"]) == (10, {"node": 3}, 0.6)
    assert answer["total"]["ended"] == sum(one["ended"] for one in answer["items"])

    rows = list(csv.DictReader(io.StringIO(cli.ok("report", "--by", "ce,vo", "--csv").out)))
    [row] = [one for one in rows if one["ce"] == "bari"]
    assert (row["ended"], row["failed_node"], row["failed_exit_code"]) == ("10", "3", "0")


def test_a_picture_needs_no_network(cli: Cli, site_with_ends: Database, tmp_path: Path) -> None:
    path = tmp_path / "ends.svg"
    cli.ok("report", "--by", "ce", "--plot", str(path))
    text = path.read_text(encoding="utf-8")

    assert ET.fromstring(text).tag.endswith("svg")
    assert "bari" in text
    assert "<script" not in text
    links = set(re.findall(r"(?:href|src)=\"([^\"#][^\"]*)\"|url\((https?:[^)]*)\)", text))
    assert not links


def test_without_the_library_it_says_how_to_get_it(
    cli: Cli, site_with_ends: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pygal", None)
    message = cli.refused("report", "--by", "ce", "--plot", str(tmp_path / "ends.svg"))
    assert "pip install 'pilotage[plot]'" in message


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--by", "node"), "'node' is not one of ce, vo, day"),
        (("--csv",), "give --by too"),
        (("--ce", "lyon"), "give --by too"),
        (("--by", "ce", "--csv", "--json"), "choose one"),
        (("--by", "ce", "--after", "x"), "there are no pages"),
        (("--by", "ce", "--plot", "/nowhere/a.svg"), "is not an .svg file"),
        (("--by", "ce", "--ce", "nowhere"), "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(
    cli: Cli, site_with_ends: Database, words: tuple[str, ...], why: str
) -> None:
    assert why in cli.refused("report", *words)
