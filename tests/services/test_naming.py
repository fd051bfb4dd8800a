"""A pilot is named by its number, its stamp, the beginning of its stamp, or its id at the CE."""

from datetime import timedelta

import pytest

from tests.expectations import refused
from tests.factories import NOW, a_pilot
from tests.services.world import World
from worker.db import pilot_reads
from worker.db.pilots import take_in
from worker.domain.ce import CE
from worker.domain.errors import AmbiguousPilot, UnknownPilot
from worker.domain.pilot import Pilot
from worker.domain.vo import DEFAULT_VO
from worker.services.operate.naming import pilots_named

LATER = NOW + timedelta(hours=2)


def find_ids(world: World, *words: str, ce: CE | None = None) -> list[int]:
    with world.database.uow() as tx:
        matches = pilots_named(tx, words, LATER, None if ce is None else ce.name)
        return [pilot.id for pilot in matches]


def make_pilot(world: World, ce: CE, handle: str) -> Pilot:
    [pilot] = world.make(a_pilot().on(ce).with_handle(handle))
    return pilot


def take_in_stamps(world: World, ce: CE, *stamps: str) -> list[int]:
    with world.database.uow() as tx:
        take_in(tx, stamps, DEFAULT_VO, ce.name, NOW)
        by_stamp = pilot_reads.by_stamps(tx, stamps)
        return [by_stamp[stamp].id for stamp in stamps]


def test_a_pilot_is_named_in_every_way_and_each_once(world: World) -> None:
    ce = world.ce()
    [first] = take_in_stamps(world, ce, "c8209340" + "0" * 24)
    second = make_pilot(world, ce, "2_17")
    third = make_pilot(world, ce, "1234.0")
    words = [str(first), "c8209340", "C820", "c8209340" + "0" * 24, "2_17", "1234.0"]

    assert [find_ids(world, word) for word in words] == [
        [i] for i in (*[first] * 4, second.id, third.id)
    ]
    assert find_ids(world, *words) == [first, second.id, third.id]


@pytest.mark.parametrize("word", ["c82", "1234", "12345678", "2_1", "2_", "%", "x" * 600, "é\x7f"])
def test_a_word_that_names_nobody_is_an_error(world: World, word: str) -> None:
    ce = world.ce()
    take_in_stamps(world, ce, "c8209340" + "0" * 24, "12345678" + "a" * 24)
    make_pilot(world, ce, "2_17")
    with refused(UnknownPilot, "name a pilot by its number"):
        find_ids(world, word)


def test_few_digits_are_no_beginning_of_a_stamp_and_the_error_says_so(world: World) -> None:
    ce = world.ce()
    [pilot] = take_in_stamps(world, ce, "123456789012" + "a" * 20)
    with refused(UnknownPilot, "a beginning with digits only needs 12 characters"):
        find_ids(world, "12345678901")
    assert find_ids(world, "123456789012") == [pilot]


def test_the_beginning_of_several_stamps_lists_a_few(world: World) -> None:
    ce = world.ce()
    ids = take_in_stamps(world, ce, *(f"c8209340{n:024x}" for n in range(6)))
    with refused(AmbiguousPilot, f"c820: {ids[-1]} on {ce.name} (submitting, 2 h old)", "and more"):
        find_ids(world, "c820")
    with refused(AmbiguousPilot, "name the pilot by its number"):
        find_ids(world, "c820")
    assert find_ids(world, f"c8209340{3:024x}") == [ids[3]]


def test_an_id_that_several_ces_give_asks_for_the_ce(world: World) -> None:
    one, two = world.ce(), world.ce()
    here, there = make_pilot(world, one, "2_17"), make_pilot(world, two, "2_17")
    with refused(
        AmbiguousPilot, f"{here.id} on {one.name} (", f"{there.id} on {two.name} (", "--ce"
    ):
        find_ids(world, "2_17")

    assert find_ids(world, "2_17", ce=one) == [here.id]
    assert find_ids(world, "2_17", ce=two) == [there.id]


def test_an_id_that_a_ce_gave_again_asks_for_the_number(world: World) -> None:
    ce = world.ce()
    world.make(a_pilot().on(ce).with_handle("2_17").done())
    make_pilot(world, ce, "2_17")
    with refused(AmbiguousPilot, "(done, ", "(submitted, ", "name the pilot by its number"):
        find_ids(world, "2_17", ce=ce)


def test_a_number_is_a_pilot_s_and_with_the_ce_it_is_first_an_id_of_that_ce(world: World) -> None:
    one, two = world.ce(), world.ce()
    first = make_pilot(world, one, "no-number")
    second = make_pilot(world, two, str(first.id))

    assert find_ids(world, str(first.id)) == [first.id]
    assert find_ids(world, str(first.id), ce=two) == [second.id]
    assert find_ids(world, str(first.id), ce=one) == [first.id]
    with refused(UnknownPilot, f"on CE {one.name}"):
        find_ids(world, str(second.id), ce=one)
    third = make_pilot(world, one, str(first.id))
    assert find_ids(world, str(first.id)) == [first.id]
    assert find_ids(world, str(first.id), ce=one) == [third.id]
