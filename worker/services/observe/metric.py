"""A kind of number for a monitoring system, and a number of it."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.domain.words import Described


class MetricKind(Described):
    """What a number does, in the words of Prometheus."""

    GAUGE = "gauge", "It goes up and down."
    COUNTER = "counter", "It only grows."
    SUMMARY = "summary", "A sum and a count: both only grow, and one by the other is the mean."
    HISTOGRAM = "histogram", "Counts by length, a sum and a count, which only grow."


class Metric(NamedTuple):
    """A kind of number: its name, its labels, and what it means."""

    name: str
    labels: tuple[str, ...]
    about: str
    kind: MetricKind = MetricKind.GAUGE


class Lengths(NamedTuple):
    """How many lasted up to each bound in seconds, the last without one; all together."""

    counts: Sequence[tuple[str, int]]
    seconds: float


class Mean(NamedTuple):
    """How many there were, and how long they took together."""

    number: int
    seconds: float


Sample = tuple[Metric, tuple[str, ...], float | Mean | Lengths | None]
"""A number by the values of its labels; `None` if it is not known."""
