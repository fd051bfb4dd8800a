"""One execution, one unit of work: all or nothing, children after the commit, no call within it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.factories import a_ce, a_pilot
from tests.services.world import Fake, Watching, World
from worker.backends.guard import UnitOfWorkOpen
from worker.db import (
    decisions,
    health,
    mover,
    pilot_reads,
    pilots,
    reports,
    retention,
    schedules,
    uow,
)
from worker.db.uow import Transaction
from worker.domain.ce_answers import Job, Order
from worker.domain.errors import DatabaseBusy
from worker.domain.pilot import Status
from worker.domain.schedule import Outcome
from worker.domain.vo import DEFAULT_VO
from worker.services import facts
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import (
    catalogue,
    check_pilots,
    dispatch,
    execute,
    learn,
    prune,
    reconcile,
    report,
    submit_pilots,
)

Boom = type("Boom", (RuntimeError,), {})


def everything(world: World) -> list[Any]:
    """Return all rows that a task may change, as text."""
    tables = ("pilots", "transitions", "decisions", "ce_health", "leases", "reports")
    with world.database.uow() as tx:
        return [sorted(map(str, tx.execute(text(f"SELECT * FROM {t}")).all())) for t in tables]


def break_in(module: Any, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a patch that lets a function do its work and then raise."""

    def install(monkeypatch: pytest.MonkeyPatch) -> None:
        whole = getattr(module, name)

        def and_break(*args: Any, **kwargs: Any) -> None:
            whole(*args, **kwargs)
            raise Boom(name)

        monkeypatch.setattr(module, name, and_break)

    return install


ONE_TRANSACTION: dict[str, tuple[Callable[..., TaskResult], tuple[str, ...], Any]] = {
    "submit_pilots": (submit_pilots.submit_pilots, (DEFAULT_VO,), break_in(decisions, "add")),
    "learn": (learn.learn, (), break_in(health, "save_lessons")),
    "report": (report.report, (), break_in(reports, "add")),
    "prune": (prune.prune, (), break_in(retention, "remove")),
}


@pytest.mark.parametrize(
    ("run", "subject", "install"), ONE_TRANSACTION.values(), ids=ONE_TRANSACTION
)
def test_on_an_error_nothing_is_committed_and_no_nudge_leaves(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., TaskResult],
    subject: tuple[str, ...],
    install: Callable[[pytest.MonkeyPatch], None],
) -> None:
    ce = world.ce()
    world.make(a_pilot().on(ce).done(), 2)
    before = everything(world)
    world.wait(days=60)
    install(monkeypatch)

    with pytest.raises(Boom):
        run(world.runtime(), *subject)

    assert everything(world) == before
    assert world.nudges == []


def test_a_nudge_leaves_only_when_what_it_is_about_can_be_seen(world: World) -> None:
    world.ce(a_ce().named("one"))
    world.ce(a_ce().named("two"))
    nudges = []

    def nudge(task: str, subject: str) -> None:
        assert not uow.is_open()
        with world.database.uow() as tx:
            nudges.append((task, subject, len(pilot_reads.unsent(tx, subject))))

    submit_pilots.submit_pilots(world.runtime(nudge=nudge), DEFAULT_VO)

    assert nudges == [("dispatch", "one", 10), ("dispatch", "two", 10)]


def test_a_nudge_that_cannot_be_sent_undoes_nothing_and_stops_no_other(world: World) -> None:
    world.ce(a_ce().named("one"))
    world.ce(a_ce().named("two"))
    subjects = []

    def nudge(task: str, subject: str) -> None:
        subjects.append(subject)
        raise OSError("the broker is down")

    result = submit_pilots.submit_pilots(world.runtime(nudge=nudge), DEFAULT_VO)

    assert subjects == ["one", "two"]
    assert result.counts["reserved"] == 20
    assert world.statuses() == {"reserved": 20}


SPOILED = {
    "sqlite": (
        (
            """CREATE TABLE odd (id INTEGER PRIMARY KEY,
               ce INTEGER REFERENCES ces (id) DEFERRABLE INITIALLY DEFERRED)""",
            """CREATE TRIGGER spoil AFTER INSERT ON decisions
               BEGIN INSERT INTO odd (ce) VALUES (-1); END""",
        ),
        ("DROP TRIGGER spoil", "DROP TABLE odd"),
    ),
    "postgresql": (
        (
            """CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
               $$BEGIN RAISE integrity_constraint_violation; END$$""",
            """CREATE CONSTRAINT TRIGGER spoil AFTER INSERT ON decisions
               DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spoil()""",
        ),
        ("DROP TRIGGER spoil ON decisions", "DROP FUNCTION spoil"),
    ),
}
"""Statements that make a commit fail, and statements that mend it."""


@contextmanager
def failing_commits(world: World) -> Iterator[None]:
    """Let every commit that stores a decision fail: the database checks a rule only then."""
    make, undo = SPOILED[world.database.engine.dialect.name]
    _run(world, make)
    try:
        yield
    finally:
        _run(world, undo)


