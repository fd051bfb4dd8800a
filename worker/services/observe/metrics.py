"""Metrics of each CE, VO, credential and task for Prometheus.

They are read from the database on each request, in a few statements whose cost does not grow with
the number of ended pilots. No metric has both a CE and a VO as labels: 500 CEs and 20 VOs would
make 10,000 series.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from worker.db import call_tallies, schedules, totals, vos, webhook_events, work
from worker.db.schedules import Schedule
from worker.db.uow import Transaction
from worker.db.work import NOTHING_KNOWN, WorkRecord
from worker.domain.access import Role
from worker.domain.credential import State
from worker.domain.vo import ALL_VOS, VO
from worker.policy.work import demand_without
from worker.services.allowed import allowed_to
from worker.services.ce_lines import NORMAL, CELine, lines_of, without_reason
from worker.services.credentials import CredentialStanding, standings
from worker.services.current_demand import DemandFacts
from worker.services.observe import counters
from worker.services.observe.metric import Lengths, Mean, Metric, MetricKind, Sample
from worker.services.runtime import Runtime
from worker.services.standstill import are_ces_asked, queue_of, standstills

_CE = ("ce", "backend")
_CREDENTIAL = ("vo", "backend", "kind")


READ = Metric(
    "pilotage_read_timestamp_seconds",
    (),
    "When these numbers were read from the database. If it does not grow, the file is old.",
)
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
    (*_CE, "state"),
    "1 if it gets pilots; 0 if it is disabled, draining, held, paused, its calls fail, "
    "or no worker calls it. The label says which of these, and changes with it.",
)
ANSWERED = Metric("pilotage_ce_answered_timestamp_seconds", _CE, "When a CE last answered a call.")
FAILED_CALLS = Metric(
    "pilotage_ce_failed_calls", _CE, "Calls of a CE that failed in a row; 0 after an answer."
)
WITHOUT_WORK = Metric(
    "pilotage_vo_without_work",
    ("vo",),
    "1 if the pilots of a VO find no work, so that it gets a trickle; 0 if nothing says so.",
)
DEMAND = Metric(
    "pilotage_vo_demand",
    ("vo",),
    "How many pilots a VO could use that wait or begin now; a trickle if its pilots find no "
    "work; no number if it is unlimited.",
)
NEED = Metric(
    "pilotage_vo_need",
    ("vo",),
    "The demand of a VO less its waiting pilots, at most what its limit leaves. What stays above "
    "0 is not served; no number if there is neither a demand nor a limit.",
)
SHARE = Metric("pilotage_vo_share", ("vo",), "The share of a VO, compared with those of others.")
VO_PILOTS = Metric(
    "pilotage_vo_pilots", ("vo", "status"), "Pilots of a VO that occupy a CE: waiting, running."
)
LEFT = Metric(
    "pilotage_credential_seconds_left",
    _CREDENTIAL,
    "Seconds until a credential expires, if this is known; 0 if it has expired.",
)
USED = Metric(
    "pilotage_credential_used_ratio",
    _CREDENTIAL,
    "The part of the life of a credential that is used up, if this is known.",
)
USABLE = Metric(
    "pilotage_credential_usable",
    _CREDENTIAL,
    "1 if a credential can be used; 0 if it has expired, or its file cannot be used.",
)
FIRED = Metric(
    "pilotage_task_fired_timestamp_seconds",
    ("task", "vo"),
    "When a task last fired. If none grows, no scheduler is alive.",
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
LAG = Metric(
    "pilotage_task_lag_seconds",
    ("task", "vo"),
    "How late the next firing of a task is, 0 if it is not due; of enabled tasks.",
)
FAILING = Metric(
    "pilotage_task_failing",
    ("task", "vo"),
    "1 if the last execution of a task failed, or one for some CE; 0 if not.",
)
EVENTS = Metric(
    "pilotage_webhook_events_waiting",
    (),
    "Events that wait for the receiver of the webhook. If it grows, the receiver accepts none.",
)
CONNECTIONS = Metric(
    "pilotage_database_connections",
    ("state",),
    "Connections to the database of the process that answers, by state: used, idle.",
)
GAUGES = (
    READ,
    *(PILOTS, CAPACITY, FREE, CHANCE, GETS_PILOTS, ANSWERED, FAILED_CALLS),
    *(DEMAND, NEED, SHARE, VO_PILOTS, WITHOUT_WORK),
    *(LEFT, USED, USABLE),
    *(FIRED, DONE, PENDING, LAG, FAILING),
    EVENTS,
    CONNECTIONS,
)
METRICS = (*GAUGES, *counters.COUNTERS)


@allowed_to(Role.READ)
def metrics(runtime: Runtime) -> str:
    """Write all metrics in Prometheus's text format."""
    connections = runtime.database.connections()
    with runtime.database.uow() as tx:
        samples = [*_samples(tx, runtime), *_connections(connections)]
    return generate_latest(_Read(samples)).decode()


