"""Counters over all time: by CE, by VO, by back-end; never by CE and VO together.

So their number grows with the CEs and VOs, not with the pairs of them. They are read from the
totals in the database, so a counter does not depend on the process that is asked, nor on its
restarts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from worker.db.call_tallies import CallTotal
from worker.db.totals import CETotal, VOTotal
from worker.domain.call_tally import BUCKETS, CallKind, CallOutcome
from worker.domain.pilot import Cause, Status, Use
from worker.domain.words import Described
from worker.services.observe.metric import Lengths, Mean, Metric, MetricKind, Sample

_CE = ("ce", "backend")


class CEEnd(Described):
    """How a pilot of a CE ended."""

    USEFUL = "useful", "Well, and it was of use."
    OF_NO_USE = "of_no_use", "Well, and it was short or empty."
    FAILED = "failed", "Badly."
    LOST = "lost", "The CE does not know it, or no longer."


class VOEnd(Described):
    """How a pilot of a VO ended."""

    USEFUL = str(Use.USEFUL), "Well, and it was of use."
    SHORT = str(Use.SHORT), "Well, and too soon to have been of use."
    EMPTY = str(Use.EMPTY), "Well, and it had no work."
    FAILED = str(Status.FAILED), "Badly."
    CANCELLED = str(Status.CANCELLED), "We, or an operator, stopped it."
    LOST = str(Status.LOST), "The CE does not know it, or no longer."


SENT = Metric("pilotage_ce_sent_total", _CE, "Pilots that were sent to a CE.", MetricKind.COUNTER)
STARTED = Metric(
    "pilotage_ce_start_delay_seconds",
    _CE,
    "How long pilots waited at a CE before they started.",
    MetricKind.SUMMARY,
)
ENDED = Metric(
    "pilotage_ce_ended_total",
    (*_CE, "end"),
    f"Pilots of a CE that ended, by the kind of end: {', '.join(CEEnd)}. A lost one that is found "
    "again ends twice.",
    MetricKind.COUNTER,
)
VO_SENT = Metric(
    "pilotage_vo_sent_total", ("vo",), "Pilots of a VO that were sent.", MetricKind.COUNTER
)
VO_STARTED = Metric(
    "pilotage_vo_start_delay_seconds",
    ("vo",),
    "How long pilots of a VO waited at their CEs before they started.",
    MetricKind.SUMMARY,
)
VO_ENDED = Metric(
    "pilotage_vo_ended_total",
    ("vo", "end"),
    f"Pilots of a VO that ended, by the kind of end: {', '.join(VOEnd)}.",
    MetricKind.COUNTER,
)
VO_FAILED = Metric(
    "pilotage_vo_failed_total",
    ("vo", "cause"),
    "Pilots of a VO that failed, by the first cause that was known; refusals of a CE are "
    "among them.",
    MetricKind.COUNTER,
)
VO_ADOPTED = Metric(
    "pilotage_vo_turned_up_total",
    ("vo",),
    "Pilots of a VO that were lost, and were found at their CE after all.",
    MetricKind.COUNTER,
)
VO_RUN = Metric(
    "pilotage_vo_run_seconds_total",
    ("vo",),
    "The sum of the run times of the pilots of a VO that have ended.",
    MetricKind.COUNTER,
)
CALLS = Metric(
    "pilotage_calls_total",
    ("backend", "outcome"),
    "Calls to the CEs of a back-end, by their outcome.",
    MetricKind.COUNTER,
)
CALL_SECONDS = Metric(
    "pilotage_call_duration_seconds",
    ("backend", "kind"),
    "How long calls to the CEs of a back-end took, by the kind of call.",
    MetricKind.HISTOGRAM,
)
COUNTERS = (
    *(SENT, STARTED, ENDED),
    *(VO_SENT, VO_STARTED, VO_ENDED, VO_FAILED, VO_ADOPTED, VO_RUN),
    *(CALLS, CALL_SECONDS),
)

_BOUNDS = {within: f"{within / 1000:g}" if within != BUCKETS[-1] else "+Inf" for within in BUCKETS}


def of_ces(totals: Iterable[CETotal], backends: Mapping[str, str]) -> Iterator[Sample]:
    """Yield the counters of every CE, also of a CE where nothing has happened yet."""
    by_ce: dict[str, list[CETotal]] = {name: [] for name in backends}
    for total in totals:
        if total.ce in by_ce:  # a CE that was added just now is counted at the next reading
            by_ce[total.ce].append(total)
    for name, of_one in by_ce.items():
        ce = (name, backends[name])
        ends = dict.fromkeys(CEEnd, 0)
        for total in of_one:
            if end := _ce_end(total):
                ends[end] += total.counts.pilots
        sent = (one.counts.pilots for one in of_one if one.became is Status.SUBMITTING)
        yield SENT, ce, sum(sent)
        yield STARTED, ce, _delay(of_one)
        for end, number in ends.items():
            yield ENDED, (*ce, end), number


def of_vos(totals: Iterable[VOTotal], names: Iterable[str]) -> Iterator[Sample]:
    """Yield the counters of every VO, also of a VO without any pilots yet."""
    by_vo: dict[str, list[VOTotal]] = {name: [] for name in names}
    for total in totals:
        if total.vo in by_vo:
            by_vo[total.vo].append(total)
    for name, of_one in by_vo.items():
        yield from _of_vo(name, of_one)


def of_calls(totals: Iterable[CallTotal], backends: Iterable[str]) -> Iterator[Sample]:
    """Yield the counters of every back-end that has, or had, a CE."""
    by_backend: dict[str, list[CallTotal]] = {name: [] for name in backends}
    for total in totals:
        by_backend.setdefault(total.backend, []).append(total)
    for backend, of_one in sorted(by_backend.items()):
        outcomes = dict.fromkeys(CallOutcome, 0)
        for total in of_one:
            outcomes[total.outcome] += total.calls
        for outcome, number in outcomes.items():
            yield CALLS, (backend, outcome), number
        for kind in CallKind:
            yield CALL_SECONDS, (backend, kind), _lengths(t for t in of_one if t.kind is kind)


def _of_vo(name: str, totals: list[VOTotal]) -> Iterator[Sample]:
    ends, causes = dict.fromkeys(VOEnd, 0), dict.fromkeys(Cause, 0)
    for total in totals:
        if end := _vo_end(total):
            ends[end] += total.counts.pilots
        if total.became is Status.FAILED:
            causes[Cause(total.cause)] += total.counts.pilots
    yield VO_SENT, (name,), sum(t.counts.pilots for t in totals if t.became is Status.SUBMITTING)
    yield VO_STARTED, (name,), _delay(totals)
    for end, number in ends.items():
        yield VO_ENDED, (name, end), number
    for cause, number in causes.items():
        yield VO_FAILED, (name, cause), number
    yield VO_ADOPTED, (name,), sum(t.counts.pilots for t in totals if t.was == Status.LOST)
    yield VO_RUN, (name,), sum(total.counts.microseconds_run for total in totals) / 1e6


def _ce_end(total: CETotal) -> CEEnd | None:
    if total.became is Status.DONE:
        return CEEnd.OF_NO_USE if total.of_no_use else CEEnd.USEFUL
    return {Status.FAILED: CEEnd.FAILED, Status.LOST: CEEnd.LOST}.get(total.became)


def _vo_end(total: VOTotal) -> VOEnd | None:
    # Pilots that ended well before the use of an end was stored count as useful, here and in the
    # table of pilots.
    if total.became is Status.DONE:
        return VOEnd(total.cause or Use.USEFUL)
    word = str(total.became)
    return VOEnd(word) if word in set(map(str, VOEnd)) else None


def _delay(totals: Iterable[CETotal] | Iterable[VOTotal]) -> Mean:
    counts = [total.counts for total in totals]
    seconds = sum(one.microseconds_to_start for one in counts) / 1e6
    return Mean(sum(one.starts for one in counts), seconds)


def _lengths(totals: Iterable[CallTotal]) -> Lengths:
    by_bound: dict[int, int] = defaultdict(int)
    microseconds = 0
    for total in totals:
        by_bound[total.within] += total.calls
        microseconds += total.microseconds
    counts, reached = [], 0
    for within, bound in _BOUNDS.items():
        reached += by_bound[within]
        counts.append((bound, reached))
    return Lengths(counts, microseconds / 1e6)
