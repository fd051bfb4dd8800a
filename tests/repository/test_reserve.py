"""Reserving: never more pilots than every limit allows, and exactly as many as fit."""

import re

import pytest

from tests.expectations import broken_by, refused
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import ces, pilot_reads, pilots, plain, slots, vos
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.errors import UnknownCE, UnknownVO
from worker.domain.pilot import OCCUPYING, WAITING, Grant, Status
from worker.domain.vo import DEFAULT_VO, VO


def grant(ce: CE, count: int, vo: str = DEFAULT_VO) -> Grant:
    return Grant(vo=vo, ce=ce.name, count=count)


def reserve(tx: Transaction, ce: CE, count: int, vo: VO | None = None) -> int:
    name = vo.name if vo else DEFAULT_VO
    return len(pilots.reserve(tx, [grant(ce, count, name)], NOW))


def test_a_new_pilot_holds_a_slot_and_has_a_stamp_of_its_own(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, ce = a_vo().create(tx), a_ce().create(tx)
        reservations = pilots.reserve(tx, [grant(ce, 3, vo.name)], NOW)
    with uow() as tx:
        rows = [pilot_reads.get(tx, new.pilot_id) for new in reservations]

    assert [(p.vo, p.ce, p.status) for p in rows] == [(vo.name, ce.name, Status.RESERVED)] * 3
    assert [p.stamp for p in rows] == [new.stamp for new in reservations]
    assert len({p.stamp for p in rows}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", p.stamp) for p in rows)
    assert {(p.reserved_at, p.updated_at) for p in rows} == {(NOW, NOW)}
    for empty in ("claimed_at", "submitted_at", "started_at", "ended_at", "next_check_at"):
        assert {getattr(p, empty) for p in rows} == {None}


def test_the_history_of_a_pilot_begins_with_its_reservation(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().reserved().create(tx)
    with uow() as tx:
        [first] = pilot_reads.history(tx, pilot.id)

    assert (first.was, first.became, first.at) == (None, Status.RESERVED, NOW)


def test_more_than_there_is_room_for_gives_exactly_the_room(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(5).create(tx)
    with uow() as tx:
        assert reserve(tx, ce, 3) == 3
    with uow() as tx:
        assert reserve(tx, ce, 1000) == 2
    with uow() as tx:
        assert reserve(tx, ce, 1) == 0
        assert plain.get_available_ces(tx) == []


def test_several_grants_share_the_room_in_their_order(uow: UnitOfWork) -> None:
    with uow() as tx:
        one, two = a_vo().create(tx), a_vo().limited_to(3).create(tx)
        small, large = a_ce().with_capacity(4).create(tx), a_ce().with_capacity(9).create(tx)
        reservations = pilots.reserve(
            tx,
            [
                grant(small, 3, one.name),
                grant(small, 3, two.name),
                grant(large, 5, two.name),
                grant(large, 5, one.name),
                grant(large, 5, one.name),
                grant(large, 0, one.name),
            ],
            NOW,
        )
    pairs = [(new.ce, new.vo) for new in reservations]

    assert {pair: pairs.count(pair) for pair in pairs} == {
        (small.name, one.name): 3,
        (small.name, two.name): 1,
        (large.name, two.name): 2,
        (large.name, one.name): 7,
    }


@pytest.mark.parametrize("status", list(Status))
def test_a_pilot_occupies_its_slot_until_it_is_final(uow: UnitOfWork, status: Status) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(3).create(tx)
        a_pilot().on(ce).that_is(status).create_many(tx, 2)
    with uow() as tx:
        room = reserve(tx, ce, 10)

    assert room == (1 if status in OCCUPYING else 3)


@pytest.mark.parametrize("status", list(Status))
def test_a_pilot_counts_as_waiting_until_it_runs(uow: UnitOfWork, status: Status) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(10).with_waiting_limit(3).create(tx)
        a_pilot().on(ce).that_is(status).create_many(tx, 2)
    with uow() as tx:
        available = [row["available_slots"] for row in plain.get_available_ces(tx)]
        room = reserve(tx, ce, 10)

    assert room == (1 if status in WAITING else 3)
    assert available == [room]


def test_without_a_waiting_limit_all_may_wait(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(10).create(tx)
        assert reserve(tx, ce, 100) == 10


def test_with_a_waiting_limit_of_none_at_all_nothing_is_sent(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_waiting_limit(0).create(tx)
        assert reserve(tx, ce, 1) == 0
        assert plain.get_available_ces(tx) == []


def test_a_vo_has_no_more_than_its_limit_on_all_ces_together(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, other = a_vo().limited_to(5).create(tx), a_vo().create(tx)
        first, second = a_ce().create(tx), a_ce().create(tx)
        a_pilot().on(first).for_vo(vo).running().create_many(tx, 2)
        a_pilot().on(first).for_vo(vo).done().create_many(tx, 3)
    with uow() as tx:
        assert reserve(tx, second, 10, vo) == 3
    with uow() as tx:
        assert reserve(tx, first, 10, vo) == 0
        assert reserve(tx, first, 10, other) == 8


def test_a_limit_below_what_runs_adds_nothing_until_it_holds_again(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, ce = a_vo().create(tx), a_ce().create(tx)
        a_pilot().on(ce).for_vo(vo).running().create_many(tx, 4)
        ces.change(tx, ce.name, capacity=2)
    with uow() as tx:
        assert reserve(tx, ce, 5, vo) == 0
        assert plain.get_available_ces(tx) == []
        ces.change(tx, ce.name, capacity=10)
        vos.change(tx, vo.name, limit=3)
    with uow() as tx:
        assert reserve(tx, ce, 5, vo) == 0
        assert reserve(tx, ce, 99) == 6


def test_a_ce_that_is_disabled_or_draining_gets_nothing(uow: UnitOfWork) -> None:
    with uow() as tx:
        disabled, draining = a_ce().disabled().create(tx), a_ce().draining().create(tx)
    with uow() as tx:
        assert reserve(tx, disabled, 1) == 0
        assert reserve(tx, draining, 1) == 0
        assert slots.available_ces(tx) == []


def test_a_vo_that_is_disabled_or_draining_gets_nothing(uow: UnitOfWork) -> None:
    with uow() as tx:
        disabled, draining = a_vo().disabled().create(tx), a_vo().create(tx)
        vos.change(tx, draining.name, draining=True)
        ce = a_ce().create(tx)
    with uow() as tx:
        assert reserve(tx, ce, 1, disabled) == 0
        assert reserve(tx, ce, 1, draining) == 0


def test_a_ce_that_is_closed_to_others_takes_only_its_own(uow: UnitOfWork) -> None:
    with uow() as tx:
        guest, stranger = a_vo().create(tx), a_vo().create(tx)
        ce = a_ce().with_capacity(4).only_for(guest).create(tx)
    with uow() as tx:
        assert reserve(tx, ce, 2, stranger) == 0
        assert reserve(tx, ce, 2, guest) == 2
        ces.allow(tx, ce.name, [])
    with uow() as tx:
        assert reserve(tx, ce, 2, stranger) == 2


def test_an_unknown_vo_or_ce_is_named_and_nothing_is_reserved(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
    with refused(UnknownVO, "nobody"), uow() as tx:
        pilots.reserve(tx, [grant(ce, 1), grant(ce, 1, "nobody")], NOW)
    with refused(UnknownCE, "nowhere"), uow() as tx:
        pilots.reserve(tx, [grant(ce, 1), Grant(vo=DEFAULT_VO, ce="nowhere", count=1)], NOW)
    with uow() as tx:
        assert pilot_reads.count_by_status(tx) == {}


def test_no_grants_are_no_pilots(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        assert pilots.reserve(tx, [], NOW) == []
        assert pilots.reserve(tx, [grant(ce, 0)], NOW) == []


def test_a_reservation_that_was_rolled_back_frees_its_slots(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(2).create(tx)
    with broken_by(ZeroDivisionError), uow() as tx:
        reserve(tx, ce, 2)
        raise ZeroDivisionError
    with uow() as tx:
        assert reserve(tx, ce, 2) == 2


def test_what_is_available_is_what_can_be_reserved(uow: UnitOfWork) -> None:
    with uow() as tx:
        for capacity, limit in [(5, None), (5, 2), (2, 5), (0, None), (3, 0)]:
            builder = a_ce().with_capacity(capacity)
            ce = (builder if limit is None else builder.with_waiting_limit(limit)).create(tx)
            if capacity > 1 and limit != 0:
                a_pilot().on(ce).running().create(tx)
                a_pilot().on(ce).submitted().create(tx)
    with uow() as tx:
        available = {row["name"]: row["available_slots"] for row in slots.available_ces(tx)}
        room = {ce.name: reserve(tx, ce, 100) for ce in ces.find(tx).items}

    assert available == {name: count for name, count in room.items() if count}
    assert sorted(room.values()) == [0, 0, 0, 1, 3]


def test_a_reservation_in_the_past_and_one_in_the_future_are_dated_so(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        early = a_pilot().on(ce).at(NOW - 1000 * MINUTE).reserved().create(tx)
        late = a_pilot().on(ce).at(NOW + 1000 * MINUTE).reserved().create(tx)

    assert early.reserved_at == NOW - 1000 * MINUTE
    assert late.reserved_at == NOW + 1000 * MINUTE
