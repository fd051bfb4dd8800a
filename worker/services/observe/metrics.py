"""The numbers of each CE, credential and task for a monitoring system, Prometheus.

All of it is read from the database now, in a few statements. Of the pilots that are over, only
those of the last hour are counted, from the tallies: all would cost more with every day.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from worker.db import schedules, tallies, work
from worker.db.schedules import Schedule
from worker.db.work import WorkRecord
from worker.domain.access import Role
from worker.domain.credential import State
from worker.domain.pilot import Use
from worker.domain.vo import ALL_VOS
from worker.services.allowed import allowed_to
from worker.services.ce_lines import NORMAL, CELine, ce_lines
from worker.services.credentials import CredentialStanding, standings
from worker.services.observe.failing import LATELY
from worker.services.runtime import Runtime
from worker.services.tasks.standstill import queue_of

_CE = ("ce", "backend")
_CREDENTIAL = ("vo", "backend", "kind")


class Metric(NamedTuple):
    """A kind of number: its name, its labels, and what it means."""

    name: str
    labels: tuple[str, ...]
    about: str


PILOTS = Metric("pilotage_pilots", (*_CE, "status"), "Pilots that occupy a CE.")
CAPACITY = Metric("pilotage_ce_capacity", _CE, "Pilots that a CE may have.")
FREE = Metric(
    "pilotage_ce_free_slots",
    _CE,
    "Its capacity less the pilots that occupy it, at most what its waiting limit leaves.",
)
CHANCE = Metric(
    "pilotage_ce_chance",
    _CE,
    "How likely its next pilot is to be accepted, to start and to end well.",
)
GETS_PILOTS = Metric(
    "pilotage_ce_gets_pilots",
    _CE,
    "1 if it gets pilots; 0 if it is disabled, draining, held, paused, its calls fail, "
    "or no worker calls it.",
)
ANSWERED = Metric("pilotage_ce_answered_timestamp_seconds", _CE, "When a CE last answered a call.")
FAILED_CALLS = Metric(
    "pilotage_ce_failed_calls", _CE, "Calls of a CE that failed in a row; 0 after an answer."
)
GOOD_ENDS = Metric(
    "pilotage_good_ends_last_hour",
    ("vo", *_CE, "use"),
    "Pilots that ended well in the last hour, by their use; of VOs and CEs where any has.",
)
WITHOUT_WORK = Metric(
    "pilotage_vo_without_work",
    ("vo",),
    "1 if the pilots of a VO find no work, so that it gets a trickle; 0 if nothing says so.",
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
    "When a task last fired. If none moves on, no scheduler is alive.",
)
DONE = Metric(
    "pilotage_task_done_timestamp_seconds",
    ("task", "vo"),
    "When a worker last executed a task, whatever the outcome.",
)
PENDING = Metric(
    "pilotage_task_firings_not_done",
    ("task", "vo", "queue"),
    "Firings since a worker last executed a task. If it grows, no worker takes the queue.",
)
METRICS = (
    *(PILOTS, CAPACITY, FREE, CHANCE, GETS_PILOTS, ANSWERED, FAILED_CALLS),
    *(GOOD_ENDS, WITHOUT_WORK),
    *(LEFT, USED, USABLE),
    *(FIRED, DONE, PENDING),
)

Sample = tuple[Metric, tuple[str, ...], float | None]
"""A number by the values of its labels; `None` if it is not known."""


@allowed_to(Role.READ)
def metrics(runtime: Runtime) -> str:
    """Write all metrics in Prometheus's text format."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        lines = ce_lines(tx, runtime)
        credentials, fired = standings(tx, now), schedules.get_all(tx)
        good_ends = tallies.good_ends(tx, now - LATELY)
        samples = [
            *_ces(lines),
            *_good_ends(good_ends, {line.name: line.backend for line in lines}),
            *_without_work(work.get_all(tx)),
            *_credentials(credentials),
            *_tasks(fired),
        ]
    return generate_latest(_Read(samples)).decode()


class _Read(Collector):
    """The samples, in the form that the library collects."""

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
        yield CHANCE, ce, line.chance
        yield GETS_PILOTS, ce, line.state == NORMAL
        yield ANSWERED, ce, _seconds(line.answered_at)
        yield FAILED_CALLS, ce, line.failed_calls


def _good_ends(
    counts: Mapping[tuple[str, str, Use], int], backends: Mapping[str, str]
) -> Iterator[Sample]:
    # A CE that was added just now has had no end yet, or the next reading has it.
    for vo, ce in sorted({place[:2] for place in counts if place[1] in backends}):
        for use in Use:
            yield GOOD_ENDS, (vo, ce, backends[ce], use), counts.get((vo, ce, use), 0)


def _without_work(records: Mapping[str, WorkRecord]) -> Iterator[Sample]:
    for vo, record in sorted(records.items()):
        yield WITHOUT_WORK, (vo,), record.without_work is not None


def _credentials(credentials: Sequence[CredentialStanding]) -> Iterator[Sample]:
    for standing in credentials:
        # What nobody has looked into yet is neither good nor bad.
        if standing.state != State.UNSEEN:
            labels = (standing.vo, standing.backend, standing.kind)
            yield LEFT, labels, standing.seconds_left
            yield USED, labels, standing.used
            yield USABLE, labels, standing.state != State.UNUSABLE


def _tasks(fired: Sequence[Schedule]) -> Iterator[Sample]:
    for schedule in fired:
        task = (schedule.task, schedule.vo or ALL_VOS)
        yield FIRED, task, _seconds(schedule.last_at)
        yield DONE, task, _seconds(schedule.done_at)
        queue = queue_of(schedule)
        if queue is not None and schedule.enabled:
            yield PENDING, (*task, queue), schedule.pending


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
