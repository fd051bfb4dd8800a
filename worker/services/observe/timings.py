"""Timings of the frequent queries of tasks and of people.

Nothing is changed and no CE is called. Each time is also given in round trips to the database, so
that a slow network is not taken for a slow statement.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

from worker.db import ces, outcomes, pilot_reads, slots, vos
from worker.db.pages import PageRequest
from worker.db.uow import Transaction
from worker.domain.pilot import Status
from worker.services import facts
from worker.services.observe import audit, failing, metrics, overview, reports
from worker.services.runtime import Runtime

NEWEST_FIRST = PageRequest(descending=True)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The CE and the VO of the installation that the queries are about."""

    ce: str
    vo: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query that is made often."""

    name: str
    by: str
    """The task or the command that makes it."""
    ask: Callable[[Runtime, Subject], object]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a query took, in milliseconds."""

    question: str
    by: str
    median: float
    p90: float
    round_trips: float
    """The median as a multiple of a round trip to the database."""


def _read(read: Callable[[Transaction, Runtime, Subject], object]) -> Callable[..., object]:
    def ask(runtime: Runtime, subject: Subject) -> object:
        with runtime.database.uow() as tx:
            return read(tx, runtime, subject)

    return ask


def _pilots(
    page: PageRequest = NEWEST_FIRST, *, status: Status | None = None, search: str | None = None
) -> Callable[..., object]:
    statuses = () if status is None else (status,)
    return _read(
        lambda tx, _, subject: pilot_reads.find(tx, statuses=statuses, search=search, asked=page)
    )


QUESTIONS = (
    Question(
        name="free slots of each CE for a VO",
        by="submit_pilots",
        ask=_read(lambda tx, _, subject: slots.slots_for(tx, vos.get(tx, subject.vo).id)),
    ),
    Question(
        name="all facts of a tick",
        by="submit_pilots",
        ask=_read(lambda tx, runtime, subject: facts.read(tx, subject.vo, runtime.now())),
    ),
    Question(
        name="CEs with reserved pilots",
        by="dispatch",
        ask=_read(lambda tx, _, subject: pilot_reads.ces_with(tx, Status.RESERVED)),
    ),
    Question(
        name="CEs with a check that is due",
        by="check_pilots",
        ask=_read(lambda tx, runtime, _: pilot_reads.ces_with_due(tx, runtime.now())),
    ),
    Question(
        name="due checks of a CE",
        by="check_pilots",
        ask=_read(
            lambda tx, runtime, subject: pilot_reads.due(
                tx, subject.ce, runtime.now(), runtime.batch
            )
        ),
    ),
    Question(
        name="pilots in doubt at a CE",
        by="reconcile",
        ask=_read(lambda tx, _, subject: pilot_reads.in_doubt(tx, subject.ce)),
    ),
    Question(
        name="what was not learnt from",
        by="learn",
        ask=_read(lambda tx, runtime, _: outcomes.unlearned(tx, runtime.batch, runtime.now())),
    ),
    Question(
        name="queues of the CEs",
        by="learn",
        ask=_read(lambda tx, runtime, _: outcomes.queues(tx, runtime.now())),
    ),
    Question(
        name="pilots by status",
        by="report",
        ask=_read(lambda tx, *_: pilot_reads.count_by_status(tx)),
    ),
    Question(
        name="everything at a glance",
        by="status",
        ask=lambda runtime, _: overview.overview(runtime),
    ),
    Question(
        name="the last decisions about a CE",
        by="explain",
        ask=lambda runtime, subject: overview.explain(runtime, subject.ce),
    ),
    Question(
        name="all metrics",
        by="metrics",
        ask=lambda runtime, _: metrics.metrics(runtime),
    ),
    Question(
        name="failures of the last hour",
        by="failures",
        ask=lambda runtime, _: failing.summary(
            runtime, runtime.now() - failing.LATELY, by=[failing.By.CE], limit=10
        ),
    ),
    Question(
        name="stored summaries",
        by="report",
        ask=lambda runtime, _: reports.stored(runtime, runtime.now() - failing.LATELY),
    ),
    Question(
        name="changes of the last hour",
        by="audit",
        ask=lambda runtime, _: audit.recorded(runtime, runtime.now() - failing.LATELY),
    ),
    Question(name="the newest pilots", by="pilot list", ask=_pilots()),
    Question(name="running pilots", by="pilot list", ask=_pilots(status=Status.RUNNING)),
    Question(name="lost pilots", by="pilot list", ask=_pilots(status=Status.LOST)),
    Question(
        name="pilots that ended last",
        by="pilot list",
        ask=_pilots(PageRequest(sort="ended_at", descending=True)),
    ),
    Question(
        name="pilots that wait longest",
        by="pilot list",
        ask=_pilots(PageRequest(sort="wait", descending=True)),
    ),
    Question(name="a word in the pilots", by="pilot list", ask=_pilots(search="deadbeef")),
    Question(
        name="pilots of a CE",
        by="pilot list",
        ask=_read(lambda tx, _, subject: pilot_reads.find(tx, ce=subject.ce, asked=NEWEST_FIRST)),
    ),
    Question(
        name="pilots of a VO",
        by="pilot list",
        ask=_read(lambda tx, _, subject: pilot_reads.find(tx, vo=subject.vo, asked=NEWEST_FIRST)),
    ),
)


def subject_of(runtime: Runtime) -> Subject | None:
    """Choose the CE with the most pilots, and the first VO; `None` if there is no CE or no VO."""
    with runtime.database.uow() as tx:
        occupying: dict[str, int] = dict.fromkeys(ces.names(tx), 0)
        for (ce, _), number in pilot_reads.count_occupying(tx).items():
            occupying[ce] += number
        names = vos.names(tx)
    if not occupying or not names:
        return None
    return Subject(ce=max(occupying, key=lambda name: occupying[name]), vo=names[0])


def timings(runtime: Runtime, subject: Subject, repeat: int) -> Iterator[Timing]:
    """Time each query `repeat` times, after a first run that connects and compiles."""
    round_trip = Question(name="a round trip", by="any", ask=_read(lambda tx, *_: tx.ask_nothing()))
    base: float | None = None
    for question in (round_trip, *QUESTIONS):
        middle, p90 = _median_and_p90(runtime, subject, question, repeat)
        base = base or middle
        yield Timing(
            question=question.name,
            by=question.by,
            median=middle,
            p90=p90,
            round_trips=middle / base,
        )


def _median_and_p90(
    runtime: Runtime, subject: Subject, question: Question, repeat: int
) -> tuple[float, float]:
    question.ask(runtime, subject)
    times = [_milliseconds(runtime, subject, question) for _ in range(repeat)]
    return median(times), quantiles(times, n=10)[-1] if repeat > 1 else times[0]


def _milliseconds(runtime: Runtime, subject: Subject, question: Question) -> float:
    began = perf_counter()
    question.ask(runtime, subject)
    return (perf_counter() - began) * 1000
