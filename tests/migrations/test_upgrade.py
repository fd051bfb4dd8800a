"""An installation of 0.1.0 is upgraded with its data, on both databases."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Integer, Text, column, text
from sqlalchemy.sql.selectable import TextualSelect

from tests.factories import MINUTE, NOW, a_ce, a_pilot
from worker.db import (
    call_tallies,
    chains,
    decisions,
    health,
    mover,
    outcomes,
    pilot_reads,
    sending,
    tallies,
    totals,
)
from worker.db.chains import Chain
from worker.db.database import Database
from worker.db.engine import SQLITE
from worker.db.pages import PageRequest
from worker.db.types import JSON_VALUE, UtcDateTime
from worker.domain.call_tally import Call, CallKind, CallOutcome
from worker.domain.pilot import Move, Status
from worker.domain.sending import Sending
from worker.services.operate import database as care

DUMPS = Path(__file__).parents[1] / "data" / "0.1.0"

ROWS = {
    "vos": 4,
    "ces": 5,
    "ce_vos": 2,
    "pilots": 56,
    "transitions": 175,
    "outputs": 2,
    "decisions": 3,
    "decision_bases": 3,
    "ce_lists": 1,
    "ce_list_places": 2,
    "ce_health": 5,
    "sending_changes": 3,
    "maintenances": 1,
    "vo_demands": 1,
    "credentials": 2,
    "schedules": 11,
    "reports": 1,
    "sim_jobs": 1,
    "slurm_cancellations": 1,
    "arc_identities": 1,
    "local_hosts": 1,
    "htcondor_marks": 1,
}
"""The rows of the dumps. Six decisions of three cycles are three rows."""


@pytest.fixture
def old(blank: Database) -> Database:
    """A filled database of 0.1.0."""
    if blank.engine.dialect.name == SQLITE:
        _pour_sqlite(blank)
    else:
        with blank.engine.begin() as connection:
            connection.exec_driver_sql((DUMPS / "postgresql.sql").read_text(encoding="utf-8"))
    return blank


def test_an_installation_of_0_1_0_is_upgraded_with_its_data(old: Database) -> None:
    before = _pilots(old)
    care.migrate(old)

    assert care.verify(old) == []
    _assert_rows_are_kept(old)
    assert _pilots(old) == before
    _assert_pilots_go_on(old)


def test_what_was_open_is_paused_and_what_was_closed_is_normal(old: Database) -> None:
    care.migrate(old)
    with old.uow() as tx:
        states = {name: record.sending for name, record in health.get_all(tx).items()}
        lyon = health.get(tx, "lyon")
        changes = [
            (change.ce, change.was, change.became)
            for ce in states
            for change in sending.find(tx, ce).items
        ]

    assert states == {
        **dict.fromkeys(("here", "kit", "lyon"), Sending.NORMAL),
        "bari": Sending.PAUSED,
        "nikhef": Sending.HELD,
    }
    assert lyon.queue_drained == 3
    assert sorted(changes) == [
        ("bari", Sending.NORMAL, Sending.PAUSED),
        ("lyon", Sending.PAUSED, Sending.NORMAL),
        ("nikhef", Sending.NORMAL, Sending.HELD),
    ]


@pytest.mark.slow
def test_every_decision_is_carried_over(old: Database) -> None:
    with old.engine.connect() as connection:
        query = """SELECT v.name, c.name, d.at, d.granted, d.reason, d.trace FROM decisions d
                   JOIN vos v ON v.id = d.vo_id JOIN ces c ON c.id = d.ce_id
                   ORDER BY d.at, c.name"""
        before = [tuple(row) for row in connection.execute(_with_types(query))]
    care.migrate(old)

    with old.uow() as tx:
        after = decisions.between(tx, before[0][2], before[-1][2] + MINUTE)
        [last] = decisions.last_of_each(tx, before[-1][1])
    assert [(d.vo, d.ce, d.at, d.granted, d.reason, d.trace) for d in after] == before
    assert last == after[-1]


def _with_types(query: str) -> TextualSelect:
    return text(query).columns(
        column("vo", Text),
        column("ce", Text),
        column("at", UtcDateTime),
        column("granted", Integer),
        column("reason", Text),
        column("trace", JSON_VALUE),
    )


def test_it_is_upgraded_revision_by_revision_too(old: Database) -> None:
    before = _pilots(old)
    for chain in old.chains:
        for revision in _revisions(chain):
            chains.migrate(old.engine, chain, revision)

    assert care.verify(old) == []
    _assert_rows_are_kept(old)
    assert _pilots(old) == before
    _assert_pilots_go_on(old)


def _pour_sqlite(database: Database) -> None:
    with sqlite3.connect(str(database.url.database)) as connection:
        connection.executescript((DUMPS / "sqlite.sql").read_text(encoding="utf-8"))
    connection.close()


def _revisions(chain: Chain) -> list[str]:
    """Return every revision of a chain, the oldest first."""
    scripts = ScriptDirectory(str(chain.folder)).walk_revisions()
    return [script.revision for script in reversed(list(scripts))]


def _pilots(database: Database) -> list[tuple[Any, ...]]:
    with database.engine.connect() as connection:
        query = "SELECT id, stamp, ce_id, vo_id, status, cause, handle FROM pilots ORDER BY id"
        return [tuple(row) for row in connection.execute(text(query))]


def _assert_rows_are_kept(database: Database) -> None:
    counts: dict[str, int | None] = {}
    for chain in care.status(database):
        counts |= chain.rows

    assert {table: counts[table] for table in ROWS} == ROWS


def _assert_pilots_go_on(database: Database) -> None:
    """Assert that the program can work with the upgraded rows."""
    with database.uow() as tx:
        running = pilot_reads.find(tx, statuses=[Status.RUNNING]).items
        moves = [Move(pilot_id=pilot.id, to=Status.DONE) for pilot in running]
        ids = mover.move(tx, moves, NOW).moved

    assert ids == {pilot.id for pilot in running} != set()


def test_the_totals_begin_with_what_the_tallies_say(fresh: Database) -> None:
    with fresh.uow() as tx:
        ce = a_ce().named("lyon").with_capacity(20).create(tx)
        for status in Status:
            a_pilot().on(ce).that_is(status).create_many(tx, 2)
        tallies.fold(tx, 1000)
        call_tallies.add(tx, "lyon", [Call(CallKind.POLL, CallOutcome.ANSWERED, 0.25)], NOW)
        before = sorted(totals.of_vos(tx)), call_tallies.totals(tx)

    chains.downgrade(fresh.engine, chains.CORE_CHAIN, "0020")
    care.migrate(fresh)
    with fresh.uow() as tx:
        assert (sorted(totals.of_vos(tx)), call_tallies.totals(tx)) == before
    assert care.verify(fresh) == []


def test_a_pilot_that_waits_has_not_begun_whatever_was_written_by_hand(blank: Database) -> None:
    """Otherwise the queue of its CE would not contain it."""
    care.migrate(blank)
    with blank.uow() as tx:
        first = a_pilot().submitted().create(tx)
        second = a_pilot().lost().create(tx)
    chains.downgrade(blank.engine, chains.CORE_CHAIN, "0024")
    with blank.uow() as tx:
        tx.execute(text("UPDATE pilots SET started_at = submitted_at WHERE status = 'submitted'"))

    care.migrate(blank)
    with blank.uow() as tx:
        assert outcomes.queues(tx, NOW)[first.ce].oldest_waiting_since == first.submitted_at
        longest = pilot_reads.find(tx, asked=PageRequest(sort="wait")).items
        assert [pilot.id for pilot in longest] == [first.id]
        assert pilot_reads.find(tx, statuses=[Status.LOST]).items == [second]
    assert care.verify(blank) == []
