"""Health: what was learnt of each CE, and whether it gets pilots."""

from dataclasses import replace

import pytest

from tests.expectations import broken_by, refused
from tests.factories import MINUTE, NOW, a_ce, a_health
from worker.db import health
from worker.db.health import Health
from worker.db.uow import UnitOfWork
from worker.domain.errors import UnknownCE
from worker.domain.sending import Sending

FULL = Health(
    learned={"ok": 0.5, "by_vo": {"lhcb": [1, 2, None]}, "täglich": "🚀"},
    learned_at=NOW,
    sending=Sending.PAUSED,
    sending_reason="five calls failed",
    sending_since=NOW + MINUTE,
    held_until=NOW + 2 * MINUTE,
    unreconciled_since=NOW - MINUTE,
    failed_calls=5,
    retry_at=NOW + 3 * MINUTE,
    last_answered_at=NOW - MINUTE,
    unanswered_since=NOW,
    last_error="squeue: Socket timed out",
)


LEAST = Health(learned={}, learned_at=NOW)


@pytest.mark.parametrize("record", [FULL, LEAST], ids=["full", "least"])
def test_health_is_read_back_as_it_was_saved(uow: UnitOfWork, record: Health) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        health.save(tx, ce.name, record)
    with uow() as tx:
        result = health.get(tx, ce.name)

    assert result == record
    assert isinstance(result.sending, Sending)


def test_health_is_saved_over_what_was_known(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        health.save(tx, ce.name, FULL)
    with uow() as tx:
        health.save(tx, ce.name, LEAST)
    with uow() as tx:
        assert health.get(tx, ce.name) == LEAST


def test_the_health_of_every_ce_is_one_question(uow: UnitOfWork) -> None:
    with uow() as tx:
        well, ill = a_ce().named("well").create(tx), a_ce().named("ill").create(tx)
        a_health().of(ill).opened("it is on fire").create(tx)
    with uow() as tx:
        result = health.get_all(tx)

    assert list(result) == [ill.name, well.name]
    assert result["ill"].sending_reason == "it is on fire"
    assert (result["well"].learned, result["well"].sending) == ({}, Sending.NORMAL)


def test_an_unknown_ce_is_named(uow: UnitOfWork) -> None:
    with refused(UnknownCE, "nowhere"), uow() as tx:
        health.get(tx, "nowhere")
    with refused(UnknownCE, "nowhere"), uow() as tx:
        health.save(tx, "nowhere", FULL)


def test_a_moment_without_a_time_zone_is_refused(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)

    with broken_by(Exception, "no time zone"), uow() as tx:
        health.save(tx, ce.name, replace(FULL, learned_at=NOW.replace(tzinfo=None)))