def _samples(tx: Transaction, runtime: Runtime) -> Iterator[Sample]:
    now = runtime.now()
    fired = schedules.get_all(tx)
    is_asked = are_ces_asked(standstills(fired, now, runtime.lease))
    lines = lines_of(tx, now, runtime.parameters, is_asked=is_asked)
    backends = {line.name: line.backend for line in lines}
    owners = vos.get_all(tx)
    yield READ, (), now.timestamp()
    yield from _ces(lines)
    yield from _vos(tx, runtime, owners)
    yield from _credentials(standings(tx, now))
    yield from _tasks(fired, now)
    yield EVENTS, (), webhook_events.count(tx)
    yield from counters.of_ces(totals.of_ces(tx), backends)
    yield from counters.of_vos(totals.of_vos(tx), [vo.name for vo in owners])
    yield from counters.of_calls(call_tallies.totals(tx), set(backends.values()))


Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | SummaryMetricFamily

_FAMILIES: Mapping[MetricKind, type[Family]] = {
    MetricKind.GAUGE: GaugeMetricFamily,
    MetricKind.COUNTER: CounterMetricFamily,
    MetricKind.SUMMARY: SummaryMetricFamily,
    MetricKind.HISTOGRAM: HistogramMetricFamily,
}


class _Read(Collector):
    """The samples, in the form that the library collects."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def collect(self) -> list[Family]:
        families = {
            metric: _FAMILIES[metric.kind](metric.name, metric.about, labels=metric.labels)
            for metric in METRICS
        }
        for metric, labels, number in self._samples:
            if number is not None:
                _add(families[metric], labels, number)
        return list(families.values())


def _add(family: Family, labels: Sequence[str], number: float | Mean | Lengths) -> None:
    match family, number:
        case SummaryMetricFamily(), Mean():
            family.add_metric(labels, number.number, number.seconds)
        case HistogramMetricFamily(), Lengths():
            family.add_metric(labels, number.counts, number.seconds)
        case ((CounterMetricFamily() | GaugeMetricFamily()), (int() | float())):
            family.add_metric(labels, number)
        case _:
            raise TypeError(f"{number!r} is not a number of {family.name}")


def _ces(lines: Sequence[CELine]) -> Iterator[Sample]:
    for line in lines:
        ce = (line.name, line.backend)
        for status, count in line.occupying().items():
            yield PILOTS, (*ce, status), count
        yield CAPACITY, ce, line.capacity
        yield FREE, ce, line.free
        yield CHANCE, ce, line.chance
        yield GETS_PILOTS, (*ce, _word(line.state)), line.state == NORMAL
        yield ANSWERED, ce, _seconds(line.answered_at)
        yield FAILED_CALLS, ce, line.failed_calls


def _vos(tx: Transaction, runtime: Runtime, owners: Sequence[VO]) -> Iterator[Sample]:
    facts, records = DemandFacts.read(tx, owners), work.get_all(tx)
    for vo in owners:
        label = (vo.name,)
        record = records.get(vo.name, NOTHING_KNOWN)
        occupying, waiting = facts.pilots_of(vo)
        demand = _demand(runtime, vo, record, facts)
        caps = [
            *([demand - waiting] if demand is not None else []),
            *([vo.limit - occupying] if vo.limit is not None else []),
        ]
        yield DEMAND, label, demand
        yield NEED, label, max(0, min(caps)) if caps else None
        yield SHARE, label, vo.share
        yield VO_PILOTS, (vo.name, "waiting"), waiting
        yield VO_PILOTS, (vo.name, "running"), occupying - waiting
        yield WITHOUT_WORK, label, record.without_work is not None


def _demand(runtime: Runtime, vo: VO, record: WorkRecord, facts: DemandFacts) -> int | None:
    """Return the demand of a VO that counts now; `None` if it is unlimited."""
    current = facts.of(vo, runtime.now())
    return demand_without(record.without_work, current.demand, runtime.parameters)


def _connections(connections: tuple[int, int] | None) -> Iterator[Sample]:
    if connections is not None:
        for state, number in zip(("used", "idle"), connections, strict=True):
            yield CONNECTIONS, (state,), number


def _credentials(credentials: Sequence[CredentialStanding]) -> Iterator[Sample]:
    for standing in credentials:
        # A credential whose file was not checked yet is neither usable nor unusable.
        if standing.state != State.UNSEEN:
            labels = (standing.vo, standing.backend, standing.kind)
            yield LEFT, labels, standing.seconds_left
            yield USED, labels, standing.used
            yield USABLE, labels, standing.state != State.UNUSABLE


def _word(state: str) -> str:
    """Return a state without its reason and its moment: a label must have few values."""
    return _SINCE.split(without_reason(state).partition(",")[0], maxsplit=1)[0]


_SINCE = re.compile(r" (?:since|until|by) ")


def _tasks(fired: Sequence[Schedule], now: datetime) -> Iterator[Sample]:
    for schedule in fired:
        task = (schedule.task, schedule.vo or ALL_VOS)
        yield FIRED, task, _seconds(schedule.last_at)
        yield DONE, task, _seconds(schedule.done_at)
        queue = queue_of(schedule)
        if queue is not None and schedule.enabled:
            yield PENDING, (*task, queue), schedule.pending
        if schedule.enabled and schedule.next_at is not None:
            yield LAG, task, max(0.0, (now - schedule.next_at).total_seconds())
            yield FAILING, task, schedule.failed_at is not None


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
