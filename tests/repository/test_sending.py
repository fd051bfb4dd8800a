"""Pauses of CEs: what holds now, and the history of them."""

from dataclasses import replace
from datetime import datetime

import pytest

from tests.expectations import refused, statements
from tests.factories import MINUTE, NOW, a_ce, a_health
from tests.records import PauseBuilder, a_pause
from worker.db import ces, health, retention, sending
from worker.db.pages import PageRequest
from worker.db.sending import SendingChange
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.errors import UnknownCE
from worker.domain.sending import Sending


@pytest.mark.parametrize("pause", [a_pause(), a_pause().by_hand_until(NOW + MINUTE)])
def test_a_change_is_read_back_as_it_was_written(uow: UnitOfWork, pause: PauseBuilder) -> None:
    with uow() as tx:
        change = pause.because('täglich 🚀 it\'s "so"').create(tx)
    with uow() as tx:
        assert sending.find(tx, change.ce).items == [change]


def test_the_history_of_one_ce_is_in_order(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        first = a_pause().of(ce).create(tx)
        last = a_pause().of(ce).at(NOW + MINUTE).create(tx)
        a_pause().create(tx)
    with uow() as tx:
        assert sending.find(tx, ce.name).items == [first, last]
        newest = sending.find(tx, ce.name, asked=PageRequest(descending=True, limit=1))
        assert newest.items == [last]
        with refused(UnknownCE, "nowhere"):
            sending.find(tx, "nowhere")


def test_many_changes_are_two_statements_and_none_is_no_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        change = a_pause().create(tx)
    with uow() as tx, statements(uow.engine) as sql:
        sending.add(tx, [change] * 100)
        sending.add(tx, [])
    with uow() as tx:
        assert len(sending.find(tx, change.ce, asked=PageRequest(limit=1000)).items) == 101

    assert len(sql) == 2, "the changes, and their events for the webhook"


def hold(ce: CE, until: datetime | None) -> SendingChange:
    """Return the change by which somebody holds a CE."""
    return SendingChange(
        ce=ce.name,
        was=Sending.NORMAL,
        became=Sending.HELD,
        reason="new disks",
        by_hand=True,
        until=until,
        at=NOW,
    )


def test_a_change_is_the_state_and_leaves_the_rest(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        a_health().of(ce).with_learned({"ok": 1}).create(tx)
        change = hold(ce, NOW + MINUTE)
        sending.change(tx, change, "new disks", NOW)
    with uow() as tx:
        record = health.get(tx, ce.name)
        assert (record.sending, record.sending_reason) == (Sending.HELD, "new disks")
        assert (record.sending_since, record.held_until) == (NOW, NOW + MINUTE)
        assert record.learned == {"ok": 1}
        sending.change(tx, replace(change, was=change.became, became=Sending.NORMAL, until=None))
    with uow() as tx:
        assert health.get(tx, ce.name).sending is Sending.NORMAL


def test_only_what_is_held_and_over_is_named(uow: UnitOfWork) -> None:
    with uow() as tx:
        over, held, endless = (a_ce().named(name).create(tx) for name in "abc")
        for ce, until in ((over, NOW), (held, NOW + MINUTE), (endless, None)):
            sending.change(tx, hold(ce, until), "why", NOW)
        paused = a_health().opened().create(tx)
        health.save(tx, a_ce().create(tx).name, replace(paused, held_until=NOW))
    with uow() as tx:
        assert sending.holds_over(tx, NOW) == [over.name]


def test_a_change_goes_with_its_ce_or_once_it_is_old(uow: UnitOfWork) -> None:
    with uow() as tx:
        first, second = a_pause().create(tx), a_pause().create(tx)
        a_pause().at(NOW - MINUTE).create(tx)
    with uow() as tx:
        ces.remove(tx, first.ce)
        assert retention.remove(tx, "pauses", before=NOW, limit=9) == 1
    with uow() as tx:
        assert sending.find(tx, second.ce).items == [second]
        assert retention.count(tx, "pauses", NOW + MINUTE) == 1
