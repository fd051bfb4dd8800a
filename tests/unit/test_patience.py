"""Waiting gives up when nothing moves, and not before."""

from itertools import count
from pathlib import Path

import pytest

from tests import patience
from tests.patience import until
from tests.testbeds.keeper import bytes_in
from worker.backends.conformance.looks import once_in_time


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second at each look."""
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


def test_a_log_that_is_renamed_while_it_is_looked_at_ends_no_start(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"1234")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")

    assert bytes_in(tmp_path) == 4
