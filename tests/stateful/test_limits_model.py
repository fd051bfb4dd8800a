"""What can be reserved, and what is told to be free, against a model of the limits."""

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
    """A CE as a play makes it, with the pilots that it has: of which VO, and where they are."""

    capacity: int
    waiting_limit: int | None
    enabled: bool
    draining: bool
    only_first_vo: bool
    has: tuple[tuple[int, Status], ...]


@dataclass(frozen=True)
class Owner:
    """A VO as a play makes it."""

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
    @given(ces=st.tuples(places, places), vos=st.tuples(owners, owners), wanted=wishes)
    def holds(ces: Sequence[Place], vos: Sequence[Owner], wanted: Sequence[Wish]) -> None:
        with uow() as tx:
            made, their = build(tx, ces, vos)
        with uow() as tx:
            free = {row["name"]: row["available_slots"] for row in slots.available_ces(tx)}
            seen = [{ce.name: ce for ce in slots.slots_for(tx, vo.id)} for vo in their]
        with uow() as tx:
            grants = [Grant(vo=their[v].name, ce=made[c].name, count=n) for v, c, n in wanted]
            reserved = Counter((one.vo, one.ce) for one in pilots.reserve(tx, grants, NOW))

        due = expected(ces, vos, wanted)
        for number, (ce, place) in enumerate(zip(made, ces, strict=True)):
            is_open = place.enabled and not place.draining
            assert free.get(ce.name, 0) == (max(0, room_of(place)) if is_open else 0)
            for vo_number, ces_seen in enumerate(seen):
                mine = [status for owner, status in place.has if owner == vo_number]
                told = ces_seen[ce.name]
                assert told.available == max(0, room_of(place))
                assert told.allowed == (vo_number == 0 or not place.only_first_vo)
                assert told.vo_occupying == sum(status in OCCUPYING for status in mine)
                assert told.vo_waiting == sum(status in WAITING for status in mine)
                assert reserved[their[vo_number].name, ce.name] == due[vo_number, number]

    holds()


def build(
    tx: Transaction, wanted: Sequence[Place], owned: Sequence[Owner]
) -> tuple[list[CE], list[VO]]:
    """Make it so: the pilots come first, the limits are set over their heads."""
    their = [a_vo().create(tx) for _ in owned]
    made = []
    for place in wanted:
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
        made.append(ce)
    for vo, wish in zip(their, owned, strict=True):
        vos.change(tx, vo.name, limit=wish.limit, enabled=wish.enabled)
    return made, their


def room_of(place: Place) -> int:
    """Tell how many more fit on a CE, by its own limits; below 0 they are exceeded."""
    room = place.capacity - sum(status in OCCUPYING for _, status in place.has)
    if place.waiting_limit is None:
        return room
    return min(room, place.waiting_limit - sum(status in WAITING for _, status in place.has))


def expected(
    wanted: Sequence[Place], owned: Sequence[Owner], wishes: Sequence[Wish]
) -> Counter[tuple[int, int]]:
    """Take one wish after the other, one pilot after the other, while every limit allows it."""
    got: Counter[tuple[int, int]] = Counter()
    for v, c, number in wishes:
        place, owner = wanted[c], owned[v]
        shut = not place.enabled or place.draining or not owner.enabled
        if shut or (place.only_first_vo and v):
            continue
        for _ in range(number):
            there = sum(one for (_, ce), one in got.items() if ce == c)
            mine = sum(one for (vo, _), one in got.items() if vo == v)
            mine += sum(vo == v and s in OCCUPYING for p in wanted for vo, s in p.has)
            if there < room_of(place) and (owner.limit is None or mine < owner.limit):
                got[v, c] += 1
    return got
