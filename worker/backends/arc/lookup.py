"""Whose a job is, by its name; and what the CE can tell of its life and end."""

from collections.abc import Sequence

from worker.backends.arc.details import (
    Details,
    read_description,
    read_diagnosis,
    read_info,
)
from worker.backends.arc.rest import Rest, gathered

DOCUMENTS = 200
"""Jobs whose information is asked for in one request; a document has some 2 kB."""

ASKED_ALONE = 500
"""Jobs that are asked after one by one at a time, where there is no other way."""


async def information(rest: Rest, jobs: Sequence[str]) -> dict[str, Details]:
    """Ask for the CE's information on jobs."""
    answers = await rest.jobs("info", jobs, DOCUMENTS)
    read = {job: read_info(answer) for job, answer in answers.items()}
    return {job: details for job, details in read.items() if details is not None}


async def names(rest: Rest, jobs: Sequence[str]) -> dict[str, str]:
    """Tell the names of jobs; one that cannot be told is left out.

    The information on a job has no name until it was gathered. The job's description has it from
    the beginning, but has to be asked for alone.
    """
    gathered_names = {job: details.name for job, details in (await information(rest, jobs)).items()}
    found = {job: name for job, name in gathered_names.items() if name is not None}
    rest_of_them = [job for job, name in gathered_names.items() if name is None][:ASKED_ALONE]
    described = await gathered([rest.diagnosis(job, "description") for job in rest_of_them])
    for job, description in zip(rest_of_them, described, strict=True):
        if description is not None:
            found[job] = read_description(description) or ""
    return found


async def ends(rest: Rest, jobs: Sequence[str], known: dict[str, Details]) -> dict[str, Details]:
    """Tell how jobs ended. Where the CE's information is older than the end, its notes tell."""
    found = {job: known[job] for job in jobs if job in known and known[job].is_over}
    missing = [job for job in jobs if job not in found][:ASKED_ALONE]
    told = await gathered([_notes(rest, job) for job in missing])
    return {**found, **dict(zip(missing, told, strict=True))}


async def _notes(rest: Rest, job: str) -> Details:
    diagnosis = await rest.diagnosis(job, "diag")
    return read_diagnosis(diagnosis, await rest.diagnosis(job, "failed"))
