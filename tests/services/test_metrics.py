"""Metrics cost the same for any number of CEs and final pilots, and are bounded in number."""

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.expectations import statements
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.db import call_tallies, health, tallies
from worker.domain.call_tally import Call, CallKind, CallOutcome
from worker.domain.pilot import Cause, Grant, Use
from worker.services.observe.metric import MetricKind
from worker.services.observe.metrics import METRICS, metrics
from worker.services.operate import pauses

SERIES = 10_000
"""The greatest number of series of 500 CEs and 20 VOs."""

POLL = Call(CallKind.POLL, CallOutcome.ANSWERED, 0.2)
LATE = Call(CallKind.POLL, CallOutcome.UNAVAILABLE, 200.0)
Labels = frozenset[tuple[str, str]]


def read_series(world: World) -> dict[tuple[str, Labels], float]:
    """Return the value of each series as Prometheus reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics(world.runtime()))
        for sample in family.samples
    }


def series_of(world: World, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """Return the series of a name with these labels, by the values of the others."""
    return {
        tuple(value for key, value in sorted(pairs) if key not in labels): number
        for (one, pairs), number in read_series(world).items()
        if one == name and set(labels.items()) <= pairs
    }


def test_many_ces_take_as_many_statements_as_one(world: World) -> None:
    numbers = []
    for count in (1, 20):
        with world.database.uow() as tx:
            for n in range(count):
                a_pilot().running().on(a_ce().named(f"ce{count}of{n}").create(tx)).create(tx)
        with statements(world.database.engine) as sql:
            assert f'ce="ce{count}of{count - 1}",status="running"}} 1.0' in metrics(world.runtime())
        assert not any("FROM pilots" in one.replace("\n", " ") for one in sql if "ORDER" not in one)
        numbers.append(len(sql))
    assert numbers[0] == numbers[1] <= 15


def test_names_and_units_follow_the_conventions_of_prometheus() -> None:
    for metric in METRICS:
        assert metric.name.startswith("pilotage_")
        is_counter = metric.kind is MetricKind.COUNTER
        assert metric.name.endswith("_total") is is_counter
        if metric.kind in (MetricKind.SUMMARY, MetricKind.HISTOGRAM):
            assert metric.name.endswith("_seconds")
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert not any({"ce", "vo"} <= set(metric.labels) for metric in METRICS)


@pytest.mark.slow
def test_500_ces_and_20_vos_have_fewer_series_than_10000(sqlite_world: World) -> None:
    world = sqlite_world
    with world.database.uow() as tx:
        owners = [a_vo().demanding(9).limited_to(99).create(tx) for _ in range(19)]
        places = []
        for n in range(500):
            back_end = ("arc", "htcondor", "local", "sim", "slurm")[n % 5]
            places.append(a_ce().on_backend(back_end).create(tx))
        grants = [Grant(vo=owners[n % 19].name, ce=ce.name, count=1) for n, ce in enumerate(places)]
        for one in (a_pilot().done(Use.SHORT), a_pilot().failed(), a_pilot().lost()):
            one.create_by(tx, grants)
        for ce in places:
            call_tallies.add(tx, ce.name, [POLL, LATE], world.now())
            record = replace(health.get(tx, ce.name), last_answered_at=world.now())
            health.save(tx, ce.name, record)
    every = read_series(world)

    assert len(every) < SERIES
    by_ce = sum(("ce", places[0].name) in labels for _, labels in every)
    by_vo = sum(("vo", owners[0].name) in labels for _, labels in every)
    assert (by_ce, by_vo) == (17, 32), "each of them costs 500 series, or 20"


def test_what_happened_is_counted_by_ce_and_by_vo_and_the_fold_changes_nothing(
    world: World,
) -> None:
    with world.database.uow() as tx:
        ce = a_ce().named("bari").with_capacity(20).create(tx)
        vo = a_vo().named("lhcb").create(tx)
        builder = a_pilot().on(ce).for_vo(vo)
        builder.done(Use.SHORT).create_many(tx, 3)
        builder.done(Use.USEFUL).create_many(tx, 2)
        builder.failed(Cause.REFUSED).create(tx)
        builder.lost().create(tx)
        builder.cancelled().create(tx)
        call_tallies.add(tx, ce.name, [POLL, LATE], world.now())
    first = {key: value for key, value in read_series(world).items() if "connections" not in key[0]}

    assert series_of(world, "pilotage_ce_sent_total", ce="bari") == {("sim",): 7}
    assert series_of(world, "pilotage_ce_ended_total", ce="bari", backend="sim") == {
        ("useful",): 2,
        ("of_no_use",): 3,
        ("failed",): 1,
        ("lost",): 1,
    }
    assert series_of(world, "pilotage_vo_ended_total", vo="lhcb")[("cancelled",)] == 1
    assert series_of(world, "pilotage_vo_failed_total", vo="lhcb")[("refused",)] == 1
    assert series_of(world, "pilotage_ce_start_delay_seconds_count", ce="bari") == {("sim",): 6}
    assert series_of(world, "pilotage_calls_total", backend="sim")[("unavailable",)] == 1
    lengths = series_of(world, "pilotage_call_duration_seconds_bucket", backend="sim", kind="poll")
    assert (lengths[("0.1",)], lengths[("0.3",)], lengths[("100",)]) == (0, 1, 1)
    assert lengths[("+Inf",)] == 2
    with world.database.uow() as tx:
        assert tallies.fold(tx, 1000)
    again = {key: value for key, value in read_series(world).items() if "connections" not in key[0]}
    assert again == first


def test_a_vo_has_its_demand_its_need_and_its_share(world: World) -> None:
    with world.database.uow() as tx:
        ce = a_ce().with_capacity(50).create(tx)
        lhcb = a_vo().named("lhcb").demanding(10).limited_to(12).with_share(3).create(tx)
        a_pilot().on(ce).for_vo(lhcb).submitted().create_many(tx, 4)
        a_pilot().on(ce).for_vo(lhcb).running().create_many(tx, 5)

    assert series_of(world, "pilotage_vo_demand") == {("lhcb",): 10}
    assert series_of(world, "pilotage_vo_need") == {("lhcb",): 3}
    assert series_of(world, "pilotage_vo_share", vo="lhcb") == {(): 3}
    assert series_of(world, "pilotage_vo_pilots", vo="lhcb") == {("waiting",): 4, ("running",): 5}


def test_the_state_of_a_ce_is_a_word_without_its_reason(world: World) -> None:
    ce = world.ce(a_ce().named("bari"))
    assert series_of(world, "pilotage_ce_gets_pilots", ce="bari") == {("sim", "normal"): 1}
    pauses.pause(
        world.runtime(), ce.name, reason="new disks", until=world.now() + timedelta(days=1)
    )
    assert series_of(world, "pilotage_ce_gets_pilots", ce="bari") == {("sim", "held"): 0}
