"""A CE that breaks and works again while real workers run: pause, probes and reopening."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance import site
from tests.acceptance.processes import Processes, settings_of
from tests.factories import a_ce
from tests.patience import until
from tests.redis_server import Redis
from tests.runtimes import runtime_on
from worker.backends.sim.faults import Fault, switch_off, switch_on
from worker.db import health, pilot_reads
from worker.db.clock import Clock
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.db.sending import SendingChange
from worker.domain.decision import Decision
from worker.domain.pilot import Pilot, Status
from worker.domain.sending import Sending
from worker.services.observe import overview
from worker.services.operate import pauses

# Seconds instead of minutes: a pilot survives after two, a probe is due every two to four.
PROBE_SOONEST = 2
SETTINGS = f"""
beat_interval = 0.5

[parameters]
survival = 2
half_life = 30
probe_soonest = {PROBE_SOONEST}
probe_latest = 4
worthless_probe = 5
"""
LIFE = {"queue_time": 0.2, "run_time": 6.0, "spread": "fixed", "check_soonest": 0.5}


@pytest.fixture
def settings(
    processes: Processes, redis_server: Redis, postgresql_database: Database
) -> Iterator[dict[str, str]]:
    """The settings of a site of two CEs where every task fires every second."""
    with postgresql_database.uow() as tx:
        for name in ("good", "bad"):
            life = {**LIFE, "check_latest": 1.0, "success_rate": 1.0}
            a_ce().named(name).with_capacity(8).with_options(**life).create(tx)
    tasks = ("submit_pilots", "dispatch", "check_pilots", "reconcile", "learn")
    lines = [SETTINGS, *(f"[schedules.{task}]\nevery = 1" for task in tasks)]
    path = Path(processes.folder / "pilotage.toml")
    path.write_text("\n".join(lines), encoding="utf-8")
    yield settings_of(
        {
            "database_url": postgresql_database.url.render_as_string(hide_password=False),
            "broker_url": redis_server.url,
            "home": str(processes.folder / "home"),
            "config": str(path),
        }
    )
    processes.end()


def state(database: Database, ce: str) -> Sending:
    with database.uow() as tx:
        return health.get(tx, ce).sending


def now(database: Database) -> datetime:
    return Clock(database.engine).now()


def changes(database: Database, ce: str) -> list[SendingChange]:
    return pauses.history(runtime_on(database), ce).items


def pilots(database: Database, ce: str) -> list[Pilot]:
    with database.uow() as tx:
        return pilot_reads.find(tx, ce=ce, asked=PageRequest(limit=10_000)).items


def count_sent(database: Database, ce: str, since: datetime) -> int:
    return sum(pilot.reserved_at > since for pilot in pilots(database, ce))


def last(database: Database, ce: str) -> Decision:
    [decision] = overview.explain(runtime_on(database), ce)
    return decision


def count_done(database: Database, ce: str) -> int:
    return sum(pilot.status is Status.DONE for pilot in pilots(database, ce))


@pytest.mark.slow
def test_a_ce_that_breaks_is_paused_probed_and_opened_again_and_explain_tells_it(
    processes: Processes, postgresql_database: Database, settings: dict[str, str]
) -> None:
    database = postgresql_database
    processes.start("one", site.worker("one"), settings)
    processes.start("beat", site.beat(), settings)
    until(lambda: count_done(database, "bad") >= 8, progress=processes.progress)
    assert state(database, "bad") is Sending.NORMAL

    switch_on(database.uow, "bad", Fault.FAILS_FAST)
    until(lambda: state(database, "bad") is Sending.PAUSED, progress=processes.progress)
    [pause] = changes(database, "bad")
    assert "failed starts in a row" in pause.reason
    until(lambda: last(database, "bad").reason.startswith("PAUSED: "), progress=processes.progress)
    assert pause.reason in last(database, "bad").reason
    assert dict(overview.steps(last(database, "bad")))["pause"].startswith("since ")

    # All pilots from before the pause have ended. From now on there are only probes.
    before = last(database, "bad").at
    until(
        lambda: (last(database, "bad").at - before).total_seconds() > 15,
        progress=processes.progress,
    )
    probes, seconds = count_sent(database, "bad", before), (now(database) - before).total_seconds()
    assert 1 <= probes <= 2 + seconds / PROBE_SOONEST
    assert count_sent(database, "good", before) > probes
    assert state(database, "good") is Sending.NORMAL

    switch_off(database.uow, "bad", Fault.FAILS_FAST)
    until(lambda: state(database, "bad") is Sending.NORMAL, progress=processes.progress)
    reopening = changes(database, "bad")[-1]
    assert (reopening.was, reopening.became, reopening.by_hand) == (
        Sending.PAUSED,
        Sending.NORMAL,
        False,
    )
    assert reopening.reason == "a pilot survived"
    good = count_done(database, "bad")
    until(lambda: count_done(database, "bad") >= good + 5, progress=processes.progress)
