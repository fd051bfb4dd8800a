"""`pilotage metrics`, read by Prometheus's own parser."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.command import Cli
from tests.secrets import a_token, write
from worker.db import schedules, work
from worker.db.database import Database
from worker.db.work import WorkRecord
from worker.domain.schedule import Outcome
from worker.domain.vo import DEFAULT_VO
from worker.policy.work import NoWork

LABELS = ("ce", "task", "vo", "backend", "kind", "status", "queue", "state")
Metrics = dict[tuple[str, ...], float]


def parse(text: str) -> dict[str, Metrics]:
    """Parse metrics as Prometheus does; return them by name and by the values of their labels."""
    return {
        family.name: {
            tuple(one.labels[name] for name in LABELS if name in one.labels): one.value
            for one in family.samples
        }
        for family in text_string_to_metric_families(text)
    }


def test_each_ce_has_its_numbers(cli: Cli, site: Database) -> None:
    metrics = parse(cli.ok("metrics").out)

    assert metrics["pilotage_pilots"] == {
        ("lyon", "sim", "reserved"): 1,
        ("lyon", "sim", "submitting"): 0,
        ("lyon", "sim", "submitted"): 0,
        ("lyon", "sim", "running"): 1,
        **{
            ("rome", "sim", status): 0
            for status in ("reserved", "submitting", "submitted", "running")
        },
    }
    assert metrics["pilotage_ce_capacity"] == {("lyon", "sim"): 5, ("rome", "sim"): 2}
    assert metrics["pilotage_ce_free_slots"][("lyon", "sim")] == 3
    assert metrics["pilotage_ce_gets_pilots"] == {
        ("lyon", "sim", "normal"): 1,
        ("rome", "sim", "disabled"): 0,
    }
    assert 0 < metrics["pilotage_ce_chance"][("lyon", "sim")] <= 1
    chances = {ce["name"]: ce["chance"] for ce in cli.json("status")["ces"]}
    for (ce, _), rate in metrics["pilotage_ce_chance"].items():
        assert rate == pytest.approx(chances[ce], abs=1e-3)


def test_a_credential_tells_how_long_it_holds(cli: Cli, site: Database, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    begins, ends = now - timedelta(hours=9), now + timedelta(hours=1)
    good = a_token(tmp_path / "good", iat=int(begins.timestamp()), exp=int(ends.timestamp()))
    bad = write(tmp_path / "bad", "hush-hush", mode=0o644)
    cli("credential", "add", "lhcb", "sim", "--token", str(good))
    cli("credential", "add", "all", "sim", "--token", str(bad))
    text = cli.ok("metrics").out
    metrics = parse(text)

    mine, everybodys = ("lhcb", "sim", "token"), ("all", "sim", "token")
    assert 3500 < metrics["pilotage_credential_seconds_left"][mine] <= 3600
    assert metrics["pilotage_credential_used_ratio"][mine] == pytest.approx(0.9, abs=0.01)
    assert metrics["pilotage_credential_usable"] == {mine: 1, everybodys: 0}
    assert everybodys not in metrics["pilotage_credential_seconds_left"], "nobody knows"
    assert "hush" not in text
    assert str(tmp_path) not in text


def test_a_task_tells_when_it_fired_last(cli: Cli, site: Database) -> None:
    cli.ok("task", "schedule", "learn", "--every", "60")
    assert parse(cli.ok("metrics").out)["pilotage_task_fired_timestamp_seconds"] == {}
    now = datetime.now(UTC)
    with site.uow() as tx:
        assert schedules.claim(tx, {schedules.get(tx, "learn"): now + timedelta(minutes=1)}, now)
    moments = parse(cli.ok("metrics").out)["pilotage_task_fired_timestamp_seconds"]
    assert moments == {("learn", "all"): pytest.approx(now.timestamp(), abs=1e-3)}


def test_a_task_tells_when_it_was_done_and_how_often_it_fired_since(
    cli: Cli, site: Database
) -> None:
    cli.ok("task", "schedule", "learn", "--every", "60")
    now = datetime.now(UTC)

    def tasks() -> tuple[Metrics, Metrics]:
        metrics = parse(cli.ok("metrics").out)
        return metrics["pilotage_task_done_timestamp_seconds"], metrics[
            "pilotage_task_firings_not_done"
        ]

    with site.uow() as tx:
        for _ in range(4):
            schedules.count_firings(tx, {schedules.get(tx, "learn").id: False}, now)
    assert tasks() == ({}, {("learn", "all", "plan"): 4})
    execution = schedules.Execution(
        task="learn",
        subject=None,
        vo=None,
        outcome=Outcome.SKIPPED,
        seconds=0.1,
        failure=None,
        by_hand=False,
    )
    with site.uow() as tx:
        schedules.finished(tx, execution, now)
    moments, pending = tasks()
    assert moments == {("learn", "all"): pytest.approx(now.timestamp(), abs=1e-3)}
    assert pending == {("learn", "all", "plan"): 0}
    cli.ok("task", "disable", "learn")
    assert tasks()[1] == {}


def test_the_free_slots_are_what_the_waiting_limit_leaves(cli: Cli, site: Database) -> None:
    cli.ok("ce", "set", "lyon", "--capacity", "300", "--waiting-limit", "200")
    text = cli.ok("metrics").out
    assert parse(text)["pilotage_ce_free_slots"][("lyon", "sim")] == 199
    assert "at most what its waiting limit leaves" in text


def test_a_vo_tells_whether_its_pilots_find_work(cli: Cli, site: Database) -> None:
    no_work = NoWork(reason="its last 7 pilots in a row found no work", since=datetime.now(UTC))
    with site.uow() as tx:
        work.save(tx, {"lhcb": WorkRecord(without_work=no_work)})
    metrics = parse(cli.ok("metrics").out)
    assert metrics["pilotage_vo_without_work"] == {(DEFAULT_VO,): 0, ("lhcb",): 1}


def test_a_site_without_anything_has_the_numbers_of_its_vo_only(cli: Cli, world: Database) -> None:
    numbers = parse(cli.ok("metrics").out)
    assert numbers.pop("pilotage_vo_without_work") == {(DEFAULT_VO,): 0}
    names = {name for name, values in numbers.items() if values}
    assert [
        n
        for n in names
        if not n.startswith(("pilotage_vo_", "pilotage_database_", "pilotage_read_"))
    ] == ["pilotage_webhook_events_waiting"]


def test_they_are_written_into_a_file_in_one_step(cli: Cli, site: Database, tmp_path: Path) -> None:
    path = tmp_path / "pilotage.prom"
    path.write_text("old", encoding="utf-8")
    assert cli.ok("metrics", "--to", str(path)).out == ""
    assert parse(path.read_text(encoding="utf-8"))["pilotage_ce_capacity"]
    assert path.stat().st_mode & 0o777 == 0o644, "another user's exporter reads it"
    assert list(tmp_path.glob(".pilotage*")) == []


def test_a_folder_that_is_not_there_is_said(cli: Cli, site: Database, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert f"there is no folder for '{path}'" in cli.refused("metrics", "--to", str(path))
    assert "there is no folder" in cli.refused("metrics", "--to", "")


@pytest.mark.finding("L1")
def test_no_link_in_its_folder_is_followed(cli: Cli, site: Database, tmp_path: Path) -> None:
    victim = write(tmp_path / "victim", "of somebody else", mode=0o600)
    folder = tmp_path / "metrics"
    folder.mkdir()
    for name in (".pilotage.prom.new", "pilotage.prom"):
        (folder / name).symlink_to(victim)
    cli.ok("metrics", "--to", str(folder / "pilotage.prom"))

    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("of somebody else", 0o600)
    assert {path.name for path in folder.iterdir()} == {".pilotage.prom.new", "pilotage.prom"}
    assert (folder / "pilotage.prom").stat().st_mode & 0o777 == 0o644
