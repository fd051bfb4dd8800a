"""Types of the metrics for a monitoring system: a metric, and a sample of it."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.domain.words import Described


class MetricKind(Described):
    """The behaviour of a metric, in the words of Prometheus."""

    GAUGE = "gauge", "It goes up and down."
    COUNTER = "counter", "It only grows."
    SUMMARY = "summary", "A sum and a count: both only grow, and one by the other is the mean."
    HISTOGRAM = "histogram", "Counts by length, a sum and a count, which only grow."


class Metric(NamedTuple):
    """A metric: its name, its labels, and what it means."""

    name: str
    labels: tuple[str, ...]
    about: str
    kind: MetricKind = MetricKind.GAUGE


class Lengths(NamedTuple):
    """A histogram: the numbers up to each bound in seconds, the last without one; and the sum."""

    counts: Sequence[tuple[str, int]]
    seconds: float


class Mean(NamedTuple):
    """A count, and the sum of the durations."""

    number: int
    seconds: float


Sample = tuple[Metric, tuple[str, ...], float | Mean | Lengths | None]
"""A metric, the values of its labels, and the number; `None` if it is not known."""
