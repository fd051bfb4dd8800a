"""Never lost, never twice: the comparisons at the end, when nothing happens any more."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, Executable, RowMapping, Text, cast, func, select, text

from worker.backends.sim.memory import sim_jobs
from worker.backends.sim.states import meaning
from worker.db.compact import Columns
from worker.db.history import steps
from worker.db.tables import (
    ce_list_places,
    ces,
    decision_bases,
    decisions,
    leases,
    pilots,
    vos,
)
from worker.domain.pilot import LEGAL_MOVES, OCCUPYING, Cause, Status

BIRTHS = (Status.RESERVED, Status.SUBMITTING)
"""A pilot begins as one that we want to send, or as a job that was found at a CE."""

REFUSALS = (Cause.REFUSED, Cause.QUOTA, Cause.CREDENTIAL)
"""Causes of a failure without a job."""


@dataclass(frozen=True, kw_only=True)
class AtCE:
    """A job as it truly is at its CE. It is listed while a listing shows it."""

    ce: str
    vo: str
    stamp: str
    over: bool
    fate: Status | None
    is_listed: bool


def at_rest(
    connection: Connection, now: datetime, strangers: frozenset[str] = frozenset()
) -> list[str]:
    """Return what does not hold once everything has come to rest."""
    rows = connection.execute(PILOTS).mappings().all()
    jobs = simulated_jobs(connection, now)
    return [
        *one_of_each(rows, jobs, strangers),
        *fates(rows, {job.stamp: job for job in jobs}),
        *histories(connection, rows),
        *counts(connection),
        *held_leases(connection, now),
    ]


def simulated_jobs(connection: Connection, now: datetime) -> list[AtCE]:
    """Read the jobs of all simulated CEs."""
    return [
        AtCE(
            ce=job["ce"],
            vo=job["vo"],
            stamp=job["stamp"],
            over=job["ends_at"] is not None and job["ends_at"] <= now,
            fate=meaning(job["fate"])[0],
            is_listed=_is_listed(job, now),
        )
        for job in connection.execute(select(sim_jobs)).mappings()
    ]


def one_of_each(
    rows: Sequence[RowMapping], jobs: Sequence[AtCE], strangers: frozenset[str]
) -> list[str]:
    """Every job of ours has exactly one pilot, and no stamp is at a CE twice."""
    ours = {row["stamp"]: (row["ce"], row["vo"]) for row in rows}
    numbers = Counter(job.stamp for job in jobs)
    problems = [
        f"twice: stamp {stamp} is at the CE {n} times" for stamp, n in numbers.items() if n > 1
    ]
    for job in jobs:
        if job.stamp not in ours and job.stamp in strangers:
            continue
        if job.stamp not in ours:
            problems.append(f"lost: the job {job.stamp} on {job.ce} has no pilot")
        elif ours[job.stamp] != (job.ce, job.vo):
            problems.append(f"mistaken: the job {job.stamp} on {job.ce} is not where its pilot is")
    return problems


def fates(rows: Sequence[RowMapping], jobs: Mapping[str, AtCE]) -> list[str]:
    """A row is final if its job has ended; a row that holds a slot has a job that is alive."""
    problems = []
    for row in rows:
        wrong = _wrong(row, jobs.get(row["stamp"]))
        if wrong:
            problems.append(
                f"fate: pilot {row['id']} on {row['ce']} is {row['status']}, but {wrong}"
            )
    return problems


def histories(connection: Connection, rows: Sequence[RowMapping]) -> list[str]:
    """Each history is a legal path from its birth, and its last step is the status of the row."""
    paths: dict[int, list[tuple[Status | None, Status, datetime]]] = {}
    for pilot_id, was, became, at in connection.execute(_HISTORY):
        paths.setdefault(pilot_id, []).append((was, became, at))
    problems = []
    for row in rows:
        path = paths.get(row["id"], [])
        if not path or path[0][0] is not None or path[0][1] not in BIRTHS:
            problems.append(f"history: pilot {row['id']} has no birth")
        elif path[-1][1] is not row["status"]:
            problems.append(f"history: pilot {row['id']} is {row['status']}, it says {path[-1][1]}")
        elif any(
            later[0] is not earlier[1] or later[:2] not in LEGAL_MOVES or later[2] < earlier[2]
            for earlier, later in pairwise(path)
        ):
            problems.append(f"history: that of pilot {row['id']} is no path")
    return problems


def counts(connection: Connection) -> list[str]:
    """The stored counts are those of the pilots, and the tallies agree with the history."""
    counters, real = (dict(_pairs(connection, text(sql))) for sql in (_KEPT, _REAL))
    totals, moves = (dict(_pairs(connection, query)) for query in (text(_TOLD), _DONE))
    is_pruned = totals.get(("", Status.RESERVED), 0) > moves.get(("", Status.RESERVED), 0)
    return [
        *(
            f"count: {counters.get(key, 0)} are kept of {key}, and there are {real.get(key, 0)}"
            for key in sorted(counters.keys() | real.keys())
            if counters.get(key, 0) != real.get(key, 0)
        ),
        *(
            f"tally: {totals.get(key, 0)} moves {key}, the history has {moves.get(key, 0)}"
            for key in sorted(totals.keys() | moves.keys())
            if (
                totals.get(key, 0) < moves.get(key, 0)
                if is_pruned
                else totals.get(key) != moves.get(key)
            )
        ),
    ]


def _pairs(connection: Connection, query: Executable) -> Iterator[tuple[tuple[object, ...], int]]:
    for *key, number in connection.execute(query):
        if number:
            yield tuple(key), int(number)


def held_leases(connection: Connection, now: datetime) -> list[str]:
    """Nobody calls a CE any more, so nobody holds a lease."""
    query = select(leases.c.name).where(leases.c.holder.is_not(None), leases.c.until > now)
    return [f"held: lease {name}" for name in connection.execute(query).scalars()]


def reasons(connection: Connection) -> list[str]:
    """The decisions grant the pilots that were born, per VO and CE. Only after real cycles."""
    births = {(ce, vo): number for ce, vo, number in connection.execute(_BORN)}
    promises: Counter[tuple[str, str]] = Counter()
    for one in decided(connection, {}):
        promises[one.ce, one.vo] += one.granted
    promises = +promises
    return [
        f"reason: {births.get(pair, 0)} pilots of VO {pair[1]} on {pair[0]}, "
        f"decisions say {promises.get(pair, 0)}"
        for pair in sorted(births.keys() | promises.keys())
        if births.get(pair, 0) != promises.get(pair, 0)
    ]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The decision of some equal cycles of a VO about a CE, with the pilots of all of them."""

    vo: str
    ce: str
    granted: int
    reason: str


