"""The history of a pilot: its own row says how it began, and transitions say the rest."""

from sqlalchemy import func, insert, select, text

from tests.factories import MINUTE, NOW, a_ce, a_pilot
from worker.db import mover, pilot_reads, pilots
from worker.db.tables import transitions
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.pilot import Move, Status
from worker.domain.vo import DEFAULT_VO

LATER = NOW + MINUTE


def count_steps(tx: Transaction) -> int:
    return int(tx.execute(select(func.count()).select_from(transitions)).scalar_one())


def path(tx: Transaction, pilot_id: int) -> list[tuple[str, str]]:
    """Return the statuses before and after each step of a history."""
    return [(step.was or "", step.became) for step in pilot_reads.history(tx, pilot_id)]


def test_a_birth_and_a_claim_are_not_written_twice(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).reserved().create(tx)
        assert path(tx, pilot.id) == [("", "reserved")]
        pilots.claim(tx, ce.name, 1, LATER)
        assert path(tx, pilot.id) == [("", "reserved"), ("reserved", "submitting")]
        assert count_steps(tx) == 0
        pilots.record(tx, [pilots.receipt_move(pilot.id, handle="7")], LATER)
        assert path(tx, pilot.id)[2:] == [("submitting", "submitted")]
        assert count_steps(tx) == 1


def test_a_claim_with_words_is_written(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().reserved().create(tx)
        doubt = Move(pilot_id=pilot.id, to=Status.SUBMITTING, reason="a restore")
        mover.move(tx, [doubt], LATER)
        steps = pilot_reads.history(tx, pilot.id)

    assert [(step.became, step.reason) for step in steps] == [
        (Status.RESERVED, None),
        (Status.SUBMITTING, "a restore"),
    ]


def test_one_that_was_never_claimed_has_no_claim(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).reserved().create(tx)
        pilots.cancel_reserved(tx, [pilot.id], "nobody wants it", LATER)
        [taken_in] = pilots.take_in(tx, ["f" * 32], DEFAULT_VO, ce.name, NOW).values()
        assert path(tx, taken_in) == [("", "submitting")]
        mover.move(tx, [Move(pilot_id=taken_in, to=Status.RUNNING)], LATER)

        assert path(tx, pilot.id) == [("", "reserved"), ("reserved", "cancelled")]
        assert path(tx, taken_in) == [("", "submitting"), ("submitting", "running")]


def test_what_an_older_version_wrote_is_not_told_twice(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().submitted().create(tx)
        before = path(tx, pilot.id)
        tx.execute(transitions.delete())
        for was, became in (
            (None, "reserved"),
            ("reserved", "submitting"),
            ("submitting", "submitted"),
        ):
            step = {"pilot_id": pilot.id, "was": was, "became": became, "at": NOW}
            tx.execute(insert(transitions).values(step))

        assert path(tx, pilot.id) == before


HEAP_ONLY = "SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'pilots'"


def test_a_claim_writes_no_index(postgresql: UnitOfWork) -> None:
    with postgresql() as tx:
        ce = a_ce().create(tx)
        a_pilot().on(ce).reserved().create_many(tx, 10)
    with postgresql() as tx:
        before = tx.execute(text(HEAP_ONLY)).scalar_one()
        pilots.claim(tx, ce.name, 10, LATER)
        heap_only = tx.execute(text(HEAP_ONLY)).scalar_one() - before

    # Other tests may have filled a page; if an index had to be written, the number would be 0.
    assert heap_only > 5
