"""Waiting gives up when nothing moves, and not before."""

from itertools import count

import pytest

from tests import patience
from tests.patience import until
from worker.backends.conformance.looks import once_in_time


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each look takes a second."""
    seconds = count()
    monkeypatch.setattr("tests.patience.time.monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(patience, "PATIENCE", 10.0)
    monkeypatch.setattr(patience, "LONGEST", 100.0)


def test_what_the_condition_returns_is_returned() -> None:
    values = iter([None, "", "here"])

    assert until(lambda: next(values), pause=0) == "here"


def test_it_gives_up_when_nothing_moves_and_says_what_was_waited_for() -> None:
    with pytest.raises(pytest.fail.Exception, match="in vain for the end; at last: 7"):
        until(lambda: False, "the end", progress=lambda: 7, pause=0)


def test_it_waits_as_long_as_something_moves() -> None:
    steps = count()

    assert until(lambda: next(steps) > 40, progress=lambda: str(steps), pause=0)


def test_what_moves_in_circles_is_not_waited_for_without_end() -> None:
    with pytest.raises(pytest.fail.Exception, match="in vain"):
        until(lambda: False, progress=count().__next__, pause=0)


def test_a_driver_is_late_only_if_it_is_so_each_time() -> None:
    attempts = iter([False, False, True, False])

    assert once_in_time(lambda: next(attempts))
    assert next(attempts) is False
    assert not once_in_time(lambda: False)
