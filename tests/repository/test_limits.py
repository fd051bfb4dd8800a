"""No sequence of operations exceeds a limit, and every history is legal."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases import Sqlite
from tests.factories import MINUTE, NOW, a_ce, a_vo
from worker.db import ces, mover, pilot_reads, pilots, vos
from worker.db.pages import PageRequest
from worker.db.pilots import receipt_move
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.pilot import MOVES, OCCUPYING, WAITING, Cause, Grant, Move, Pilot, Status
from worker.domain.vo import VO

ALL = PageRequest(limit=10_000)
NEVER_GROWS = {
    # A requeue and the return of a lost pilot may exceed a limit; both are tested elsewhere.
    (Status.RUNNING, Status.SUBMITTED),
    *((Status.LOST, to) for to in Status),
}

numbers = st.integers(min_value=0, max_value=6)
choices = st.integers(min_value=0, max_value=10**6)
steps = st.one_of(
    st.tuples(st.just("reserve"), st.lists(st.tuples(choices, choices, numbers), max_size=4)),
    st.tuples(st.just("claim"), choices, numbers),
    st.tuples(st.just("record"), st.lists(st.booleans(), max_size=6)),
    st.tuples(st.just("move"), st.lists(st.tuples(choices, choices), max_size=6)),
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[tuple[int, int | None]], list[int | None]]:
    places = st.tuples(numbers, st.none() | numbers)
    return (
        draw(st.lists(places, min_size=1, max_size=3)),
        draw(st.lists(st.none() | numbers, min_size=1, max_size=3)),
    )


@pytest.mark.slow
def test_no_sequence_of_operations_exceeds_a_limit_or_breaks_a_history(
    sqlite_template: Sqlite,
) -> None:
    @settings(max_examples=60)
    @given(world=worlds(), script=st.lists(steps, max_size=12))
    def holds(
        world: tuple[list[tuple[int, int | None]], list[int | None]],
        script: Sequence[tuple[object, ...]],
    ) -> None:
        with sqlite_template.in_memory() as uow:
            places, owners = build(uow, *world)
            for number, step in enumerate(script):
                with uow() as tx:
                    play(tx, step, number, places, owners)
                with uow() as tx:
                    assert_limits_hold(tx)
            with uow() as tx:
                assert_histories_are_legal(tx)

    holds()


def build(
    uow: UnitOfWork, places: list[tuple[int, int | None]], limits: list[int | None]
) -> tuple[list[CE], list[VO]]:
    with uow() as tx:
        all_ces = []
        for capacity, waiting in places:
            ce = a_ce().with_capacity(capacity)
            all_ces.append((ce if waiting is None else ce.with_waiting_limit(waiting)).create(tx))
        owners = [
            (a_vo() if limit is None else a_vo().limited_to(limit)).create(tx) for limit in limits
        ]
    return all_ces, owners


def play(
    tx: Transaction, step: tuple[object, ...], number: int, places: list[CE], owners: list[VO]
) -> None:
    now = NOW + number * MINUTE
    match step:
        case ("reserve", list(choice)):
            grants = [
                Grant(
                    vo=owners[vo % len(owners)].name, ce=places[ce % len(places)].name, count=count
                )
                for vo, ce, count in choice
            ]
            pilots.reserve(tx, grants, now)
        case ("claim", int(ce), int(limit)):
            pilots.claim(tx, places[ce % len(places)].name, limit + 1, now)
        case ("record", list(answers)):
            batch = pilot_reads.find(tx, statuses=[Status.SUBMITTING], asked=ALL).items
            pilots.record(tx, [receipt(p, ok) for p, ok in zip(batch, answers, strict=False)], now)
        case ("move", list(choice)):
            mover.move(tx, moves(pilot_reads.find(tx, asked=ALL).items, choice), now)


def receipt(pilot: Pilot, is_accepted: bool) -> Move:
    if is_accepted:
        return receipt_move(pilot_id=pilot.id, handle=str(pilot.id))
    return receipt_move(pilot_id=pilot.id, refused=Cause.REFUSED)


def moves(active: list[Pilot], pairs: list[tuple[int, int]]) -> list[Move]:
    if not active:
        return []
    targets = {active[which % len(active)]: list(Status)[to % len(Status)] for which, to in pairs}
    return [
        Move(pilot_id=pilot.id, to=to)
        for pilot, to in targets.items()
        if (pilot.status, to) not in NEVER_GROWS
    ]


def assert_limits_hold(tx: Transaction) -> None:
    there = pilot_reads.find(tx, asked=ALL).items
    occupying_at = Counter(p.ce for p in there if p.status in OCCUPYING)
    waiting_at = Counter(p.ce for p in there if p.status in WAITING)
    by_vo = Counter(p.vo for p in there if p.status in OCCUPYING)
    for ce in ces.find(tx).items:
        assert occupying_at[ce.name] <= ce.capacity
        assert ce.waiting_limit is None or waiting_at[ce.name] <= ce.waiting_limit
    for vo in vos.find(tx).items:
        assert vo.limit is None or by_vo[vo.name] <= vo.limit


def assert_histories_are_legal(tx: Transaction) -> None:
    for pilot in pilot_reads.find(tx, asked=ALL).items:
        history = pilot_reads.history(tx, pilot.id)
        assert (history[0].was, history[0].became) == (None, Status.RESERVED)
        for before, after in pairwise(history):
            assert after.was is before.became
            assert after.was is not None
            assert after.became in MOVES[after.was]
        assert history[-1].became is pilot.status
