"""The outbox of the webhook: a change and its event are stored together, or neither is."""

from datetime import timedelta

import pytest

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce
from worker.db import sending, webhook_events
from worker.db.database import Database
from worker.db.sending import SendingChange
from worker.db.uow import UnitOfWork
from worker.domain.sending import Sending
from worker.domain.webhook import WebhookEventKind

PAUSED, RESUMED = WebhookEventKind.CE_PAUSED, WebhookEventKind.CE_RESUMED
LATER = NOW + MINUTE


def pause_of(ce: str) -> SendingChange:
    normal, held = Sending.NORMAL, Sending.HELD
    return SendingChange(ce=ce, was=normal, became=held, reason="täglich 🚀", by_hand=True, at=NOW)


def test_an_event_is_read_back_until_it_is_removed(uow: UnitOfWork) -> None:
    with uow() as tx:
        webhook_events.add(tx, [(PAUSED, {"ce": "lyon"}), (RESUMED, {"ce": "'ü\""})], NOW)
    with uow() as tx:
        first, second = webhook_events.due(tx, NOW, 10)
        assert (first.kind, first.at, first.details) == (PAUSED, NOW, {"ce": "lyon"})
        assert second.details == {"ce": "'ü\""}
        assert first.event_id != second.event_id
        assert [one.id for one in webhook_events.due(tx, NOW, 1)] == [first.id]
        webhook_events.remove(tx, [first.id])
    with uow() as tx:
        assert webhook_events.due(tx, NOW, 10) == [second]
        assert webhook_events.count(tx) == 1


def test_an_event_that_failed_waits(uow: UnitOfWork) -> None:
    with uow() as tx:
        webhook_events.add(tx, [(PAUSED, {})], NOW)
        [event] = webhook_events.due(tx, NOW, 10)
        webhook_events.postpone(tx, event, LATER)
    with uow() as tx:
        assert webhook_events.due(tx, NOW, 10) == []
        [again] = webhook_events.due(tx, LATER, 10)
        assert (again.event_id, again.attempts) == (event.event_id, 1)


def test_the_outbox_is_bounded_by_age_and_by_number(uow: UnitOfWork) -> None:
    with uow() as tx:
        for minutes in range(5):
            webhook_events.add(tx, [(PAUSED, {})], NOW + minutes * MINUTE)
        assert webhook_events.bound(tx, NOW, 5) == 0
        assert webhook_events.bound(tx, NOW + MINUTE, 5) == 1
        assert webhook_events.bound(tx, NOW, 2) == 2
        ages = [event.at - NOW for event in webhook_events.due(tx, NOW + timedelta(1), 9)]
        assert ages == [3 * MINUTE, 4 * MINUTE]


def test_a_pause_and_its_event_are_one_transaction(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)

    def end_in_the_middle() -> None:
        with uow() as tx:
            sending.add(tx, [pause_of(ce.name)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        end_in_the_middle()
    with uow() as tx:
        assert webhook_events.count(tx) == 0
        sending.add(tx, [pause_of(ce.name)])
        [event] = webhook_events.due(tx, NOW, 10)
        assert (event.kind, event.details["reason"]) == (PAUSED, "täglich 🚀")


def test_any_number_of_events_is_one_statement(database: Database) -> None:
    with database.uow() as tx, statements(database.engine) as sql:
        webhook_events.add(tx, [(PAUSED, {})] * 300, NOW)
        webhook_events.add(tx, [], NOW)
    assert len([one for one in sql if "webhook_events" in one]) == 1


def test_a_standstill_is_new_once(uow: UnitOfWork) -> None:
    with uow() as tx:
        assert webhook_events.note_standstills(tx, {"plan": "", "call": ""}, NOW) == (
            ["call", "plan"],
            [],
        )
    with uow() as tx:
        assert webhook_events.note_standstills(tx, {"plan": ""}, NOW) == ([], ["call"])
        assert webhook_events.note_standstills(tx, {"plan": ""}, NOW) == ([], [])
