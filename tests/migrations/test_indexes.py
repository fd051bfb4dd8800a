"""Every question has its index: none reads the whole history, however long it is."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from tests.databases import Postgresql, rolled_back
from tests.factories import MINUTE, NOW, a_ce, a_decision, a_pilot, a_vo
from tests.records import a_change
from worker.db import (
    ces,
    changes,
    decisions,
    failures,
    feed,
    mover,
    outcomes,
    pilot_reads,
    pilots,
    retention,
    slots,
    timeouts,
    vos,
)
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.pilot import OF_NO_USE, Cause, Check, Grant, Move, Pilot, Status, Use
from worker.domain.vo import DEFAULT_VO
from worker.services.operate.naming import pilots_named

FINAL_PILOTS = 40_000
CES = 20
HISTORY = f"""
INSERT INTO pilots
       (stamp, vo_id, ce_id, status, cause, use, reserved_at, submitted_at, started_at,
        ended_at, handle, node)
SELECT md5(CAST(n AS text)), :vo, :ce + n % {CES},
       CASE WHEN n % 500 = 1 THEN 'failed' ELSE 'done' END,
       CASE WHEN n % 500 = 1 THEN 'node' END,
       CASE WHEN n % 500 = 0 THEN 'short' WHEN n % 500 > 1 THEN 'useful' END, :now, :now, :now,
       CAST(:now AS timestamptz) - n * interval '1 s', 'old' || n, 'node' || n % 100
  FROM generate_series(1, {FINAL_PILOTS}) AS n
"""
STEPS = """
INSERT INTO transitions (pilot_id, became, at)
SELECT id, 'reserved', ended_at - interval '1 h' FROM pilots
"""
ENDS = """
INSERT INTO transitions (pilot_id, became, cause, at)
SELECT id, CASE WHEN id % 2 = 0 THEN 'failed' ELSE 'done' END,
       CASE WHEN id % 2 = 0 THEN 'node' END, ended_at FROM pilots
