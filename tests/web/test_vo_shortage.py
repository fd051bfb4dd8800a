"""Why a VO gets few pilots or none: one sentence on its page, and on the first page."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from tests.web.explaining import Console, Element
from worker.db import demands, health, vos
from worker.db.health import FailedCall
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pauses
from worker.services.tasks.submit_pilots import submit_pilots

SOURCE = {"kind": "http", "url": "http://127.0.0.1:9/"}


def silence(world: World, ce: str) -> None:
    """Let a CE fail a call, and wait until it may be called again."""
    failure = FailedCall(error="squeue: timed out", at=world.now())
    with world.database.uow() as tx:
        health.call_failed(tx, ce, failure, lambda _: world.now() + timedelta(seconds=15))
    world.wait(60)


def no_demand(world: World) -> None:
    world.vo(a_vo().named("lhcb").demanding(0))
    world.ce(a_ce().named("lyon"))


def unknown_demand(world: World) -> None:
    world.vo(a_vo().named("lhcb"))
    world.ce(a_ce().named("lyon"))
    with world.database.uow() as tx:
        vos.change(tx, "lhcb", source=SOURCE)
        demands.failed(tx, "lhcb", "connection refused", world.now())


def at_its_limit(world: World) -> None:
    lhcb = world.vo(a_vo().named("lhcb").limited_to(3))
    ce = world.ce(a_ce().named("lyon"))
    world.make(a_pilot().on(ce).for_vo(lhcb).submitted(), 3)


def enough_wait(world: World) -> None:
    lhcb = world.vo(a_vo().named("lhcb").demanding(3))
    ce = world.ce(a_ce().named("lyon"))
    world.make(a_pilot().on(ce).for_vo(lhcb).submitted(), 3)


def one_full(world: World) -> None:
    world.vo(a_vo().named("lhcb"))
    ce = world.ce(a_ce().named("lyon").with_capacity(2))
    world.make(a_pilot().on(ce).submitted(), 2)


def full_and_silent(world: World) -> None:
    one_full(world)
    silence(world, "lyon")


def each_another(world: World) -> None:
    full_and_silent(world)
    for name in ("bari", "rome"):
        world.ce(a_ce().named(name))
        pauses.pause(world.runtime(), name, "new disks")
    world.ce(a_ce().named("oslo").disabled())


def for_others(world: World) -> None:
    world.vo(a_vo().named("lhcb"))
    world.ce(a_ce().named("lyon").only_for(world.vo(a_vo().named("atlas"))))


def all_it_needs(world: World) -> None:
    world.vo(a_vo().named("lhcb").demanding(2))
    world.ce(a_ce().named("lyon").with_success_rate(1.0))


def share_of_others(world: World) -> None:
    world.vo(a_vo().named("lhcb").demanding(40))
    world.ce(a_ce().named("lyon").with_capacity(5))
    world.ce(a_ce().named("oslo").disabled())


def few_slots(world: World) -> None:
    share_of_others(world)
    with world.database.uow() as tx:
        vos.change(tx, DEFAULT_VO, demand=0)


CASES: dict[str, tuple[Callable[[World], None], str, str]] = {
    "demand 0": (no_demand, "lhcb got no pilots at {at}: its demand is 0.", "lyon"),
    "demand not known": (
        unknown_demand,
        (
            "lhcb got no pilots at {at}: its demand is not known: http answered never "
            "(connection refused); the rule is hold."
        ),
        "lyon",
    ),
    "limit": (at_its_limit, "lhcb got no pilots at {at}: it is at its limit of 3.", "lyon"),
    "enough": (
        enough_wait,
        "lhcb got no pilots at {at}: the waiting pilots are enough for its demand of 3.",
        "lyon",
    ),
    "full": (one_full, "lhcb got no pilots at {at}: its only CE is full.", "lyon"),
    "full and silent": (
        full_and_silent,
        "lhcb got no pilots at {at}: its only CE does not answer.",
        "lyon",
    ),
    "several": (
        each_another,
        (
            "lhcb got no pilots at {at}: none of 4 CEs takes pilots: 2 are held, 1 is disabled and "
            "1 does not answer."
        ),
        "",
    ),
    "for others": (for_others, "lhcb got no pilots at {at}: no CE is open to it.", "lyon"),
    "all": (
        all_it_needs,
        "lhcb got 2 pilots at {at}: it is all that it needs, because its demand is 2.",
        "lyon",
    ),
    "share": (
        share_of_others,
        (
            "lhcb got 3 pilots at {at}: it may get 40, but its share allows no more where other "
            "VOs want the same slots."
        ),
        "lyon",
    ),
    "few": (
        few_slots,
        "lhcb got 5 pilots at {at}: it may get 40, but its CEs take no more: 1 is disabled.",
        "",
    ),
}


def tick(world: World, vo: str = "lhcb") -> None:
    submit_pilots(world.runtime(), vo)


@pytest.mark.parametrize(("make", "sentence", "ce"), CASES.values(), ids=CASES)
def test_the_page_of_a_vo_says_why_in_a_sentence(
    world: World, make: Callable[[World], None], sentence: str, ce: str
) -> None:
    make(world)
    tick(world)
    short = Console(world).get("/vos/lhcb").one(id="short")
    assert short.text == sentence.format(at=f"{world.now():%H:%M}") + " Why"
    link = short.one("a").attributes["href"]
    assert link == ("/explain?vo=lhcb" + (f"&ce={ce}" if ce else ""))


def test_before_the_first_tick_it_says_so(world: World) -> None:
    world.ce(a_ce().named("lyon"))
    short = Console(world).get(f"/vos/{DEFAULT_VO}").one(id="short")
    assert short.text.startswith("default gets no pilots: no tick has decided for it yet.")


def wanting(page: Element) -> list[str]:
    return [one.text for one in page.one(id="wanting").find("li")]


def test_the_first_page_names_who_wants_pilots_and_has_none(each_world: World) -> None:
    unknown_demand(each_world)
    each_world.vo(a_vo().named("atlas").demanding(5))
    each_world.vo(a_vo().named("cms").demanding(0))
    pauses.pause(each_world.runtime(), "lyon", "new disks")
    for vo in ("lhcb", "atlas", "cms"):
        tick(each_world, vo)
    at = f"{each_world.now():%H:%M}"
    assert wanting(Console(each_world).get("/")) == [
        "source fails lhcb connection refused Its source of lhcb",
        f"no pilots atlas atlas got no pilots at {at}: its only CE is held. Why 0 pilots for atlas",
    ]


def test_who_has_pilots_is_not_named(world: World) -> None:
    at_its_limit(world)
    tick(world)
    assert wanting(Console(world).get("/")) == []


def test_a_full_ce_that_does_not_answer_is_explained_by_that(each_world: World) -> None:
    full_and_silent(each_world)
    tick(each_world)
    page = Console(each_world).get("/explain", ce="lyon", vo="lhcb")
    assert "no answer since 12:00:00Z (squeue: timed out)" in page.one("h1").text
    [row] = page.one(id="conditions").find("tr", class_="marked")
    assert row.one("th").text == "it answers"


def test_the_ces_of_a_vo_and_their_rows_agree(world: World) -> None:
    each_another(world)
    world.ce(a_ce().named("geneva").only_for(world.vo(a_vo().named("atlas"))))
    tick(world)
    page = Console(world).get("/vos/lhcb")
    assert len(page.one(id="ces").one("tbody").find("tr")) == 5
    assert "4 CEs that it may use, and 1 for other VOs" in page.text
