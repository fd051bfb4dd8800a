"""Changes: who changed what, written with the change itself and never rewritten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.expectations import broken_by, refused, statements
from tests.factories import a_ce, a_vo
from tests.records import a_change, a_credential
from worker.db import ces, changes, credentials, retention, vos
from worker.db.changes import RecordedChange
from worker.db.pages import PageRequest
from worker.db.uow import UnitOfWork
from worker.domain.change import LEAST_DAYS, Actor, Door
from worker.domain.errors import UnknownCE

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def change_rows(uow: UnitOfWork, **filters: Any) -> list[RecordedChange]:
    with uow() as tx:
        return changes.find(tx, LONG_AGO, **filters).items


@pytest.fixture
def alice(uow: UnitOfWork) -> Iterator[UnitOfWork]:
    """A unit of work in the name of an account."""
    before, uow.actor = uow.actor, Actor(who="alice@desk", command="ce set")
    yield uow
    uow.actor = before


def test_what_differs_is_read_back_with_the_name_of_who_did_it(alice: UnitOfWork) -> None:
    with alice() as tx:
        a_ce().named("lyon").with_capacity(5).with_options(queue_time=1, spread="fixed").create(tx)
    with alice() as tx:
        ces.change(tx, "lyon", capacity=6, options={"queue_time": 2, "spread": "fixed"})
    *_, one = change_rows(alice)

    assert abs(datetime.now(UTC) - one.at) < DAY
    assert (one.who, one.what, one.door) == ("alice@desk", "ce set", Door.COMMAND)
    assert (one.kind, one.name) == ("ce", "lyon")
    assert one.before == {"capacity": 5, "options": {"queue_time": 1}}
    assert one.after == {"capacity": 6, "options": {"queue_time": 2}}


def test_without_a_command_it_says_what_was_done_to_what(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("lhcb").create(tx)
    with uow() as tx:
        vos.remove(tx, "lhcb")
    addition, removal = change_rows(uow)

    assert (addition.what, addition.before) == ("vo add", None)
    assert (removal.what, removal.after) == ("vo remove", None)
    assert addition.after == removal.before
    assert "@" in addition.who


def test_what_one_unit_of_work_does_to_one_object_is_one_row(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("lhcb").create(tx)
        a_ce().named("lyon").with_capacity(5).create(tx)
    with uow() as tx:
        ces.change(tx, "lyon", capacity=6)
        ces.change(tx, "lyon", draining=True)
        ces.change(tx, "lyon", capacity=7)
        ces.allow(tx, "lyon", ["lhcb"])
    one = change_rows(uow, of="lyon")[-1]

    assert one.before == {
        "capacity": 5,
        "draining": False,
        "open_to_all": True,
        "only_for": None,
    }
    assert one.after == {
        "capacity": 7,
        "draining": True,
        "open_to_all": False,
        "only_for": "lhcb",
    }


def test_many_are_written_in_one_statement(uow: UnitOfWork) -> None:
    with statements(uow.engine) as sql, uow() as tx:
        for number in range(20):
            a_ce().named(f"ce{number}").create(tx)

    assert sum("INSERT INTO changes" in one for one in sql) == 1
    assert len(change_rows(uow)) == 20


def test_what_is_as_it_was_is_no_change(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("lyon").with_capacity(5).create(tx)
    before = change_rows(uow)
    with uow() as tx:
        ces.change(tx, "lyon", capacity=5)
    with uow() as tx:
        ces.change(tx, "lyon", capacity=6)
        ces.change(tx, "lyon", capacity=5)

    assert change_rows(uow) == before


def test_a_secret_that_is_changed_is_a_change_that_does_not_show_it(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("lyon").with_options(token="first").create(tx)
    with uow() as tx:
        ces.change(tx, "lyon", options={"token": "second"})
    one = change_rows(uow)[-1]

    assert one.before == one.after == {"options": {"token": "***"}}


def test_what_is_refused_or_rolled_back_leaves_none(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("lyon").create(tx)
    before = change_rows(uow)
    with refused(UnknownCE, "lyn"), uow() as tx:
        ces.change(tx, "lyon", capacity=70)
        ces.change(tx, "lyn", capacity=70)
    with broken_by(ZeroDivisionError), uow() as tx:
        ces.change(tx, "lyon", capacity=70)
        raise ZeroDivisionError
    with uow() as tx:
        with broken_by(ZeroDivisionError), tx.savepoint():
            ces.change(tx, "lyon", capacity=70)
            raise ZeroDivisionError
        a_vo().named("lhcb").create(tx)

    assert [one.name for one in change_rows(uow) if one not in before] == ["lhcb"]


def test_a_change_that_cannot_be_written_does_not_happen(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("lyon").with_capacity(5).create(tx)
    uow.actor, actor = Actor(who=None), uow.actor  # type: ignore[arg-type]
    with broken_by(DBAPIError), uow() as tx:
        ces.change(tx, "lyon", capacity=6)
    uow.actor = actor
    with uow() as tx:
        assert ces.get(tx, "lyon").capacity == 5


def test_the_latest_come_first_by_pages_and_chosen_by_account_or_name(uow: UnitOfWork) -> None:
    with uow() as tx:
        for number, who in enumerate(
            ("bob@a", "alice@a", "alice@b", "root@a (for alice)", "alicia@a", "learn", "al%@a")
        ):
            a_change().by(who).of("ce", f"ce{number}").at(LONG_AGO + number * DAY).create(tx)

    def numbers(since: datetime = LONG_AGO, **filters: Any) -> list[int]:
        with uow() as tx:
            request = PageRequest(sort="at", descending=True, limit=2)
            page = changes.find(tx, since, asked=request, **filters)
            items = list(page.items)
            while page.next:
                request = PageRequest(sort="at", descending=True, limit=2, after=page.next)
                page = changes.find(tx, since, asked=request, **filters)
                items += page.items
        return [int(one.name[2:]) for one in items]

    assert numbers() == [6, 5, 4, 3, 2, 1, 0]
    assert numbers(since=LONG_AGO + 4 * DAY) == [6, 5, 4]
    assert numbers(by="alice") == [3, 2, 1]
    assert numbers(by="alice@b") == [2]
    assert numbers(by="root") == numbers(by="root@a") == [3]
    assert numbers(by="learn") == [5]
    assert numbers(by="al%") == [6]
    assert numbers(by="nobody") == numbers(by="") == []
    assert numbers(of="ce4") == [4]
    assert numbers(of="ce") == []


def test_no_row_can_be_changed_nor_a_young_one_deleted(uow: UnitOfWork) -> None:
    now = datetime.now(UTC)
    young, old = now - (LEAST_DAYS - 1) * DAY, now - (LEAST_DAYS + 1) * DAY
    with uow() as tx:
        a_change().of("ce", "young").at(young).create(tx)
        a_change().of("ce", "old").at(old).create(tx)
    for statement in (
        "UPDATE changes SET who = 'nobody'",
        "UPDATE changes SET at = at WHERE name = 'old'",
        "DELETE FROM changes WHERE name = 'young'",
        "DELETE FROM changes",
    ):
        with pytest.raises(Exception, match="changes is append-only"), uow() as tx:
            tx.execute(text(statement))
    with uow() as tx:
        assert retention.remove(tx, "changes", before=now - LEAST_DAYS * DAY, limit=10) == 1

    assert [one.name for one in change_rows(uow)] == ["young"]


def test_a_credential_is_noted_by_its_path_and_without_what_looks_like_a_secret(
    uow: UnitOfWork,
) -> None:
    with uow() as tx:
        one = a_credential().renewed_by("renew", "--password", "hunter2").create(tx)
    with uow() as tx:
        credentials.remove(tx, one)
    addition, removal = change_rows(uow, of="all")

    proxy = {"path": "/etc/pilotage/proxy.pem", "renew": "renew --password ***"}
    assert addition.after == {"proxy for arc": proxy}
    assert addition.before == {"proxy for arc": None}
    assert (addition.what, removal.what) == ("vo credential add", "vo credential remove")
    assert removal.after == {"proxy for arc": None}
