"""The reservations, and the slots that are said to be free, against a model of the limits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOW, a_ce, a_pilot, a_vo
from tests.stateful.runs import some
from worker.db import ces, pilots, slots, vos
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.pilot import OCCUPYING, WAITING, Grant, Status
from worker.domain.vo import VO

few = st.integers(0, 4)
limits = st.none() | few
statuses = st.sampled_from(Status)


@dataclass(frozen=True)
class Place:
    """A CE of an example, with its pilots: the number of the VO and the status of each."""

    capacity: int
    waiting_limit: int | None
    enabled: bool
    draining: bool
    only_first_vo: bool
    has: tuple[tuple[int, Status], ...]


@dataclass(frozen=True)
class Owner:
    """A VO of an example."""

    limit: int | None
    enabled: bool


mostly = st.sampled_from((True, True, True, False))
places = st.builds(
    Place,
    few,
    limits,
    enabled=mostly,
    draining=mostly.map(lambda yes: not yes),
    only_first_vo=mostly.map(lambda yes: not yes),
    has=st.lists(st.tuples(st.integers(0, 1), statuses), max_size=4).map(tuple),
)
owners = st.builds(Owner, limits, enabled=mostly)
wishes = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), few), min_size=1, max_size=4)
Wish = tuple[int, int, int]


def test_exactly_what_the_limits_leave_room_for_is_reserved(uow: UnitOfWork) -> None:
    @some(uow)
    @given(ces=st.tuples(places, places), vos=st.tuples(owners, owners), wishes=wishes)
    def holds(ces: Sequence[Place], vos: Sequence[Owner], wishes: Sequence[Wish]) -> None:
        with uow() as tx:
            new_ces, their = build(tx, ces, vos)
        with uow() as tx:
            free = {row["name"]: row["available_slots"] for row in slots.available_ces(tx)}
            slots_per_vo = [{ce.name: ce for ce in slots.slots_for(tx, vo.id)} for vo in their]
        with uow() as tx:
            grants = [Grant(vo=their[v].name, ce=new_ces[c].name, count=n) for v, c, n in wishes]
            reservations = Counter((one.vo, one.ce) for one in pilots.reserve(tx, grants, NOW))

        model = expectation_of(ces, vos, wishes)
        for number, (ce, place) in enumerate(zip(new_ces, ces, strict=True)):
            is_open = place.enabled and not place.draining
            assert free.get(ce.name, 0) == (max(0, room_of(place)) if is_open else 0)
            for vo_number, slots_of_vo in enumerate(slots_per_vo):
                mine = [status for owner, status in place.has if owner == vo_number]
                ce_slots = slots_of_vo[ce.name]
                assert ce_slots.available == max(0, room_of(place))
                assert ce_slots.allowed == (vo_number == 0 or not place.only_first_vo)
                assert ce_slots.vo_occupying == sum(status in OCCUPYING for status in mine)
                assert ce_slots.vo_waiting == sum(status in WAITING for status in mine)
                assert reservations[their[vo_number].name, ce.name] == model[vo_number, number]

    holds()


def build(
    tx: Transaction, places: Sequence[Place], owners: Sequence[Owner]
) -> tuple[list[CE], list[VO]]:
    """Make the pilots first, and then set the limits, which they may exceed."""
    their = [a_vo().create(tx) for _ in owners]
    new_ces = []
    for place in places:
        ce = a_ce().create(tx)
        for owner, status in place.has:
            a_pilot().on(ce).for_vo(their[owner]).that_is(status).create(tx)
        ces.change(
            tx,
            ce.name,
            capacity=place.capacity,
            waiting_limit=place.waiting_limit,
            enabled=place.enabled,
            draining=place.draining,
        )
        if place.only_first_vo:
            ces.allow(tx, ce.name, [their[0].name])
        new_ces.append(ce)
    for vo, wish in zip(their, owners, strict=True):
        vos.change(tx, vo.name, limit=wish.limit, enabled=wish.enabled)
    return new_ces, their


def room_of(place: Place) -> int:
    """Return how many more pilots fit on a CE, by its own limits; below 0 they are exceeded."""
    room = place.capacity - sum(status in OCCUPYING for _, status in place.has)
    if place.waiting_limit is None:
        return room
    return min(room, place.waiting_limit - sum(status in WAITING for _, status in place.has))


def expectation_of(
    places: Sequence[Place], owners: Sequence[Owner], wishes: Sequence[Wish]
) -> Counter[tuple[int, int]]:
    """Grant the wishes in their order, pilot by pilot, while every limit allows it."""
    grants: Counter[tuple[int, int]] = Counter()
    for v, c, number in wishes:
        place, owner = places[c], owners[v]
        shut = not place.enabled or place.draining or not owner.enabled
        if shut or (place.only_first_vo and v):
            continue
        for _ in range(number):
            there = sum(one for (_, ce), one in grants.items() if ce == c)
            mine = sum(one for (vo, _), one in grants.items() if vo == v)
            mine += sum(vo == v and s in OCCUPYING for p in places for vo, s in p.has)
            if there < room_of(place) and (owner.limit is None or mine < owner.limit):
                grants[v, c] += 1
    return grants
