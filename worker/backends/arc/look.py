"""Looking up the jobs of one identity: given ones, or all that it has at the CE."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from worker.backends.arc import memory, states
from worker.backends.arc.answers import (
    Details,
    Judge,
    read_description,
    read_diagnosis,
    read_info,
    read_word,
)
from worker.backends.arc.client import Rest, gathered
from worker.backends.arc.memory import JobRecord
from worker.backends.arc.names import is_job_id, read_name
from worker.backends.arc.session import Session
from worker.db.uow import Transaction
from worker.domain.ce_answers import Job, Observed

DOCUMENTS = 200
"""Jobs whose information is requested in one request; the document of each has some 2 kB."""

ASKED_ALONE = 500
"""The most jobs in one call that are queried one by one, where there is no other way."""


async def information(rest: Rest, jobs: Sequence[str]) -> dict[str, Details]:
    """Request the CE's information on jobs; return it for the jobs that have some."""
    answers = await rest.jobs("info", jobs, DOCUMENTS)
    read = {job: read_info(answer) for job, answer in answers.items()}
    return {job: details for job, details in read.items() if details is not None}


async def names(rest: Rest, jobs: Sequence[str]) -> dict[str, str]:
    """Return the names of jobs; a job whose name is not known yet is left out.

    The information on a job has no name until it was gathered. The job's description has the name
    from the beginning, but needs a request for each job.
    """
    gathered_names = {job: details.name for job, details in (await information(rest, jobs)).items()}
    known_names = {job: name for job, name in gathered_names.items() if name is not None}
    rest_of_them = [job for job, name in gathered_names.items() if name is None][:ASKED_ALONE]
    described = await gathered([rest.diagnosis(job, "description") for job in rest_of_them])
    for job, description in zip(rest_of_them, described, strict=True):
        if description is not None:
            known_names[job] = read_description(description) or ""
    return known_names


async def ends(rest: Rest, jobs: Sequence[str], details: dict[str, Details]) -> dict[str, Details]:
    """Return how jobs ended: from the CE's information, or from its notes if that is too old."""
    whole = {job: details[job] for job in jobs if job in details and details[job].is_over}
    missing = [job for job in jobs if job not in whole][:ASKED_ALONE]
    notes = await gathered([_notes(rest, job) for job in missing])
    return {**whole, **dict(zip(missing, notes, strict=True))}


async def _notes(rest: Rest, job: str) -> Details:
    diagnosis = await rest.diagnosis(job, "diag")
    return read_diagnosis(diagnosis, await rest.diagnosis(job, "failed"))


log = logging.getLogger(__name__)

PIECE = 1000
"""Jobs whose names are read and stored together."""

NO_SUCH_JOB = "pilotage0is0this0answered"
"""An id that no CE has ever given to a job."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The jobs of one identity at this CE, and whether they are certainly all."""

    jobs: Sequence[Observed]
    complete: bool


async def look_at(session: Session, rest: Rest, jobs: Sequence[Job]) -> list[Observed]:
    """Look up some jobs; jobs about which the CE says nothing are left out."""
    # A-REX cannot have made such an id, so it does not know the job.
    invalid = [job for job in jobs if not is_job_id(job.handle)]
    stamps = {job.handle: job.stamp for job in jobs if is_job_id(job.handle)}
    records = session.read(lambda tx: memory.records(tx, session.ce.name, list(stamps)))
    observed, hidden = await _judged(session, rest, stamps, records, whole=True)
    if hidden:
        log.warning(
            "CE %s no longer shows %d jobs of %s: another identity sent them",
            session.ce.name, len(hidden), rest.access,
        )  # fmt: skip
    absent = [Observed(stamp=job.stamp, handle=job.handle, absent=True) for job in invalid]
    return [*absent, *observed]


async def list_all(session: Session, rest: Rest) -> Listed:
    """List all jobs of an identity at this CE."""
    ce, owner = session.ce.name, rest.access.owner
    # Read before the CE is queried: a job that has a record and is not listed is gone, not new.
    before = session.read(lambda tx: memory.of_owner(tx, ce, owner))
    jobs = await rest.job_list()
    if not jobs and NO_SUCH_JOB not in await rest.jobs("status", [NO_SUCH_JOB]):
        # A-REX answers with nothing for an empty list. This server does not answer about this id
        # either, so its empty answer means nothing.
        return Listed(jobs=[], complete=False)
    learnt = await _learn_names(session, rest, [job for job in jobs if job not in before])
    records = {job: one for job in jobs if (one := learnt.get(job) or before.get(job))}
    stamps = {job: one.stamp for job, one in records.items() if one.stamp is not None}
    observed, _ = await _judged(session, rest, stamps, records, whole=False)
    at_ce = set(jobs)
    gone = [job for job in before if job not in at_ce]
    session.note(lambda tx: memory.forget(tx, ce, gone))
    return Listed(
        jobs=[one for one in observed if not one.absent],
        complete=len(records) == len(at_ce) and len(observed) == len(stamps),
    )


async def _judged(
    session: Session,
    rest: Rest,
    stamps: Mapping[str, str],
    records: Mapping[str, JobRecord],
    *,
    whole: bool,
) -> tuple[list[Observed], list[str]]:
    """Query the states of jobs, and more information where the state alone is not enough.

    Unless `whole` is set, the details of an end that is on record are not requested again.
    """
    ids = list(stamps)
    answers = await rest.jobs("status", ids)
    judge = Judge(
        now=session.now(),
        delay=timedelta(seconds=session.options.information_delay),
        words={job: read_word(answers[job]) for job in ids if job in answers},
        records=records,
        owner=rest.access.owner,
    )
    unclear = [
        job
        for job in judge.words
        if judge.wants_details(job) and (whole or not _is_over(records.get(job)))
    ]
    details = await _details(rest, judge, unclear)
    judged = [judge.observed(stamps[job], job, details.get(job)) for job in ids]
    answered = [job for job in judged if job is not None]
    new = [judge.learnt(job, details.get(job.handle)) for job in answered if not job.absent]
    changed = [one for one in new if one is not None]
    session.note(lambda tx: memory.learn(tx, session.ce.name, changed))
    hidden = [job for job in judge.words if judge.words[job].code == "404" and judge.is_hidden(job)]
    return answered, hidden


async def _details(rest: Rest, judge: Judge, jobs: Sequence[str]) -> dict[str, Details]:
    details = await information(rest, jobs)
    over = [job for job in jobs if judge.words[job].state in states.ENDS]
    return {**details, **await ends(rest, over, details)}


def _is_over(record: JobRecord | None) -> bool:
    return record is not None and record.ended_at is not None


async def _learn_names(session: Session, rest: Rest, jobs: Sequence[str]) -> dict[str, JobRecord]:
    owner = rest.access.owner
    learnt: dict[str, JobRecord] = {}
    # Names are stored piece by piece: if the call runs out of time, the next one continues.
    for start in range(0, len(jobs), PIECE):
        found_names = await names(rest, jobs[start : start + PIECE])
        new = {
            job: JobRecord(job=job, stamp=_stamp(session, name), owner=owner)
            for job, name in found_names.items()
        }
        session.note(partial(_learn, session.ce.name, list(new.values())))
        learnt |= new
    return learnt


def _stamp(session: Session, name: str) -> str | None:
    """Read the stamp in a job's name; `None` if the job is not ours or not of this CE."""
    named = read_name(session.means.prefix, name)
    return named.stamp if named is not None and named.ce in (None, session.ce.name) else None


def _learn(ce: str, jobs: Sequence[JobRecord], tx: Transaction) -> None:
    memory.learn(tx, ce, jobs)
