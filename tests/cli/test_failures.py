"""`pilotage failures`, and the line of `status`: how pilots ended, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.command import Cli
from tests.factories import a_ce, a_pilot
from worker.db import failures as reads
from worker.db import mover
from worker.db.database import Database
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.pilot import Cause, Move, Status, Use


def end(
    tx: Transaction, ce: CE, cause: Cause | None, node: str | None, reason: str, ago: timedelta
) -> None:
    """End a pilot of this CE, as done or as failed for a cause."""
    then = datetime.now(UTC) - ago
    pilot = a_pilot().on(ce).at(then).running().create(tx)
    status = Status.FAILED if cause else Status.DONE
    ending = Move(pilot_id=pilot.id, to=status, cause=cause, raw="FAILED", reason=reason, node=node)
    mover.move(tx, [ending], then)


@pytest.fixture
def ends(site: Database) -> Database:
    """A site where six more pilots ended in the last hour, and one some hours ago."""
    now = timedelta()
    with site.uow() as tx:
        bari = a_ce().named("bari").with_capacity(50).create(tx)
        for reason in ("exit code 3", "exit code 3", "exit code 4"):
            end(tx, bari, Cause.EXIT_CODE, "wn1", reason, now)
        end(tx, bari, Cause.SIGNAL, "wn2", "signal 9", now)
        end(tx, bari, Cause.NODE, "wn3", "long ago", timedelta(hours=3))
        end(tx, bari, None, "wn1", "", now)
        a_pilot().on(bari).at(datetime.now(UTC)).lost().create(tx)
    return site


def test_why_pilots_fail_is_summed_up(cli: Cli, ends: Database) -> None:
    summary = cli.json("failures", "--ce", "bari")

    assert summary["ended"] == {"done": 1, "failed": 4, "lost": 1}
    assert summary["causes"] == {"exit_code": 3, "signal": 1}
    groups = [(g["pilots"], g["cause"], g["ce"], g["reason"]) for g in summary["failures"]]
    assert groups == [
        (3, "exit_code", "bari", "exit code 3"),
        (1, "lost", "bari", None),
        (1, "signal", "bari", "signal 9"),
    ]
    assert not summary["is_cut"]


def test_failures_are_grouped_by_what_is_asked_for(cli: Cli, ends: Database) -> None:
    by_node = cli.json("failures", "--ce", "bari", "--by", "node", "--since", "1d")["failures"]
    assert [(g["pilots"], g["node"]) for g in by_node if g["node"]] == [
        *((3, "wn1"), (1, "wn2"), (1, "wn3"))
    ]
    by_vo = cli.json("failures", "--by", "vo", "--vo", "default", "--rows", "1")["failures"]
    assert [(g["pilots"], g["vo"], g["reason"]) for g in by_vo] == [(5, "default", "exit code 3")]
    assert "'colour' is not one of cause, ce, vo, node" in cli.refused("failures", "--by", "colour")
    assert "no CE of this name" in cli.refused("failures", "--ce", "nowhere")
    cli.refused("failures", "--since", "soon")


def test_the_table_and_the_line_of_status(cli: Cli, ends: Database) -> None:
    first, _, head, row, *_ = cli.ok("failures", "--ce", "bari").lines
    assert first.endswith("1 done, 4 failed, 1 lost (failed: 3 exit_code, 1 signal)")
    assert head.split() == ["pilots", "cause", "ce", "most", "say"]
    assert row.split() == ["3", "exit_code", "bari", "FAILED", "exit", "code", "3"]
    line = next(line for line in cli.ok("status").lines if line.startswith("last hour: "))
    assert "4 failed, 1 lost (failed: 3 exit_code, 1 signal)" in line
    assert cli.json("status")["ends"]["causes"] == {"exit_code": 3, "signal": 1}


def test_how_many_ended_well_for_nothing_is_counted(cli: Cli, ends: Database) -> None:
    now = datetime.now(UTC)
    with ends.uow() as tx:
        ce = a_ce().named("rieti").create(tx)
        for use, number in ((Use.SHORT, 3), (Use.EMPTY, 1), (Use.USEFUL, 2)):
            a_pilot().on(ce).at(now).done(use).create_many(tx, number)
    first = cli.ok("failures", "--ce", "rieti").lines[0]
    assert first.endswith(": 6 done (done: 3 short, 1 empty)")
    line = next(line for line in cli.ok("status").lines if line.startswith("last hour: "))
    assert "(done: 3 short, 1 empty; failed: 3 exit_code, 1 signal)" in line
    assert cli.json("status")["ends"]["of_no_use"] == {"short": 3, "empty": 1}
    assert cli.json("failures", "--ce", "bari")["of_no_use"] == {}


@pytest.mark.usefixtures("world")
def test_where_nothing_ended_it_says_so(cli: Cli) -> None:
    assert cli.ok("failures").out.endswith(": no pilot ended\n")
    assert "last hour: no pilot ended" in cli.ok("status").lines


def test_only_the_newest_ends_are_counted_and_it_says_so(
    cli: Cli, ends: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "MOST", 2)
    summary = cli.json("failures", "--since", "30d")

    assert (sum(summary["ended"].values()), summary["is_cut"]) == (2, True)
    assert sum(group["pilots"] for group in summary["failures"]) <= 2
    assert datetime.now(UTC) - datetime.fromisoformat(summary["since"]) < timedelta(hours=1)
    assert "only the newest are counted" in cli.ok("failures", "--since", "30d").out