def decided(connection: Connection, earlier: Mapping[int, int]) -> Iterator[Decided]:
    """Yield the decisions since; `earlier` is how many ticks each row had."""
    places: dict[int, list[tuple[int, str]]] = {}
    for list_id, place, ce in connection.execute(_CE_PLACES):
        places.setdefault(list_id, []).append((place, ce))
    for row in connection.execute(_CYCLES):
        ticks = row.ticks - earlier.get(row.id, 0)
        if not ticks:
            continue
        columns = Columns.read(row.cells, Columns.read(row.base))
        for place, ce in places.get(row.list_id, ()):
            cell = columns.cell(place)
            yield Decided(vo=row.vo, ce=ce, granted=cell.granted * ticks, reason=cell.reason)


def ticks(connection: Connection) -> dict[int, int]:
    """Return how many ticks each row of decisions has."""
    return {row.id: row.ticks for row in connection.execute(_CYCLES)}


def _wrong(row: RowMapping, job: AtCE | None) -> str | None:
    """Return what contradicts the status of a pilot."""
    status: Status = row["status"]
    if status in (Status.RESERVED, Status.SUBMITTING):
        return "nobody went on with it"
    if job is None:
        was_refused = status is Status.FAILED and row["cause"] in REFUSALS
        never_sent = status is Status.CANCELLED and row["claimed_at"] is None
        return None if was_refused or never_sent or status is Status.LOST else "the CE never had it"
    if status is Status.LOST:
        return "the CE shows it" if job.is_listed else None
    if status in OCCUPYING:
        return "its job is over" if job.over else None
    if not job.over:
        return "its job is alive"
    agree = status is job.fate or (status is Status.FAILED and job.fate is Status.CANCELLED)
    return None if agree else f"its job ended {job.fate}"


