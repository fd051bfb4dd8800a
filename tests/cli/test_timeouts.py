"""Time-outs of CEs and VOs, and the end of a drain, set by commands and by a file."""

from pathlib import Path

import pytest

from tests.cli.command import Cli, contents
from worker.db.database import Database

pytestmark = pytest.mark.usefixtures("world")

SIM = ("--backend", "sim", "--capacity", "10")
THREE = ("--wait-at-most", "2h", "--run-at-most", "90min", "--silent-at-most", "1d")
SECONDS = {"wait_at_most": 7200, "run_at_most": 5400, "silent_at_most": 86400}


@pytest.mark.parametrize("kind", ["ce", "vo"])
def test_time_outs_are_set_shown_and_switched_off(cli: Cli, kind: str) -> None:
    before = cli.json(kind, "add", "lyon", *(SIM if kind == "ce" else ()))
    assert {name: before[name] for name in SECONDS} == dict.fromkeys(SECONDS)

    assert cli.json(kind, "set", "lyon", *THREE) == {**before, **SECONDS}
    rows = [line.split() for line in cli.ok(kind, "show", "lyon").lines]
    assert ["wait", "at", "most", "2h"] in rows
    assert ["run", "at", "most", "90min"] in rows
    assert ["silent", "at", "most", "1d"] in rows

    off = cli.ok(kind, "set", "lyon", "--wait-at-most", "none").out
    assert off == f"{kind.upper()} lyon: wait at most 2h → -\n"
    assert cli.json(kind, "show", "lyon")["wait_at_most"] is None


@pytest.mark.parametrize("kind", ["ce", "vo"])
def test_a_new_ce_or_vo_may_have_time_outs(cli: Cli, kind: str) -> None:
    text = cli.ok(kind, "add", "lyon", *(SIM if kind == "ce" else ()), *THREE).out
    assert "wait at most 2h, run at most 90min, silent at most 1d" in text


@pytest.mark.parametrize(
    ("length", "why"),
    [
        ("soon", "'soon' is neither a length of time like 2h nor 'none'"),
        ("2", "'2' is neither a length of time like 2h nor 'none'"),
        ("-2h", "'-2h' is neither a length of time like 2h nor 'none'"),
        ("0s", "wait at most: it must be whole seconds, 1s at least"),
        ("999999999d", "wait at most: 999999999d is above 3650d"),
    ],
)
def test_a_time_out_that_cannot_be_is_refused_in_one_line(
    cli: Cli, world: Database, length: str, why: str
) -> None:
    before = contents(world)
    assert why in cli.refused("vo", "set", "default", f"--wait-at-most={length}")
    assert contents(world) == before


def test_an_audit_says_who_set_a_time_out(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)
    cli.ok("ce", "set", "lyon", "--run-at-most", "2d")
    cli.ok("ce", "set", "lyon", "--run-at-most", "36h")

    text = cli.ok("audit", "--of", "lyon").out
    assert "run at most - → 2d" in text
    assert "run at most 2d → 36h" in text


def test_a_file_holds_time_outs_and_the_end_of_a_drain(cli: Cli, tmp_path: Path) -> None:
    cli.ok("ce", "add", "lyon", *SIM, *THREE)
    cli.ok("ce", "drain", "lyon", "--by", "2030-01-31T12:00", "--end-running")
    cli.ok("vo", "set", "default", "--wait-at-most", "3h")
    text = cli.ok("export").out
    for line in ('wait_at_most = "3h"', 'run_at_most = "90min"', "end_running = true"):
        assert line in text
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    assert cli.json("apply", str(file))["changes"] == []

    file.write_text(text.replace('"90min"', '"2h"'), encoding="utf-8")
    [change] = cli.json("apply", str(file))["changes"]
    assert change == {"what": "CE lyon run at most", "was": "90min", "becomes": "2h"}
    for value in ("7200", '"soon"', "true"):
        file.write_text(text.replace('"90min"', value), encoding="utf-8")
        message = cli.refused("apply", str(file))
        assert message.endswith('ce.lyon.run_at_most: it must be a length of time like "2h"')


def test_a_drain_may_end_what_runs_and_only_at_a_time(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)
    assert "'--by'" in cli.refused("ce", "drain", "lyon", "--end-running")

    before = cli.json("ce", "drain", "lyon", "--by", "2h", "--end-running")
    assert (before["draining"], before["end_running"]) == (True, True)
    assert cli.json("ce", "drain", "lyon", "--by", "2h")["end_running"] is False
    cli.ok("ce", "drain", "lyon", "--by", "2h", "--end-running")
    after = cli.json("ce", "enable", "lyon")
    assert (after["draining"], after["drain_by"], after["end_running"]) == (
        False,
        None,
        False,
    )