"""
LATELY = NOW - timedelta(seconds=100)
LATER = timedelta(hours=1)
SCANS = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'pilots'"

Question = Callable[[Transaction, str, list[Pilot]], object]


def free_slots(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return slots.available_ces(tx)


def reserve(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilots.reserve(tx, [Grant(vo=active[0].vo, ce=ce, count=1)], NOW)


def claim(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilots.claim(tx, ce, 10, NOW)


def claim_for_some(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilots.claim(tx, ce, 10, NOW, only_of=vos.names(tx))


def find_due(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.due(tx, ce, NOW, 100)


def find_waiting(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.waiting_of(tx, active[0].vo, 10)


def late(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    ces.change(tx, ce, wait_at_most=MINUTE, silent_at_most=MINUTE)
    return timeouts.late(tx, timeouts.get_all(tx), NOW + 2 * MINUTE)


def left_by_drains(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    ces.change(tx, ce, draining=True, drain_by=NOW, end_running=True)
    return pilot_reads.left_by_drains(tx, NOW)


def move(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return mover.move(tx, [Move(pilot_id=p.id, to=Status.RUNNING) for p in active], NOW)


def check(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    pilots.checked(tx, [Check(pilot_id=p.id, next_check_at=NOW) for p in active], NOW)
    return active


def cancel_some(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilots.cancel(tx, {}, {pilot.id: "no more" for pilot in active}, NOW)


def by_stamps(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.by_stamps(tx, [p.stamp for p in active])


def history(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.history(tx, active[0].id)


def count_active(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.count_active(tx)


def page(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, asked=PageRequest(limit=10, descending=True))


def page_of_waiting(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    first = PageRequest(limit=10)
    return pilot_reads.find(tx, statuses=[Status.SUBMITTED], asked=first).items


def by_handle(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilots_named(tx, ["old7"], NOW)


def by_beginning(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilots_named(tx, ["8f14e45f"], NOW)  # the beginning of md5(7)


def list_by_handle(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, handle="old7").items


def search(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, search=active[0].stamp[:8]).items


def list_by_node(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, node="node7", asked=PageRequest(limit=10, descending=True)).items


def list_short(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    newest = PageRequest(limit=10, descending=True)
    return pilot_reads.find(tx, uses=[Use.SHORT], asked=newest).items


def list_by_cause(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    newest = PageRequest(limit=10, descending=True)
    return pilot_reads.find(tx, causes=[Cause.NODE], asked=newest).items


def list_of_no_use(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    newest = PageRequest(limit=10, descending=True)
    return pilot_reads.find(tx, uses=OF_NO_USE, vo=active[0].vo, asked=newest).items


def sort_by_age(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, asked=PageRequest(sort="age", limit=10)).items


def sort_by_wait(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, ce=ce, asked=PageRequest(sort="wait", limit=10)).items


def sort_all_by_wait(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return pilot_reads.find(tx, asked=PageRequest(sort="wait", limit=10)).items


def list_lost(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    newest = PageRequest(limit=10, descending=True)
    return [pilot_reads.find(tx, statuses=[Status.LOST], asked=newest).items]


def list_newest(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    newest = PageRequest(limit=10, descending=True)
    return pilot_reads.find(tx, statuses=[Status.SUBMITTED], asked=newest).items


def queues(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return outcomes.queues(tx, NOW)


def requeue(tx: Transaction, waiting: list[Pilot]) -> None:
    for status in (Status.RUNNING, Status.SUBMITTED):
        mover.move(tx, [Move(pilot_id=p.id, to=status) for p in waiting], NOW)


def queues_of_requeued(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    requeue(tx, active[:10])
    return outcomes.queues(tx, NOW)


def sort_by_end(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    first = pilot_reads.find(tx, asked=PageRequest(sort="ended_at", limit=10))
    return pilot_reads.find(
        tx, asked=PageRequest(sort="ended_at", limit=10, after=first.next)
    ).items


def ends(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return failures.count_ends(tx, LATELY)


def by_cause(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return failures.failures(tx, LATELY, list(failures.By), 10)


def prune(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    return [retention.remove(tx, "pilots", before=NOW, limit=10)]


def remove_others(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    vo, other = a_vo().create(tx), a_ce().create(tx)
    vos.remove(tx, vo.name)
    ces.remove(tx, other.name)
    return [vo]


def follow(tx: Transaction, ce: str, active: list[Pilot]) -> object:
    newest = feed.newest_safe_position(tx, NOW)
    assert feed.place(tx, newest, NOW).start == newest
    events, _ = feed.following(tx, newest - 50, 20)
    assert feed.following(tx, newest, 20)[0] == []
    return events


QUESTIONS: list[tuple[Question, str | None]] = [
    (free_slots, None),
    (reserve, "pk_pilot_counts"),
    (claim, "ix_pilots_waiting"),
    (claim_for_some, "ix_pilots_waiting"),
    (find_due, "ix_pilots_occupying"),
    (find_waiting, "ix_pilots_waiting"),
    (late, "ix_pilots_occupying"),
    (left_by_drains, "ix_pilots_occupying"),
    (move, "pk_pilots"),
    (check, None),
    (cancel_some, "pk_pilots"),
    (by_stamps, "uq_pilots_stamp"),
    (history, "ix_transitions_pilot_id_id"),
    (count_active, None),
    (page, "pk_pilots"),
    (page_of_waiting, "ix_pilots_waiting"),
    (by_handle, "ix_pilots_handle"),
    (by_beginning, "uq_pilots_stamp"),
    (list_by_handle, "ix_pilots_handle"),
    (search, "ix_pilots_handle"),
    (search, "uq_pilots_stamp"),
    (list_by_node, "ix_pilots_node_id"),
    (list_short, "ix_pilots_of_no_use"),
    (list_of_no_use, "ix_pilots_of_no_use"),
    (list_by_cause, "ix_pilots_cause_id"),
    (sort_by_age, "ix_pilots_occupying"),
    (sort_by_wait, "ix_pilots_waiting"),
    (sort_all_by_wait, "ix_pilots_waiting"),
    (list_lost, "ix_transitions_rare"),
    (list_newest, None),
    (queues, "ix_pilots_waiting"),
    (queues_of_requeued, "ix_transitions_pilot_id_id"),
    (sort_by_end, "ix_pilots_ended_at"),
    (follow, "pk_transitions"),
    (ends, "ix_transitions_ends"),
    (by_cause, "ix_transitions_ends"),
    (prune, "ix_pilots_ended_at"),
    (remove_others, None),
]


COMPARED = re.compile(r"Join Filter: \(.*\b(id|pilot_id)\b = ")
"""Each row of one side is compared with each of the other: for 1,000 rows a million times."""


@contextmanager
def plans(engine: Engine) -> Iterator[list[str]]:
    """Ask the planner about each statement, with its parameters, before it runs."""
    texts: list[str] = []

    def ask(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            with cursor.connection.cursor() as other:
                other.execute(f"EXPLAIN {statement}", parameters)
                texts.append("\n".join(row[0] for row in other.fetchall()))

    event.listen(engine, "before_cursor_execute", ask)
    try:
        yield texts
    finally:
        event.remove(engine, "before_cursor_execute", ask)


@contextmanager
def plans_on_sqlite(engine: Engine) -> Iterator[list[str]]:
    """Ask the planner of SQLite about each statement before it runs."""
    texts: list[str] = []

    def ask(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        lines = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        texts.append("\n".join(str(line[3]) for line in lines))

    event.listen(engine, "before_cursor_execute", ask)
    try:
        yield texts
    finally:
        event.remove(engine, "before_cursor_execute", ask)


@dataclass(frozen=True)
class World:
    """A database with a CE that has thousands of final pilots and a few active ones."""

    uow: UnitOfWork
    ce: str
    active: list[Pilot]


@pytest.fixture(scope="module")
def postgresql_history(
    postgresql_server: Postgresql,
) -> Iterator[tuple[Database, str, list[Pilot]]]:
    """Make the history once; it takes a second."""
    with postgresql_server.fresh() as database:
        with database.uow() as tx:
            vo = a_vo().limited_to(1000).create(tx)
            ce, other, *_ = [a_ce().with_capacity(800).create(tx) for _ in range(CES)]
            tx.execute(text(HISTORY), {"vo": vo.id, "ce": ce.id, "now": NOW})
            tx.execute(text(STEPS))
            tx.execute(text(ENDS))
            active = a_pilot().on(ce).for_vo(vo).submitted().due_at(NOW).create_many(tx, 20)
            a_pilot().on(ce).reserved().create_many(tx, 10)
            # With these, reading all active pilots costs more than reading only the right ones.
            a_pilot().on(ce).for_vo(vo).running().due_at(NOW + LATER).create_many(tx, 400)
            a_pilot().on(other).create(tx)
            # Without it the planner knows nothing of the rows that were just written.
            for table in ("pilots", "transitions"):
                tx.execute(text(f"ANALYZE {table}"))
        yield database, ce.name, active


@pytest.fixture
def postgresql_world(
    postgresql_history: tuple[Database, str, list[Pilot]],
) -> Iterator[World]:
    database, ce, active = postgresql_history
    with rolled_back(database.engine) as uow:
        yield World(uow, ce, active)


@pytest.mark.parametrize(("question", "index"), QUESTIONS)
def test_a_question_uses_its_index(
    postgresql_world: World, question: Question, index: str | None
) -> None:
    world = postgresql_world
    with world.uow() as tx, plans(world.uow.engine) as queries:
        assert question(tx, world.ce, world.active)

    assert queries != []
    for plan in queries:
        assert "Seq Scan on pilots" not in plan, plan
        assert "Seq Scan on transitions" not in plan, plan
        assert "cstring" not in plan, f"a list of keys is read anew for each row: {plan}"
    assert index is None or any(
        f"on {index}" in plan or f"using {index}" in plan for plan in queries
    )


@pytest.fixture(scope="module")
def new_and_full(postgresql_server: Postgresql) -> Iterator[tuple[Database, str, list[Pilot]]]:
    """A database whose pilots came before the server had any statistics of them."""
    with postgresql_server.fresh() as database:
        with database.uow() as tx:
            ce = a_ce().with_capacity(20_000).create(tx)
            active = a_pilot().on(ce).submitted().due_at(NOW).create_many(tx, 10_000)
        yield database, ce.name, active[:1000]


@pytest.mark.parametrize(
    "question",
    [find_due, move, check, cancel_some, by_stamps, find_waiting, claim, claim_for_some],
)
def test_where_nothing_is_known_of_the_rows_none_is_compared_with_each_other(
    new_and_full: tuple[Database, str, list[Pilot]], question: Question
) -> None:
    """The server knows nothing on the first day, and after a restore, until it has counted rows."""
    database, ce, active = new_and_full
    with rolled_back(database.engine) as uow, uow() as tx, plans(database.engine) as queries:
        question(tx, ce, active)
    assert queries
    for plan in queries:
        assert not COMPARED.search(plan), plan


def test_a_list_of_active_pilots_is_no_walk_through_the_history(postgresql_world: World) -> None:
    """A planner that expects many active pilots would read by id, through all final ones."""
    world = postgresql_world
    with world.uow() as tx, plans(world.uow.engine) as queries:
        tx.execute(text("SET LOCAL enable_sort = off"))
        assert page_of_waiting(tx, world.ce, world.active)
    walk = re.search(r"using pk_pilots on .*\n(?! *Index Cond: \(id = \w+\.id\))", queries[-1])
    assert walk is None, queries[-1]


@pytest.mark.parametrize(
    "question",
    dict.fromkeys(question for question, _ in QUESTIONS if question is not remove_others),
)
def test_a_question_that_is_asked_often_goes_on_using_it(
    postgresql_world: World, question: Question
) -> None:
    # After some executions the driver prepares a statement and the server reuses its plan.
    world = postgresql_world
    with world.uow() as tx:
        before = tx.execute(text(SCANS)).scalar_one()
        for _ in range(15):
            question(tx, world.ce, world.active)
        after = tx.execute(text(SCANS)).scalar_one()

    assert after == before


def test_the_same_questions_use_their_indexes_on_sqlite(sqlite: UnitOfWork) -> None:
    with sqlite() as tx:
        ce = a_ce().create(tx)
        requeue(tx, a_pilot().on(ce).due_at(NOW).create_many(tx, 3))
        ces.change(tx, ce.name, wait_at_most=MINUTE)
        set_timeouts = timeouts.get_all(tx)
        with plans_on_sqlite(sqlite.engine) as queries:
            pilot_reads.in_doubt(tx, ce.name)
            pilot_reads.unsent(tx, ce.name)
            pilot_reads.left_by_drains(tx, NOW)
            pilot_reads.may_be_at_ce(tx, ce.name)
            pilots.claim(tx, ce.name, 10, NOW)
            pilots.claim(tx, ce.name, 10, NOW, only_of={DEFAULT_VO})
            pilot_reads.due(tx, ce.name, NOW, 10)
            pilot_reads.waiting_of(tx, DEFAULT_VO, 10)
            timeouts.late(tx, set_timeouts, NOW)
            pilot_reads.by_handle(tx, "2_17", None, 5)
            pilot_reads.by_beginning(tx, "c820", None, 5)
            pilot_reads.find(tx, search="c820")
            pilot_reads.find(tx, node="node7")
            pilot_reads.find(tx, uses=[Use.SHORT])
            pilot_reads.find(tx, uses=OF_NO_USE)
            pilot_reads.find(tx, causes=[Cause.NODE])
            pilot_reads.find(tx, asked=PageRequest(sort="run_time"))
            pilot_reads.find(tx, asked=PageRequest(sort="ended_at"))
            outcomes.queues(tx, NOW)
            failures.count_ends(tx, NOW)
            failures.failures(tx, NOW, list(failures.By), 10)

    indexes = [
        *(
            "ix_pilots_waiting",
            "ix_pilots_waiting",
            "ix_pilots_occupying",
            "ix_pilots_occupying",
        ),
        *("ix_pilots_waiting", "ix_pilots_waiting", "ix_pilots_occupying"),
        *("sqlite_autoindex_vos_1", "ix_pilots_occupying", "ix_pilots_occupying"),
        *("ix_pilots_handle", "sqlite_autoindex_pilots_1"),
        *("ix_pilots_handle", "ix_pilots_node_id", "ix_pilots_of_no_use", "ix_pilots_of_no_use"),
        "ix_pilots_cause_id",
        *("ix_pilots_occupying", "ix_pilots_ended_at"),
        *("ix_pilots_waiting", "ix_transitions_pilot_id_id"),
        *("ix_transitions_ends", "ix_transitions_ends"),
    ]
    assert len(queries) == len(indexes)
    for plan, index in zip(queries, indexes, strict=True):
        assert index in plan, plan
        assert "SCAN pilots\n" not in f"{plan}\n", plan
        assert "SCAN transitions" not in plan, plan


def test_decisions_are_found_and_removed_by_index(postgresql: UnitOfWork) -> None:
    with postgresql() as tx:
        first = a_decision().create(tx)
        for table in ("ce_lists", "decision_bases", "decisions"):
            for statement in (MANY_CYCLES.get(table), f"ANALYZE {table}"):
                if statement:
                    tx.execute(text(statement))
    with postgresql() as tx, plans(postgresql.engine) as queries:
        decisions.find(tx, ce=first.ce, vo=DEFAULT_VO, asked=PageRequest(sort="at", limit=10))
        decisions.last_of_each(tx, first.ce)
        decisions.last_of_each(tx, first.ce, until=NOW + 1000 * MINUTE)
        decisions.between(tx, NOW + 1000 * MINUTE, NOW + 1010 * MINUTE)
        decisions.add(tx, [replace(first, at=NOW + 30_000 * MINUTE)])
        retention.remove(tx, "decisions", before=NOW, limit=10)

    for plan in queries:
        assert "Seq Scan on decision" not in plan, plan


MANY_CYCLES = {
    "decision_bases": """
        INSERT INTO decision_bases (list_id, at, cells)
        SELECT list_id, at + n * interval '1 minute', cells
          FROM decision_bases, generate_series(1, 20000) AS n""",
    "decisions": """
        INSERT INTO decisions (vo_id, list_id, base_id, at, until, ticks, granted, digest, cells)
        SELECT d.vo_id, d.list_id, b.id, b.at, b.at, 1, 0, d.digest, d.cells
          FROM decisions AS d, decision_bases AS b WHERE b.at > d.at""",
}


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CHANGES = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
INSERT INTO changes (at, who, what, kind, name, door)
SELECT at, who, what, kind, 'ce' || n % 100, door FROM changes, numbers
"""