def _is_listed(job: RowMapping, now: datetime) -> bool:
    is_forgotten = job["forgotten_at"] is not None and job["forgotten_at"] <= now
    old = job["ends_at"] is not None and job["ends_at"] <= now - LISTED_FOR
    return job["visible_at"] <= now and not is_forgotten and not old


_KEPT = """
SELECT ce_id, vo_id, status, sum(pilots) FROM (
  SELECT ce_id, vo_id, status, pilots FROM pilot_counts
  UNION ALL SELECT ce_id, vo_id, became, pilots FROM new_tallies
  UNION ALL SELECT ce_id, vo_id, was, -pilots FROM new_tallies
) AS parts WHERE status <> '' GROUP BY ce_id, vo_id, status"""
_REAL = "SELECT ce_id, vo_id, status, count(*) FROM pilots GROUP BY ce_id, vo_id, status"
# Where both statuses are the same, a cause was replaced.
_TOLD = """
SELECT was, became, sum(pilots) FROM (
  SELECT was, became, pilots FROM tallies UNION ALL SELECT was, became, pilots FROM new_tallies
) AS parts WHERE was <> became AND became <> '' GROUP BY was, became"""
_STEPS = steps().subquery("steps")
_DONE = select(func.coalesce(cast(_STEPS.c.was, Text), ""), _STEPS.c.became, func.count()).group_by(
    _STEPS.c.was, _STEPS.c.became
)

LISTED_FOR = timedelta(hours=1)
"""By default a simulated CE lists a job for this time after its end."""

PILOTS = (
    select(
        pilots.c.id,
        pilots.c.stamp,
        pilots.c.status,
        pilots.c.cause,
        pilots.c.claimed_at,
        ces.c.name.label("ce"),
        vos.c.name.label("vo"),
    )
    .join_from(pilots, ces, ces.c.id == pilots.c.ce_id)
    .join(vos, vos.c.id == pilots.c.vo_id)
    .order_by(pilots.c.id)
)
_HISTORY = select(_STEPS.c.pilot_id, _STEPS.c.was, _STEPS.c.became, _STEPS.c.at).order_by(
    _STEPS.c.id
)
_BORN = (
    select(ces.c.name, vos.c.name, func.count())
    .join_from(pilots, ces, ces.c.id == pilots.c.ce_id)
    .join(vos, vos.c.id == pilots.c.vo_id)
    .join(_STEPS, _STEPS.c.pilot_id == pilots.c.id)
    .where(_STEPS.c.was.is_(None), _STEPS.c.became == Status.RESERVED)
    .group_by(ces.c.name, vos.c.name)
)
_CE_PLACES = select(ce_list_places.c.list_id, ce_list_places.c.place, ces.c.name).join_from(
    ce_list_places, ces, ces.c.id == ce_list_places.c.ce_id
)
_CYCLES = (
    select(
        decisions.c.id,
        decisions.c.list_id,
        decisions.c.ticks,
        decisions.c.cells,
        decision_bases.c.cells.label("base"),
        vos.c.name.label("vo"),
    )
    .join_from(decisions, vos, vos.c.id == decisions.c.vo_id)
    .join(decision_bases, decision_bases.c.id == decisions.c.base_id)
    .order_by(decisions.c.id)
)
