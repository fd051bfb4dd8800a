"""CEs: create, read, update, delete, list; and which VOs may use them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from tests.expectations import broken_by, refused
from tests.factories import a_ce, a_decision, a_health, a_pilot, a_vo
from worker.db import ces, decisions, health
from worker.db.pages import PageRequest
from worker.db.tables import ce_health, ce_vos
from worker.db.tables import ces as table
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.errors import AlreadyExists, InUse, Invalid, UnknownCE, UnknownVO

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
OPTIONS = [
    {},
    {"partition": "long", "queues": ["a", "b"], "nested": {"deep": {"er": [1, 2.5, None, True]}}},
    {"ünïcödé": "täglich 🚀", "quotes": 'it\'s "so" \\ %s :name', "empty": {}, "none": None},
]
TAGS: list[tuple[str, ...]] = [(), ("gpu",), ("gpu", "eu-west", "a.b:c/d@e+f"), ("NULL", "null")]


def names(tx: Transaction, **filters: object) -> list[str]:
    return [ce.name for ce in ces.find(tx, **filters).items]  # type: ignore[arg-type]


def test_a_ce_is_read_back_as_it_was_added(uow: UnitOfWork) -> None:
    ce = CE(
        name="ce01.example.org",
        backend="slurm",
        capacity=500,
        success_rate=0.75,
        waiting_limit=50,
        enabled=False,
        draining=True,
        open_to_all=True,
        tags=("gpu", "eu"),
        options={"partition": "long"},
    )
    with uow() as tx:
        ce_id = ces.add(tx, ce)
    with uow() as tx:
        result = ces.get(tx, "ce01.example.org")

    assert result == ce
    assert result.id == ce_id


@pytest.mark.parametrize("options", OPTIONS, ids=["empty", "nested", "unicode"])
def test_options_come_back_as_they_went_in(uow: UnitOfWork, options: dict[str, object]) -> None:
    with uow() as tx:
        ce = a_ce().with_options(**options).create(tx)
    with uow() as tx:
        assert ces.get(tx, ce.name).options == options
    with uow() as tx:
        ces.change(tx, ce.name, options={"other": options})
    with uow() as tx:
        assert ces.get(tx, ce.name).options == {"other": options}


@pytest.mark.parametrize("tags", TAGS)
def test_tags_come_back_as_they_went_in(uow: UnitOfWork, tags: tuple[str, ...]) -> None:
    with uow() as tx:
        ce = a_ce().tagged(*tags).create(tx)
    with uow() as tx:
        assert ces.get(tx, ce.name).tags == tags


def test_what_is_not_named_in_a_change_stays(uow: UnitOfWork) -> None:
    with uow() as tx:
        before = a_ce().with_waiting_limit(5).tagged("gpu").with_options(queue="q").create(tx)
    with uow() as tx:
        ces.change(tx, before.name, capacity=77, waiting_limit=None)
    with uow() as tx:
        after = ces.get(tx, before.name)

    assert (after.capacity, after.waiting_limit) == (77, None)
    assert (after.tags, after.options, after.id) == (("gpu",), {"queue": "q"}, before.id)


def test_a_ce_can_take_another_name_that_is_free(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("old").create(tx)
        a_ce().named("taken").create(tx)
    with refused(AlreadyExists, "taken"), uow() as tx:
        ces.change(tx, "old", name="taken")
    with uow() as tx:
        ces.change(tx, "old", name="new")
    with uow() as tx:
        assert names(tx) == ["new", "taken"]


def test_a_change_to_something_impossible_changes_nothing(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
    with refused(Invalid, "success rate", "1.5"), uow() as tx:
        ces.change(tx, ce.name, success_rate=1.5)
    with uow() as tx:
        assert ces.get(tx, ce.name) == ce


def test_a_name_is_taken_once(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("ce").create(tx)
    with refused(AlreadyExists, "ce"), uow() as tx:
        a_ce().named("ce").create(tx)


@pytest.mark.parametrize("operation", ["get", "change", "remove", "allowed"])
def test_an_unknown_ce_is_named(uow: UnitOfWork, operation: str) -> None:
    with refused(UnknownCE, "nowhere"), uow() as tx:
        getattr(ces, operation)(tx, "nowhere")


def test_a_ce_with_pilots_is_not_removed_not_even_final_ones(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        a_pilot().on(ce).cancelled().create(tx)
    with refused(InUse, ce.name, "it has pilots"), uow() as tx:
        ces.remove(tx, ce.name)
    with uow() as tx:
        assert ces.get(tx, ce.name) == ce


def test_what_describes_a_ce_goes_with_it(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        ce, other = a_ce().only_for(vo).create(tx), a_ce().create(tx)
        a_health().of(ce).opened().create(tx)
        a_decision().on(ce).create(tx)
        a_decision().on(other).create(tx)
    with uow() as tx:
        ces.remove(tx, ce.name)
    with uow() as tx:
        assert tx.execute(select(ce_vos)).all() == []
        assert list(health.get_all(tx)) == [other.name]
        assert [decision.ce for decision in decisions.find(tx).items] == [other.name]


def test_a_new_ce_has_an_empty_record_of_its_health(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
    with uow() as tx:
        record = health.get(tx, ce.name)

    assert (record.learned, record.sending, record.failed_calls) == ({}, "normal", 0)


def test_ces_are_listed_by_state_back_end_and_part_of_their_name(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_ce().named("alpha").on_backend("slurm").create(tx)
        a_ce().named("beta").disabled().create(tx)
        a_ce().named("gamma").draining().create(tx)
    with uow() as tx:
        assert names(tx) == ["alpha", "beta", "gamma"]
        assert names(tx, backend="slurm") == ["alpha"]
        assert names(tx, enabled=False) == ["beta"]
        assert names(tx, enabled=True, draining=False) == ["alpha"]
        assert names(tx, draining=True) == ["gamma"]
        assert names(tx, search="ET") == ["beta"]
        assert names(tx, search="a", backend="sim", enabled=True) == ["gamma"]
        assert names(tx, search="") == ["alpha", "beta", "gamma"]


@pytest.mark.parametrize("search", ["%", "\\", "x_y", "A%", "/%", "'", "é"])
def test_a_search_is_for_the_letters_as_they_are(uow: UnitOfWork, search: str) -> None:
    with uow() as tx:
        a_ce().named("xay").create(tx)
        a_ce().named("x_Y/1").create(tx)
    with uow() as tx:
        matches = names(tx, search=search)

    assert matches == (["x_Y/1"] if search == "x_y" else [])


def test_ces_are_sorted_by_what_is_asked_and_then_by_age(uow: UnitOfWork) -> None:
    with uow() as tx:
        for name, capacity in [("a", 3), ("b", 1), ("c", 3), ("d", 2)]:
            a_ce().named(name).with_capacity(capacity).create(tx)
    with uow() as tx:
        assert names(tx, asked=PageRequest(sort="capacity")) == ["b", "d", "a", "c"]
        assert names(tx, asked=PageRequest(sort="capacity", descending=True)) == [
            "c",
            "a",
            "d",
            "b",
        ]
        assert names(tx, asked=PageRequest(descending=True)) == ["d", "c", "b", "a"]


def test_a_list_is_not_sorted_by_what_it_does_not_have(uow: UnitOfWork) -> None:
    with (
        refused(Invalid, "sort", "'colour'", "known: capacity, id, name, success_rate"),
        uow() as tx,
    ):
        ces.find(tx, asked=PageRequest(sort="colour"))


def test_a_ce_is_open_to_all_until_it_is_closed_to_all_but_some(uow: UnitOfWork) -> None:
    with uow() as tx:
        first, second = a_vo().named("a").create(tx), a_vo().named("b").create(tx)
        ce = a_ce().create(tx)
    with uow() as tx:
        assert ces.allowed(tx, ce.name) == []
        assert ces.get(tx, ce.name).open_to_all
        ces.allow(tx, ce.name, [second.name, first.name, first.name])
    with uow() as tx:
        assert ces.allowed(tx, ce.name) == ["a", "b"]
        assert not ces.get(tx, ce.name).open_to_all
        ces.allow(tx, ce.name, [second.name])
    with uow() as tx:
        assert ces.allowed(tx, ce.name) == ["b"]
        ces.allow(tx, ce.name, [])
    with uow() as tx:
        assert ces.allowed(tx, ce.name) == []
        assert ces.get(tx, ce.name).open_to_all


def test_a_ce_is_not_opened_to_a_vo_that_does_not_exist(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        ce = a_ce().only_for(vo).create(tx)
    with refused(UnknownVO, "nobody"), uow() as tx:
        ces.allow(tx, ce.name, ["nobody"])
    with uow() as tx:
        assert ces.allowed(tx, ce.name) == [vo.name]


def test_a_closed_ce_does_not_open_to_all_when_its_only_vo_is_removed(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        ce = a_ce().only_for(vo).create(tx)
        tx.execute(text("DELETE FROM vos WHERE name = :name"), {"name": vo.name})
    with uow() as tx:
        assert not ces.get(tx, ce.name).open_to_all


@pytest.mark.parametrize("by_hand", [False, True])
def test_every_update_is_dated_whoever_makes_it(uow: UnitOfWork, by_hand: bool) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        a_health().of(ce).create(tx)
        tx.execute(table.update().values(updated_at=LONG_AGO))
        tx.execute(ce_health.update().values(updated_at=LONG_AGO))
    with uow() as tx:
        if by_hand:
            tx.execute(text("UPDATE ces SET capacity = 2"))
            tx.execute(text("UPDATE ce_health SET failed_calls = 2"))
        else:
            ces.change(tx, ce.name, capacity=2)
            a_health().of(ce).opened().create(tx)
    with uow() as tx:
        dates = [tx.execute(select(t.c.updated_at)).scalar_one() for t in (table, ce_health)]

    assert min(dates) > LONG_AGO


def test_what_was_rolled_back_was_never_there(uow: UnitOfWork) -> None:
    with broken_by(ZeroDivisionError), uow() as tx:
        a_ce().create(tx)
        raise ZeroDivisionError
    with uow() as tx:
        assert names(tx) == []
        assert health.get_all(tx) == {}


@pytest.mark.parametrize(
    ("tags", "matches"),
    [
        (("gpu",), ["both", "gpu"]),
        (("gpu", "eu-west"), ["both"]),
        (("a.b:c/d@e+f",), ["both"]),
        (("gp",), []),
        (("NULL",), ["null"]),
        (("eu",), []),
        (("o'clock",), []),
        ((), ["both", "gpu", "none", "null"]),
    ],
    ids=str,
)
def test_ces_are_listed_by_their_tags(
    uow: UnitOfWork, tags: tuple[str, ...], matches: list[str]
) -> None:
    with uow() as tx:
        for name, own in zip(("none", "gpu", "both", "null"), TAGS, strict=True):
            ces.add(tx, CE(name=name, backend="sim", capacity=1, tags=own))

    with uow() as tx:
        assert names(tx, tags=tags, asked=PageRequest(sort="name")) == matches
