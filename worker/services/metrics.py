"""What a monitoring system reads: the numbers of each CE, credential and task, for Prometheus.

All is what the database says now, in a handful of statements. Pilots that are over are not counted:
that would cost more with every day.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from worker.db import schedules
from worker.db.database import Database
from worker.db.schedules import Schedule
from worker.domain.credential import State
from worker.domain.vo import ALL_VOS
from worker.services.credentials import Standing, standings
from worker.services.overview import NORMAL, CELine, ce_lines

_CE = ("ce", "backend")
_CREDENTIAL = ("vo", "backend", "kind")


class Metric(NamedTuple):
    """A kind of number: its name, its labels, and what it means."""

    name: str
    labels: tuple[str, ...]
    about: str


PILOTS = Metric("pilotage_pilots", (*_CE, "status"), "Pilots that occupy a CE.")
CAPACITY = Metric("pilotage_ce_capacity", _CE, "Pilots that a CE may have.")
FREE = Metric("pilotage_ce_free_slots", _CE, "Its capacity less the pilots that occupy it.")
SUCCESS = Metric(
    "pilotage_ce_success_ratio", _CE, "The share of pilots that is expected to do well."
)
IS_OPEN = Metric(
    "pilotage_ce_open",
    _CE,
    "1 if it gets pilots; 0 if it is disabled, draining, held or paused.",
)
LEFT = Metric(
    "pilotage_credential_seconds_left",
    _CREDENTIAL,
    "Seconds until a credential expires, where anybody knows; 0 if it has expired.",
)
USED = Metric(
    "pilotage_credential_used_ratio",
    _CREDENTIAL,
    "The share of its life that is used up, where anybody knows.",
)
USABLE = Metric(
    "pilotage_credential_usable",
    _CREDENTIAL,
    "1 if it can be used; 0 if it has expired, or its file cannot be used.",
)
FIRED = Metric(
    "pilotage_task_fired_timestamp_seconds",
    ("task", "vo"),
    "When a task fired last. If none moves on, no scheduler is alive.",
)
METRICS = (PILOTS, CAPACITY, FREE, SUCCESS, IS_OPEN, LEFT, USED, USABLE, FIRED)

Sample = tuple[Metric, tuple[str, ...], float | None]
"""A number by the values of its labels; none where nobody knows it."""


def metrics(database: Database, now: datetime) -> str:
    """Write all metrics in Prometheus's text format."""
    with database.uow() as tx:
        lines, seen, fired = ce_lines(tx, now), standings(tx, now), schedules.get_all(tx)
    return generate_latest(_Read([*_ces(lines), *_credentials(seen), *_tasks(fired)])).decode()


class _Read(Collector):
    """What was read, as the library wants to be told."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def collect(self) -> list[GaugeMetricFamily]:
        gauges = {
            metric: GaugeMetricFamily(metric.name, metric.about, labels=metric.labels)
            for metric in METRICS
        }
        for metric, labels, number in self._samples:
            if number is not None:
                gauges[metric].add_metric(labels, number)
        return list(gauges.values())


def _ces(lines: Sequence[CELine]) -> Iterator[Sample]:
    for line in lines:
        ce = (line.name, line.backend)
        for status, count in line.occupying().items():
            yield PILOTS, (*ce, status), count
        yield CAPACITY, ce, line.capacity
        yield FREE, ce, line.free
        yield SUCCESS, ce, line.success_rate
        yield IS_OPEN, ce, line.state == NORMAL


def _credentials(seen: Sequence[Standing]) -> Iterator[Sample]:
    for one in seen:
        # What nobody has looked into yet is neither good nor bad.
        if one.state != State.UNSEEN:
            credential = (one.vo, one.backend, one.kind)
            yield LEFT, credential, one.seconds_left
            yield USED, credential, one.used
            yield USABLE, credential, one.state != State.UNUSABLE


def _tasks(fired: Sequence[Schedule]) -> Iterator[Sample]:
    for one in fired:
        yield FIRED, (one.task, one.vo or ALL_VOS), one.last_at.timestamp() if one.last_at else None
