"""Orders that one call can send, and orders that can never be sent."""

from typing import Any

import pytest

from worker.backends.alike import alike
from worker.backends.slurm.submit import batches
from worker.domain.ce_answers import Order
from worker.domain.pilot import numbered

GROUP = "0123456789abcdef01234567"


def order(number: int = 1, **values: Any) -> Order:
    return Order(stamp=numbered(GROUP, number), vo="lhcb", **values)


def test_orders_that_differ_in_their_stamps_only_are_alike() -> None:
    one = alike(order(1, arguments=["x"]))

    assert one == alike(order(2, arguments=("x",), secret="its own"))
    for other in (
        {"arguments": ["y"]},
        {"arguments": ["x"], "script": "true"},
        {"arguments": ["x"], "url": "https://pilotage.example.org"},
        {"arguments": ["x"], "grace": 60.0},
    ):
        assert one != alike(order(2, **other))


@pytest.mark.parametrize(
    "values",
    [
        {"arguments": ["good", "\udcff"]},
        {"arguments": ["\0"]},
        {"script": "echo \0"},
        {"script": "echo \ud800"},
    ],
)
def test_what_no_script_can_hold_is_a_problem(values: dict[str, Any]) -> None:
    some = order(**values)
    [batch] = batches([some], 1000)

    for what in (alike(some), batch.what):
        assert what.problem == "the script or an argument: it holds a zero byte, or is not UTF-8"


def test_any_text_in_utf_8_can_be_sent() -> None:
    for script in (None, "", "#!/bin/sh\necho é 😀\n"):
        assert alike(order(script=script, arguments=["", "\n", "$(x)", "é"])).problem is None
