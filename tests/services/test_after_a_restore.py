"""A CE of a restored database is resumed only after a listing with nothing unknown."""

from dataclasses import replace
from typing import Any

import pytest

from tests.expectations import refused
from tests.services.world import Broken, Fake, World
from worker.db import credentials, restored
from worker.domain.ce import CE
from worker.domain.ce_answers import Listing, Observed
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import ConfirmationNeeded, Invalid, Unavailable
from worker.domain.pilot import Status
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pauses

UNKNOWN = Observed(stamp="ab" * 16, handle="7", status=Status.RUNNING)


class Lists(Fake):
    """A driver whose listing has the values that a test sets."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.values = values

    def find(self) -> Listing:
        return replace(super().find(), **self.values)


@pytest.fixture
def ce(world: World) -> CE:
    ce = world.ce()
    world.change(lambda tx: restored.settle(tx, world.clock))
    return ce


def assert_held(world: World, ce: CE) -> None:
    with refused(ConfirmationNeeded, f"task run reconcile --ce {ce.name} --explain"):
        pauses.resume(world.runtime(), ce.name)
    assert world.health(ce).sending is Sending.HELD


def test_a_listing_with_nothing_unknown_lets_it_be_resumed(world: World, ce: CE) -> None:
    assert_held(world, ce)
    world.wait(1)
    assert world.reconcile(ce).lines == ()

    pauses.resume(world.runtime(), ce.name)
    assert world.health(ce).sending is Sending.NORMAL


def test_a_listing_of_before_the_restore_says_nothing(world: World, ce: CE) -> None:
    world.reconcile(ce)

    assert_held(world, ce)


@pytest.mark.parametrize(
    ("why", "values"),
    [
        ("its listing was not complete", {"complete": False}),
        ("pilotage ce diff CE --adopt --vo VO --yes", {"jobs": [UNKNOWN]}),
        ("its listing did not include the jobs of VO default", {"vos": frozenset({"other"})}),
    ],
)
def test_what_is_in_the_way_is_said(world: World, ce: CE, why: str, values: dict[str, Any]) -> None:
    own = Credential(vo=DEFAULT_VO, backend=ce.backend, kind=CredentialKind.TOKEN, path="/x")
    world.change(lambda tx: credentials.add(tx, own))
    world.wait(1)

    [line] = world.reconcile(ce, world.with_driver(Lists(**values))).lines[:1]

    assert line.startswith("the CE cannot be resumed yet after the restore: ")
    assert line.endswith(why.replace("CE", ce.name))
    assert_held(world, ce)


def test_a_ce_that_does_not_answer_stays_held(world: World, ce: CE) -> None:
    world.wait(1)
    world.reconcile(ce, world.with_driver(Broken(Unavailable("away"))))

    assert_held(world, ce)


def test_a_pause_with_an_end_is_no_way_around(world: World, ce: CE) -> None:
    with refused(Invalid, "may have pilots that are not in it"):
        pauses.pause(world.runtime(), ce.name, "look", world.clock.replace(year=2100))


def test_who_insists_resumes_it_once_for_all(world: World, ce: CE) -> None:
    world.wait(1)
    pauses.resume(world.runtime(), ce.name, force=True)
    assert world.health(ce).sending is Sending.NORMAL

    pauses.pause(world.runtime(), ce.name, "new disks")
    pauses.resume(world.runtime(), ce.name)


def test_a_second_restore_begins_anew(world: World, ce: CE) -> None:
    world.wait(1)
    world.reconcile(ce)
    world.change(lambda tx: restored.settle(tx, world.clock))

    assert_held(world, ce)
