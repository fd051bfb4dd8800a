"""Sums of what pilots did equal the history, whether or not it is folded or pruned."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.db import mover, retention
from worker.db.history import steps
from worker.domain.errors import Invalid
from worker.domain.pilot import Cause, Move, Status, Use
from worker.services.observe.reports import PilotSums, ReportBy, sums_of
from worker.services.tasks import tally

LONG = NOW - timedelta(days=400)
EVERY = (ReportBy.CE, ReportBy.VO, ReportBy.DAY)


def fill(world: World) -> None:
    """Let pilots of two VOs end in every way at two CEs on three days."""
    with world.database.uow() as tx:
        places = [a_ce().named(name).with_capacity(99).create(tx) for name in ("bari", "lyon")]
        owners = [a_vo().named(name).create(tx) for name in ("cms", "lhcb")]
        for day in range(3):
            at = NOW + timedelta(days=day)
            for number, ce in enumerate(places):
                builder = a_pilot().on(ce).for_vo(owners[(number + day) % 2]).at(at).pausing(MINUTE)
                for use in Use:
                    builder.done(use).create_many(tx, 1 + day)
                builder.failed(Cause.NODE).create_many(tx, 2)
                builder.failed(Cause.REFUSED).create(tx)
                builder.lost().create(tx)
                builder.cancelled().create(tx)
                builder.running().create(tx)


def history(world: World) -> Counter[tuple[str, str]]:
    """Count the ends in the history of the pilots by status and cause or use."""
    with world.database.uow() as tx:
        return Counter(
            (step["became"], step["cause"] or "") for step in tx.execute(steps()).mappings()
        )


def by(world: World, *words: ReportBy, **more: Any) -> dict[tuple[str, ...], PilotSums]:
    result = sums_of(world.runtime(), LONG, by=words, **more)
    assert not result.is_cut
    return {tuple(one.words.values()): one for one in result.items}


@pytest.mark.parametrize("is_folded", [False, True])
def test_sums_are_those_of_the_history(world: World, *, is_folded: bool) -> None:
    fill(world)
    world.wait(days=3)
    if is_folded:
        tally.tally(world.runtime())
        world.wait(days=4)
        assert tally.tally(world.runtime()).counts["old minutes"] > 0
    real = history(world)
    became = Counter(dict.fromkeys(Status, 0))
    for (status, _), number in real.items():
        became[Status(status)] += number
    for words in ((ReportBy.CE,), (ReportBy.VO, ReportBy.DAY), EVERY):
        rows = by(world, *words).values()
        assert sum(row.sent for row in rows) == became[Status.SUBMITTING]
        for name in (Status.FAILED, Status.LOST, Status.CANCELLED):
            assert sum(getattr(row, name) for row in rows) == became[name]
        good_ends = sum(row.useful + row.short + row.empty for row in rows)
        assert good_ends == became[Status.DONE]
        causes: Counter[str] = Counter()
        for row in rows:
            causes.update({str(cause): n for cause, n in row.causes.items()})
        assert causes == Counter(
            {cause: n for (status, cause), n in real.items() if status == Status.FAILED}
        )
        total = sums_of(world.runtime(), LONG, by=words).total
        assert total is not None
        assert total.ended == sum(row.ended for row in rows)
    assert len(by(world, *EVERY)) == 6
    assert sorted(day for (day,) in by(world, ReportBy.DAY)) == [
        f"{NOW + timedelta(days=day):%Y-%m-%d}" for day in range(3)
    ]


def test_they_outlive_the_pilots(world: World) -> None:
    fill(world)
    world.wait(days=3)
    tally.tally(world.runtime())
    before = {key: (one.ended, one.causes) for key, one in by(world, *EVERY).items()}
    world.change(lambda tx: retention.remove(tx, "pilots", world.now(), 1000))
    after = by(world, *EVERY)
    assert {key: (one.ended, one.causes) for key, one in after.items()} == before
    assert all(one.half_within is None for one in after.values()), "nobody knows any longer"


def test_waits_and_hours_are_those_of_the_pilots(world: World) -> None:
    with world.database.uow() as tx:
        ce = a_ce().named("bari").with_capacity(20).create(tx)
        for number in range(1, 11):
            pilot = a_pilot().on(ce).at(NOW).submitted().create(tx)
            start = NOW + number * MINUTE
            move = Move(pilot_id=pilot.id, to=Status.RUNNING, started_at=start)
            mover.move(tx, [move], start)
            end = start + timedelta(hours=1)
            ending = Move(pilot_id=pilot.id, to=Status.DONE, ended_at=end, use=Use.USEFUL)
            mover.move(tx, [ending], end)
    [one] = by(world, ReportBy.CE).values()

    assert (one.starts, one.success) == (10, 1.0)
    assert one.seconds_to_start == pytest.approx(330)
    assert (one.half_within, one.most_within) == (300, 540)
    assert one.slot_hours == pytest.approx(10)


def test_one_that_turned_up_is_lost_no_longer(world: World) -> None:
    with world.database.uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).lost().create(tx)
        move = Move(pilot_id=pilot.id, to=Status.DONE, use=Use.USEFUL)
        mover.move(tx, [move], NOW + MINUTE)
    [one] = by(world, ReportBy.CE).values()

    assert (one.ended, one.lost, one.useful) == (1, 0, 1)


def test_of_one_ce_and_vo_only_theirs_count_and_a_list_has_an_end(world: World) -> None:
    fill(world)
    assert set(by(world, ReportBy.CE, ce="bari")) == {("bari",)}
    assert set(by(world, ReportBy.VO, vo="cms")) == {("cms",)}
    cut = sums_of(world.runtime(), LONG, by=EVERY, limit=2)
    assert (len(cut.items), cut.is_cut) == (2, True)
    assert cut.total is not None
    assert cut.total.ended > sum(one.ended for one in cut.items)
    with pytest.raises(Invalid, match="name one of ce, vo, day"):
        sums_of(world.runtime(), LONG, by=())


def test_a_report_takes_as_many_statements_for_many_as_for_one(world: World) -> None:
    numbers: list[int] = []
    fill(world)
    for _ in range(2):
        world.make(a_pilot().done(Use.SHORT), 5)
        with statements(world.database.engine) as sql:
            sums_of(world.runtime(), LONG, by=EVERY)
        numbers.append(len(sql))
    assert numbers[0] == numbers[1] <= 6


def test_it_begins_with_a_whole_hour_where_minutes_are_not_kept(world: World) -> None:
    moment = world.now() - timedelta(days=3) + timedelta(minutes=12)
    since = sums_of(world.runtime(), moment, by=EVERY).since
    assert since == moment.replace(minute=0)
    moment = world.now() - timedelta(days=100)
    assert sums_of(world.runtime(), moment, by=EVERY).since.hour == 0