def look_at_changes(tx: Transaction) -> None:
    request = PageRequest(sort="at", descending=True, limit=10)
    assert changes.find(tx, NOW, asked=request).items == []
    changes.find(tx, NOW, by="alice", asked=request)
    first = changes.find(tx, LONG_AGO, of="ce7", asked=request)
    changes.find(tx, LONG_AGO, of="ce7", asked=replace(request, after=first.next))
    changes.find(tx, LONG_AGO, asked=replace(request, after=first.next))
    retention.remove(tx, "changes", before=LONG_AGO, limit=10)


def test_changes_are_found_and_removed_by_index(postgresql: UnitOfWork) -> None:
    with postgresql() as tx:
        a_change().at(LONG_AGO).create(tx)
        tx.execute(text(CHANGES))
        tx.execute(text("ANALYZE changes"))
    with postgresql() as tx, plans(postgresql.engine) as queries:
        look_at_changes(tx)

    assert len(queries) == 6
    for plan in queries:
        assert "ix_changes_" in plan, plan
        assert "Seq Scan" not in plan, plan
        assert "Sort" not in plan, plan


def test_changes_are_found_and_removed_by_index_on_sqlite(sqlite: UnitOfWork) -> None:
    with sqlite() as tx:
        a_change().at(LONG_AGO).create(tx)
        tx.execute(text(CHANGES))
        with plans_on_sqlite(sqlite.engine) as queries:
            look_at_changes(tx)

    assert len(queries) == 6
    for plan in queries:
        assert "SEARCH changes USING" in plan, plan
        assert "ix_changes_" in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def test_the_few_pilots_of_a_ce_are_found_without_reading_those_of_another(
    postgresql_world: World,
) -> None:
    uow = postgresql_world.uow
    with uow() as tx:
        pilot = a_pilot().create(tx)
    with uow() as tx, plans(uow.engine) as queries:
        page = pilot_reads.find(tx, ce=pilot.ce, asked=PageRequest(limit=10))

    assert page.items == [pilot]
    assert "ix_pilots_ce_id_id" in queries[-1], queries[-1]
