"""A request with a key is done once, and a repeat gets the answer of the first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.expectations import broken_by, refused, statements
from tests.factories import a_vo
from worker.db import answered, retention, vos
from worker.db.tables import answered_requests
from worker.db.uow import UnitOfWork
from worker.domain.change import Actor
from worker.domain.errors import Invalid, OtherRequest

ME = Actor(who="alice")
HASH, OTHER_HASH = "a" * 64, "b" * 64


def once(
    key: str = "k1", who: str = "alice", request_hash: str = HASH, **more: Any
) -> answered.Once:
    return answered.Once(who=who, key=key, request_hash=request_hash, **more)


def add_vo(uow: UnitOfWork, request: answered.Once, name: str, answer: object = None) -> None:
    """Do what a service does for a request."""
    with uow.used_by(ME, once=request)() as tx:
        a_vo().named(name).create(tx)
        tx.answer(answer)


def names(uow: UnitOfWork) -> list[str]:
    with uow() as tx:
        return vos.names(tx)


def keys(uow: UnitOfWork) -> list[str]:
    with uow() as tx:
        query = select(answered_requests.c.key).order_by(answered_requests.c.key)
        return list(tx.execute(query).scalars())


def repeat(uow: UnitOfWork, request: answered.Once) -> Any:
    """Repeat a request that was done; return the answer."""
    with pytest.raises(answered.AnsweredBefore) as error:
        add_vo(uow, request, "never")
    return error.value.answer


@pytest.mark.parametrize(
    "answer", [None, 7, "zürich 🚀 \0", [1.5, None], {"z": 1, "a": {"b": [True]}}]
)
def test_a_repeat_does_nothing_and_gets_the_answer(uow: UnitOfWork, answer: object) -> None:
    add_vo(uow, once(), "lhcb", answer)

    for _ in range(2):
        again = repeat(uow, once())
        assert again == answer
        assert not isinstance(answer, dict) or list(again) == list(answer)
    assert names(uow) == ["default", "lhcb"]


def test_an_answer_is_handed_back_as_it_is_and_stored_encoded(uow: UnitOfWork) -> None:
    request = once(encode=lambda moment: {"at": moment.isoformat()})
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with uow.used_by(ME, once=request)() as tx:
        assert tx.answer(moment) is moment

    assert repeat(uow, once()) == {"at": moment.isoformat()}


def test_without_an_answer_null_is_stored(uow: UnitOfWork) -> None:
    with uow.used_by(ME, once=once())() as tx:
        a_vo().named("lhcb").create(tx)

    assert repeat(uow, once()) is None
    assert names(uow) == ["default", "lhcb"]


def test_what_is_rolled_back_is_done_by_the_repeat(uow: UnitOfWork) -> None:
    request = once()
    with broken_by(ZeroDivisionError), uow.used_by(ME, once=request)() as tx:
        a_vo().named("lhcb").create(tx)
        tx.answer(1)
        raise ZeroDivisionError
    assert keys(uow) == []

    add_vo(uow, request, "lhcb", "second")  # even by the same process
    assert repeat(uow, once()) == "second"


def test_what_cannot_be_encoded_is_not_committed(uow: UnitOfWork) -> None:
    with broken_by(ZeroDivisionError):
        add_vo(uow, once(encode=lambda answer: answer / 0), "lhcb", 1)

    assert names(uow) == ["default"]
    assert keys(uow) == []


def test_a_key_belongs_to_one_request_of_one_sender(uow: UnitOfWork) -> None:
    add_vo(uow, once(), "lhcb", 1)

    with refused(OtherRequest, "k1"):
        add_vo(uow, once(request_hash=OTHER_HASH), "cms")
    add_vo(uow, once(who="bob", request_hash=OTHER_HASH), "atlas", 2)
    add_vo(uow, once(key="k2"), "alice", 3)
    assert names(uow) == ["alice", "atlas", "default", "lhcb"]
    assert repeat(uow, once()) == 1


def test_only_the_first_transaction_that_is_committed_counts(uow: UnitOfWork) -> None:
    mine = uow.used_by(ME, once=once())
    with mine() as tx:
        tx.answer("first")
    for name in ("lhcb", "cms"):
        with mine.used_by(Actor(who="alice by a task"))() as tx:
            a_vo().named(name).create(tx)
            assert tx.answer(name) == name

    assert repeat(uow, once()) == "first"
    assert names(uow) == ["cms", "default", "lhcb"]


def test_what_is_made_of_it_does_the_same_request(uow: UnitOfWork) -> None:
    add_vo(uow, once(), "lhcb", 1)
    with (
        pytest.raises(answered.AnsweredBefore),
        uow.used_by(ME, once=once()).used_by(Actor(who="x"))(),
    ):
        pass


def test_without_it_nothing_is_sent(uow: UnitOfWork) -> None:
    with statements(uow.engine) as sql, uow.used_by(ME)() as tx:
        assert tx.answer(5) == 5

    assert not any("answered_requests" in statement for statement in sql)


def test_with_it_two_short_statements_are(uow: UnitOfWork) -> None:
    with statements(uow.engine) as sql, uow.used_by(ME, once=once())() as tx:
        tx.answer(5)

    assert sum("answered_requests" in statement for statement in sql) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "a\0", "\ud800"])
def test_a_key_is_short_and_printable(key: str) -> None:
    with refused(Invalid, "1 to 255 printable characters"):
        once(key)


def test_the_longest_key_is_taken(uow: UnitOfWork) -> None:
    add_vo(uow, once("ü" * 255), "lhcb")

    assert keys(uow) == ["ü" * 255]


def test_old_ones_are_pruned_a_limited_number_at_a_time(uow: UnitOfWork) -> None:
    for number in range(3):
        add_vo(uow, once(f"k'{number}"), f"vo{number}")
    later = datetime.now(UTC) + timedelta(minutes=1)
    with uow() as tx:
        assert retention.remove(tx, "answers", later - timedelta(hours=1), limit=9) == 0
        assert retention.count(tx, "answers", later) == 3
        assert retention.remove(tx, "answers", later, limit=2) == 2
    assert keys(uow) == ["k'2"]

    add_vo(uow, once("k'0"), "anew")
    assert keys(uow) == ["k'0", "k'2"]
