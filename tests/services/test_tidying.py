"""A driver tidies its CE only after a complete listing was recorded."""

from dataclasses import replace

from tests.services.world import Broken, Fake, World
from worker.domain.ce_answers import Listing
from worker.domain.errors import Unavailable
from worker.domain.schedule import Outcome
from worker.services.tasks.dispatch import dispatch


class Tidy(Fake):
    """A driver that has something to remove at its CE."""

    whole = True

    def find(self) -> Listing:
        return replace(super().find(), complete=self.whole)

    def tidy(self) -> None:
        self.note_call("tidy")


def test_a_ce_is_tidied_after_its_listing_was_recorded(world: World) -> None:
    ce = world.ce()
    observations: list[dict[str, int]] = []

    class Looking(Tidy):
        def tidy(self) -> None:
            super().tidy()
            observations.append(world.statuses())
            assert world.lease(ce) is not None, "nobody else calls the CE meanwhile"

    world.reserve(ce, 1)
    dispatch(world.with_driver(Broken(Unavailable("the reply is lost"))), ce.name)
    world.wait(60)
    fake = Looking()
    result = world.reconcile(ce, world.with_driver(fake))
    assert (result.outcome, result.counts["adopted"]) == (Outcome.OK, 1)
    assert fake.calls[-2:] == ["find", "tidy"]
    assert observations == [world.statuses()]
    assert "submitting" not in world.statuses()
    assert world.lease(ce) is None


def test_a_ce_is_not_tidied_where_its_listing_may_lack_something(world: World) -> None:
    ce, fake = world.ce(), Tidy()
    fake.whole = False
    world.reconcile(ce, world.with_driver(fake))
    assert fake.calls == ["find"]
    assert world.lease(ce) is None


def test_what_cannot_be_cleared_away_is_told_and_no_failure(world: World) -> None:
    ce = world.ce()

    class Stubborn(Tidy):
        def tidy(self) -> None:
            raise Unavailable("the disk", "it is full")

    result = world.reconcile(ce, world.with_driver(Stubborn()))
    assert result.outcome is Outcome.OK
    assert "not tidied" in result.lines[-1]
    assert "it is full" in result.lines[-1]
    assert world.lease(ce) is None
    assert world.health(ce).retry_at is None, "the CE is not backed off"


def test_most_drivers_have_nothing_to_clear_away(world: World) -> None:
    ce, fake = world.ce(), Fake()
    assert not world.with_driver(fake).driver(ce).tidies
    world.reconcile(ce, world.with_driver(fake))
    assert fake.calls == ["find"]
