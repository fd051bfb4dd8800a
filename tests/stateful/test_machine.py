"""Whatever happens to the system, in whatever order, the promises hold."""

import pytest

from tests.session import PLAN
from tests.stateful.mutations import FOUND, SOON, mutated
from tests.stateful.runs import LONG, SEARCH, SHORT, Try


def test_the_promises_hold_whatever_happens(try_plays: Try, request: pytest.FixtureRequest) -> None:
    try_plays(LONG if request.config.stash[PLAN].long else SHORT, None)


@pytest.mark.parametrize("name", FOUND)
def test_the_machine_finds_what_is_broken(
    try_plays: Try, name: str, request: pytest.FixtureRequest
) -> None:
    if name not in SOON and not request.config.stash[PLAN].long:
        pytest.skip("found after a while: with PILOTAGE_TEST_LONG=1")
    first, word = FOUND[name]
    with mutated(name), pytest.raises(AssertionError, match=word):
        try_plays(SEARCH, first)