def _run(world: World, statements: tuple[str, ...]) -> None:
    with world.database.uow() as tx:
        for statement in statements:
            tx.execute(text(statement))


def test_a_commit_that_fails_leaves_nothing_and_sends_nothing(world: World) -> None:
    world.ce()
    before = everything(world)
    with failing_commits(world), pytest.raises(IntegrityError):
        submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO)

    assert everything(world) == before
    assert world.nudges == []

    assert submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO).counts["reserved"] == 10
    assert len(world.nudges) == 1


def test_no_unit_of_work_is_open_while_a_ce_is_called(world: World) -> None:
    driver = Watching(uow.is_open)
    runtime = world.with_driver(driver)
    ce = world.ce()
    world.reserve(ce, 3)
    dispatch.dispatch(runtime, ce.name)
    world.wait(60)
    check_pilots.check_pilots(runtime, ce.name)
    reconcile.reconcile(runtime, ce.name)

    assert driver.calls == ["submit", "poll", "find"]
    assert driver.observations == [False, False, False]


@pytest.mark.parametrize("call", ["submit", "poll", "find"])
def test_a_service_that_calls_within_a_unit_of_work_is_found_out(world: World, call: str) -> None:
    driver = Fake()
    ce = world.ce()
    world.sent(ce, 1)
    guard = world.with_driver(driver).driver(ce)
    job = Job(stamp=world.pilots()[0].stamp, handle="sim-1")
    order = Order(stamp="0" * 32, vo=DEFAULT_VO)
    calls = {
        "submit": lambda: guard.submit([order]),
        "poll": lambda: guard.poll([job]),
        "find": guard.find,
    }

    with pytest.raises(UnitOfWorkOpen, match=call), world.database.uow():
        calls[call]()
    assert driver.calls == []


def test_the_claim_is_committed_before_the_ce_is_called(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 3)
    # Another connection sees only committed rows.
    driver = Watching(lambda: (world.statuses(), world.lease(ce)))
    dispatch.dispatch(world.with_driver(driver), ce.name)

    assert driver.observations == [({"submitting": 3}, "one")]
    assert world.statuses() == {"submitted": 3}
    assert world.lease(ce) is None


RECORDS: dict[str, tuple[str, Callable[[Runtime, str], TaskResult], Status, Any]] = {
    "dispatch": ("move", dispatch.dispatch, Status.SUBMITTING, mover),
    "check_pilots": ("checked", check_pilots.check_pilots, Status.SUBMITTED, pilots),
    "reconcile": ("checked", reconcile.reconcile, Status.SUBMITTED, pilots),
}


@pytest.mark.parametrize(("name", "run", "stays", "module"), RECORDS.values(), ids=RECORDS)
def test_when_the_record_fails_what_was_claimed_stands_and_nothing_else(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    run: Callable[[Runtime, str], TaskResult],
    stays: Status,
    module: Any,
) -> None:
    ce = world.ce()
    if stays is Status.SUBMITTING:
        [pilot] = world.reserve(ce, 1)
    else:
        [pilot] = world.sent(ce, 1)
        world.wait(60)
    with monkeypatch.context() as patch:
        break_in(module, name)(patch)
        with pytest.raises(Boom):
            run(world.runtime(), ce.name)

    assert world.pilot(pilot).status is stays
    # The turn was given back when the execution ended, not when its result was recorded.
    assert world.lease(ce) is None
    world.wait(600)
    assert reconcile.reconcile(world.runtime(holder="two"), ce.name).outcome is Outcome.OK
    assert world.pilot(pilot).status in {Status.SUBMITTED, Status.RUNNING}


def test_how_an_execution_went_is_noted_and_the_note_can_fail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ce()

    def busy(*_: object) -> None:
        raise DatabaseBusy("somebody else is at it")

    monkeypatch.setattr(schedules, "finished", busy)
    result = execute.execute(catalogue.get("submit_pilots"), DEFAULT_VO, world.runtime())

    assert result.outcome is Outcome.OK
    assert world.statuses() == {"reserved": 10}
    assert len(world.nudges) == 1


def test_a_transaction_is_not_handed_from_one_execution_to_another(world: World) -> None:
    ce = world.ce()
    transactions: list[Transaction] = []
    read_facts = facts.read

    def keep(tx: Transaction, *args: Any) -> Any:
        transactions.append(tx)
        return read_facts(tx, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "read", keep)
        submit_pilots.submit_pilots(world.runtime(budget=1), DEFAULT_VO)
        submit_pilots.submit_pilots(world.runtime(budget=1), DEFAULT_VO)

    assert transactions[0] is not transactions[1]
    assert all(tx.connection.closed for tx in transactions)
    assert world.statuses() == {"reserved": 2}
    assert world.nudges == [("dispatch", ce.name)] * 2
