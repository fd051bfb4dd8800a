"""A CE is removed or renamed while it is called: the execution ends without an error."""

from collections.abc import Callable

import pytest

from tests.services.world import Fake, World
from worker.db import ces
from worker.domain.ce_answers import Listing
from worker.domain.errors import Unavailable
from worker.domain.schedule import Outcome


class Vanishing(Fake):
    """A driver whose CE is changed during its listing, which then succeeds or fails."""

    def __init__(self, change: Callable[[], object], *, answers: bool) -> None:
        super().__init__()
        self.change = change
        self.answers = answers

    def find(self) -> Listing:
        self.change()
        if not self.answers:
            raise Unavailable("connection reset")
        return super().find()


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "does_not_answer"])
@pytest.mark.parametrize("what", ["removed", "renamed"])
def test_a_ce_that_goes_while_it_is_called(world: World, what: str, answers: bool) -> None:
    ce = world.ce()

    def change() -> None:
        if what == "removed":
            world.change(lambda tx: ces.remove(tx, ce.name))
        else:
            world.change(lambda tx: ces.change(tx, ce.name, name=f"{ce.name}-new"))

    driver = Vanishing(change, answers=answers)
    result = world.reconcile(ce, world.with_driver(driver))
    assert result.outcome is (Outcome.OK if answers else Outcome.FAILED)
