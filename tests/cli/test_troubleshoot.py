"""The page *Troubleshooting by symptom*: its commands run, and show the signs that it names."""

import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.command import Cli, address, forget
from tests.factories import a_ce, a_health, a_pilot, a_vo
from tests.secrets import a_token
from worker import wiring
from worker.db import ces, health, mover, outputs, pilots, schedules, sending, work
from worker.db.database import Database
from worker.db.health import FailedCall
from worker.db.schedules import Execution
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.db.work import WorkRecord
from worker.domain.ce_answers import Order
from worker.domain.pilot import Cause, Move, Status, Use
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.policy.learning import Hole, learn
from worker.policy.work import NoWork

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "troubleshoot.md"
SECTIONS = {
    text.partition("\n")[0]: text for text in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
}


def commands(section: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def signs(section: str) -> list[str]:
    """Return the signs in the first column of a section's tables."""
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


@pytest.fixture
def site_in_trouble(
    cli: Cli, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Database:
    """A site that has every trouble of the page."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    (tmp_path / "home").mkdir()
    now = datetime.now(UTC) - timedelta(minutes=5)
    with sqlite_database.uow() as tx:
        a_vo().named("lhcb").limited_to(500).demanding(0).create(tx)
        _fill(tx, now)
        _pause(tx, now)
        _do_nothing(tx, now)
        call = FailedCall(at=now, error="squeue: Socket timed out")
        health.call_failed(tx, "rome", call, lambda _: now + timedelta(minutes=20))
        lyon = ces.get(tx, "lyon")
    wiring.runtime().driver(lyon).submit([Order(stamp=uuid4().hex, vo="default")])
    forget()
    ends = datetime.now(UTC) - timedelta(hours=1)
    token = a_token(tmp_path / "token", iat=int(ends.timestamp()) - 60, exp=int(ends.timestamp()))
    soon = datetime.now(UTC) + timedelta(hours=1)
    short = a_token(
        tmp_path / "short", iat=int(soon.timestamp()) - 36000, exp=int(soon.timestamp())
    )
    cli("credential", "add", "lhcb", "htcondor", "--token", str(token), "--renew", "false")
    cli("credential", "add", "default", "htcondor", "--token", str(short))
    cli.ok("task", "list")
    cli.ok("task", "run", "submit_pilots", "--vo", "lhcb")
    cli.ok("task", "run", "submit_pilots", "--vo", "default")
    _stand_still(cli, sqlite_database)
    return sqlite_database


def _fill(tx: Transaction, now: datetime) -> None:
    """Make 18 pilots: number 17 is submitted, number 18 has failed."""
    lyon = a_ce().named("lyon").with_capacity(20).with_options(check_soonest=0.01).create(tx)
    rome = a_ce().named("rome").with_capacity(10).create(tx)
    full = a_ce().named("bari").with_capacity(1).create(tx)
    on_lyon = a_pilot().on(lyon).at(now)
    a_pilot().on(full).at(now).running().create(tx)
    on_lyon.submitting().create_many(tx, 2)
    on_lyon.lost().create_many(tx, 3)
    on_lyon.running().create_many(tx, 5)
    on_lyon.reserved().create_many(tx, 3)
    on_lyon.create_many(tx, 2)
    on_lyon.with_handle("h17").create(tx)
    [last] = on_lyon.running().create_many(tx, 1)
    move = Move(
        pilot_id=last.id, to=Status.FAILED, cause=Cause.EXIT_CODE, raw="FAILED",
        reason="exit code 3", node="wn7",
    )  # fmt: skip
    mover.move(tx, [move], now)
    [fast] = on_lyon.running().create_many(tx, 1)
    mover.move(tx, [Move(pilot_id=fast.id, to=Status.FAILED, cause=Cause.FAILED_FAST)], now)
    outputs.keep(tx, {last.id: "no space left on device\n"}, now)
    assert last.id == 18
    [unsent] = a_pilot().on(rome).at(now).submitting().create_many(tx, 1)
    why = "squeue is not installed on this host"
    mover.move(tx, [pilots.receipt_move(unsent.id, reason=why, not_sent=True)], now)


def _pause(tx: Transaction, now: datetime) -> None:
    reason = "9 failed starts in a row"
    a_health().of(ces.get(tx, "lyon")).opened(reason, now).create(tx)
    change = SendingChange(
        ce="lyon", was=Sending.NORMAL, became=Sending.PAUSED, reason=reason,
        by_hand=False, until=None, at=now,
    )  # fmt: skip
    sending.add(tx, [change])


def _do_nothing(tx: Transaction, now: datetime) -> None:
    """Make a CE that swallows pilots and a VO that has no work."""
    pisa = a_ce().named("pisa").with_capacity(10).create(tx)
    a_pilot().on(pisa).at(now).done(Use.SHORT).create_many(tx, 5)
    reason = "5 pilots of VO default in a row ended for nothing; at other CEs 7 of 9 were of use"
    knowledge = learn(None, [], now=now, configured=1.0, hole=Hole(reason=reason, since=now))
    a_health().of(pisa).with_learned(knowledge.state).opened(reason, now).create(tx)
    vo = a_vo().named("cms").create(tx)
    no_work = NoWork(reason="its last 14 pilots in a row found no work, at 3 CEs", since=now)
    work.save(tx, {vo.name: WorkRecord(without_work=no_work)})


def _stand_still(cli: Cli, site: Database) -> None:
    """Let tasks fire without a worker that executes them, and let one fail."""
    for task in ("submit_pilots", "dispatch", "reconcile"):
        cli.ok("task", "schedule", task, "--every", "60")
    with site.uow() as tx:
        now = datetime.now(UTC)
        every = {tick.id: False for tick in schedules.get_all(tx)}
        for minutes in reversed(range(9)):
            schedules.count_firings(tx, every, now - timedelta(minutes=minutes))
        execution = Execution(
            task="reconcile", subject="rome", vo=None, outcome=Outcome.FAILED,
            seconds=1.0, failure="squeue: Socket timed out", by_hand=True,
        )  # fmt: skip
        schedules.finished(tx, execution, now)


def test_the_page_has_the_usual_symptoms() -> None:
    assert len(SECTIONS) >= 12
    assert all(commands(section) and signs(section) for section in SECTIONS.values())


@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_run_and_show_what_to_look_for(
    title: str, cli: Cli, site_in_trouble: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    output = ""
    for line in commands(SECTIONS[title]):
        if line.startswith("pilotage "):
            answer = cli(*shlex.split(line)[1:])
            assert answer.code in (0, 1), f"{line}: {answer.err}"
            output += answer.out + answer.err
        else:
            child = subprocess.run(
                ["/bin/sh", "-c", line], capture_output=True, text=True, check=True
            )
            output += child.stdout
    plain = " ".join(output.split())

    assert [sign for sign in signs(SECTIONS[title]) if sign not in plain] == [], output
