"""Long lists, a page at a time: the same for every list, every order, both ways."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from tests.expectations import refused
from tests.factories import MINUTE, NOW, a_ce, a_decision, a_pilot, a_vo
from worker.db import ces, decisions, mover, pilot_reads, pilot_search, vos
from worker.db.pages import Page, PageRequest
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.errors import Invalid
from worker.domain.pilot import Move, Status

Find = Callable[..., Page[Any]]
LISTS: dict[str, tuple[Find, Callable[[Any], Any]]] = {
    "vos": (vos.find, lambda vo: vo.name),
    "ces": (ces.find, lambda ce: ce.name),
    "pilots": (pilot_reads.find, lambda pilot: pilot.id),
    "decisions": (decisions.find, lambda decision: decision.reason),
}
PILOTS = {
    "id": 7,
    "ended_at": 2,
    "age": 5,
    "wait": 2,
    "run_time": 3,
    "status": 5,
    "reserved_at": 5,
    "submitted_at": 5,
    "started_at": 3,
}
"""How many of seven pilots each order applies to."""
ORDERS = [
    (of, sort, descending)
    for of, sorts in (
        ("vos", vos.SORTS),
        ("ces", ces.SORTS),
        ("pilots", pilot_search.SORTS),
        ("decisions", decisions.SORTS),
    )
    for sort in sorts
    for descending in (False, True)
]


def fill(tx: Transaction) -> None:
    """Make seven of each; some have equal values in a sorted column, some were changed later."""
    for n in range(6):
        a_vo().named(f"vo{n}").create(tx)
    for n in range(7):
        builder = a_ce().named(f"ce{n}").with_capacity(10 + n // 2).with_success_rate(n % 3 / 4)
        ce = builder.create(tx)
        pilot = a_pilot().on(ce).at(NOW + n // 3 * MINUTE)
        kinds = (pilot.lost(), pilot.running(), pilot.submitted(), pilot.running())
        kinds[n % 4].create(tx)
        a_decision().on(ce).granting(n // 2).because(f"reason {n}").at(
            NOW + n // 3 * MINUTE
        ).create(tx)
    vos.change(tx, "vo3", share=3.0)
    ces.change(tx, "ce2", tags=("changed",))
    ces.change(tx, "ce5", tags=("changed",))


def read(uow: UnitOfWork, of: str, **request: Any) -> list[list[Any]]:
    """Read page after page, each in its own transaction."""
    find, key = LISTS[of]
    pages: list[list[Any]] = []
    after = None
    # A list that never ends would be read for ever.
    for _ in range(20):
        with uow() as tx:
            page = find(tx, asked=PageRequest(after=after, **request))
        pages.append([key(item) for item in page.items])
        after = page.next
        if after is None:
            return pages
    pytest.fail(f"the pages never end: {pages}")


@pytest.mark.parametrize(("of", "sort", "descending"), ORDERS)
def test_pages_together_are_the_whole_list_in_its_order(
    uow: UnitOfWork, of: str, sort: str, descending: bool
) -> None:
    with uow() as tx:
        fill(tx)
    [whole] = read(uow, of, sort=sort, descending=descending)

    assert len(whole) == (PILOTS[sort] if of == "pilots" else 7)
    for length in (1, 2, 3, 6, 7):
        pages = read(uow, of, sort=sort, descending=descending, limit=length)
        assert [item for page in pages for item in page] == whole
        assert [len(page) for page in pages[:-1]] == [length] * (len(pages) - 1)
        assert pages[-1] != []


@pytest.mark.parametrize(("of", "sort", "descending"), ORDERS)
def test_one_order_is_the_other_backwards(
    uow: UnitOfWork, of: str, sort: str, descending: bool
) -> None:
    with uow() as tx:
        fill(tx)
    [there] = read(uow, of, sort=sort, descending=descending)
    [back] = read(uow, of, sort=sort, descending=not descending)

    assert there == back[::-1]


@pytest.mark.parametrize(
    ("sort", "column", "statuses"),
    [
        ("age", "reserved_at", "reserved, submitting, submitted, running"),
        ("wait", "submitted_at", "submitted"),
        ("run_time", "started_at", "running"),
    ],
)
def test_the_longest_is_the_one_that_began_first_and_what_is_over_is_refused(
    uow: UnitOfWork, sort: str, column: str, statuses: str
) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        batch = [
            a_pilot().on(ce).at(NOW - n * MINUTE).that_is(status).create(tx)
            for n in (3, 1, 2)
            for status in (Status.SUBMITTED, Status.RUNNING, Status.DONE)
        ]
    ids = {pilot.id: pilot for pilot in batch}
    [longest_first] = read(uow, "pilots", sort=sort, descending=True)
    moments = [getattr(ids[i], column) for i in longest_first]

    assert len(moments) >= 3
    assert moments == sorted(moments)
    assert not any(ids[i].status is Status.DONE for i in longest_first)
    with refused(Invalid, f"only pilots that are {statuses}", "not done"), uow() as tx:
        pilot_reads.find(tx, statuses=[Status.DONE], asked=PageRequest(sort=sort))


def test_pilots_are_sorted_by_their_end(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        batch = [a_pilot().on(ce).at(NOW - n * MINUTE).done().create(tx) for n in (3, 1, 2)]
        a_pilot().on(ce).create(tx)
    [ids] = read(uow, "pilots", sort="ended_at", descending=True)

    assert ids == [batch[1].id, batch[2].id, batch[0].id]


def test_an_empty_list_is_one_empty_page(uow: UnitOfWork) -> None:
    assert read(uow, "ces") == [[]]


@pytest.mark.parametrize("descending", [False, True])
def test_rows_that_come_and_go_between_pages_shift_nothing(
    uow: UnitOfWork, descending: bool
) -> None:
    with uow() as tx:
        for name in "bdfhj":
            a_ce().named(name).create(tx)
    with uow() as tx:
        first = ces.find(tx, asked=PageRequest(limit=3, descending=descending))
    last, earlier, later = ("f", "a", "i") if not descending else ("f", "k", "c")
    with uow() as tx:
        # The last row that was shown, one before it, and one after it.
        ces.remove(tx, last)
        a_ce().named(earlier).create(tx)
        a_ce().named(later).create(tx)
    with uow() as tx:
        second = ces.find(tx, asked=PageRequest(limit=9, descending=descending, after=first.next))

    assert [ce.name for ce in first.items] == list("jhf" if descending else "bdf")
    assert [ce.name for ce in second.items] == list("dcb" if descending else "hij")


def test_a_filter_holds_on_every_page(uow: UnitOfWork) -> None:
    with uow() as tx:
        for n in range(5):
            a_ce().named(f"wanted{n}").create(tx)
            a_ce().named(f"other{n}").create(tx)
    names, after = [], None
    for _ in islice(iter(int, 1), 10):
        with uow() as tx:
            page = ces.find(tx, search="WANTED", asked=PageRequest(limit=2, after=after))
        names += [ce.name for ce in page.items]
        after = page.next
        if after is None:
            break

    assert names == [f"wanted{n}" for n in range(5)]


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        ("name", ""),
        ("name", "x"),
        ("name", "é"),
        ("name", "%%%"),
        ("name", "bm90IGpzb24"),
        ("name", cursor()),
        ("name", cursor("ce")),
        ("name", cursor("ce", 1, 2)),
        ("name", cursor("ce", None)),
        ("name", cursor("ce", "x")),
        ("name", cursor(["ce"], 1)),
        ("name", cursor({}, 1)),
        ("name", base64.urlsafe_b64encode(b'{"a": 1, "b": 2}').decode()),
        ("name", base64.urlsafe_b64encode(b'["ce", 1e999]').decode()),
        ("name", base64.urlsafe_b64encode(b'["ce", NaN]').decode()),
        ("name", cursor("ce", 10**30)),
        ("name", cursor("c\0e", 1)),
        ("name", cursor("\ud800", 1)),
        ("capacity", cursor("many", 1)),
        ("capacity", cursor(10**30, 1)),
    ],
)
def test_where_no_page_ended_no_page_begins(uow: UnitOfWork, sort: str, after: str) -> None:
    with uow() as tx:
        a_ce().create(tx)
    with refused(Invalid, "after", "not the end of a page"), uow() as tx:
        ces.find(tx, asked=PageRequest(sort=sort, after=after))


@pytest.mark.parametrize(
    "after",
    [cursor(1, 1), cursor("yesterday", 1), cursor("2026-03-01 12:00:00+01:00", 1)],
)
def test_a_page_begins_after_a_moment_and_nothing_else(uow: UnitOfWork, after: str) -> None:
    with refused(Invalid, "after", "not the end of a page"), uow() as tx:
        pilot_reads.find(tx, asked=PageRequest(sort="reserved_at", after=after))


def test_a_page_of_one_order_does_not_go_on_in_another(uow: UnitOfWork) -> None:
    with uow() as tx:
        fill(tx)
        by_name = ces.find(tx, asked=PageRequest(limit=2)).next
    with refused(Invalid, "after"), uow() as tx:
        ces.find(tx, asked=PageRequest(sort="capacity", limit=2, after=by_name))


def ids_of(uow: UnitOfWork, status: Status, limit: int, **order: Any) -> list[int]:
    """Return the ids of the pilots of a status, read page after page."""
    ids: list[int] = []
    request = PageRequest(limit=limit, **order)
    while True:
        with uow() as tx:
            page = pilot_reads.find(tx, statuses=[status], asked=request)
        ids += [pilot.id for pilot in page.items]
        if page.next is None:
            return ids
        request = replace(request, after=page.next)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 10])
def test_who_was_lost_twice_is_listed_once_and_who_turned_up_is_not(
    uow: UnitOfWork, limit: int, descending: bool
) -> None:
    with uow() as tx:
        a_pilot().cancelled().create(tx)
        three = a_pilot().lost().create_many(tx, 3)
        back, twice = a_pilot().lost().create_many(tx, 2)
        for pilot, status in (
            (back, Status.RUNNING),
            (twice, Status.RUNNING),
            (twice, Status.LOST),
        ):
            mover.move(tx, [Move(pilot_id=pilot.id, to=status)], NOW)
    expected_ids = [*(pilot.id for pilot in three), twice.id]

    ids = ids_of(uow, Status.LOST, limit, descending=descending)
    assert ids == (expected_ids[::-1] if descending else expected_ids)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_waiting_pilots_of_all_ces_stand_in_one_order(
    uow: UnitOfWork, limit: int, descending: bool
) -> None:
    with uow() as tx:
        places = [a_ce().with_capacity(10).create(tx) for _ in range(3)]
        for minutes, place in enumerate([0, 1, 1, 2, 0, 0, 1]):
            a_pilot().on(places[place]).submitted().at(NOW + minutes // 2 * MINUTE).create(tx)
            a_pilot().on(places[place]).running().at(NOW).create(tx)
        waiting = [p for p in pilot_reads.find(tx).items if p.status is Status.SUBMITTED]
    # The pilot that has waited longest comes last, or first.
    order = sorted(
        waiting, key=lambda pilot: (pilot.submitted_at, pilot.id), reverse=not descending
    )

    assert ids_of(uow, Status.SUBMITTED, limit, sort="wait", descending=descending) == [
        pilot.id for pilot in order
    ]


@pytest.mark.parametrize("newest", [0, 3, 5, 100])
@pytest.mark.parametrize("limit", [1, 2, 10])
def test_active_pilots_are_listed_whether_or_not_they_are_among_the_newest(
    uow: UnitOfWork, monkeypatch: pytest.MonkeyPatch, limit: int, newest: int
) -> None:
    monkeypatch.setattr(pilot_search, "NEWEST", newest)
    with uow() as tx:
        batch = [a_pilot().that_is(status).create(tx) for status in (Status.RUNNING, *Status)]
    expected_ids = [pilot.id for pilot in batch if pilot.status is Status.RUNNING]

    assert ids_of(uow, Status.RUNNING, limit, descending=True) == expected_ids[::-1]
