"""Looking up jobs: in the queue, then in accounting, then in the files that pilots left.

Each later place is queried only for jobs that the earlier places do not know. If a job is nowhere
and we had asked for its cancellation, it was cancelled before it started: Slurm keeps no record of
such an element of an array. Any other job that is nowhere is absent. It is absent even if
accounting, which lags behind, still says that it runs: the controller does not know it any longer.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from worker.backends.slurm.answers import Row
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.output import Files, PilotEnd
from worker.backends.slurm.states import is_failure, meaning
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import BackendError
from worker.domain.pilot import Status

log = logging.getLogger(__name__)

_HANDLE = re.compile(r"([1-9][0-9]{0,17})(?:_([0-9]{1,9}))?")


def split_handle(handle: str) -> tuple[str, int | None] | None:
    """Split Slurm's id of a job into the id of the array and the index; `None` if it is no id."""
    match = _HANDLE.fullmatch(handle)
    if match is None:
        return None
    return match[1], None if match[2] is None else int(match[2])


@dataclass(frozen=True, kw_only=True)
class Look:
    """One lookup at a cluster."""

    ce: str
    client: SlurmClient
    accounting: Callable[[], bool]
    files: Files | None
    cancelled: Callable[[Iterable[str]], set[str]]

    def at(self, jobs: Sequence[Job]) -> list[Observed]:
        """Look up these jobs; a job that could not be looked up in all places is left out."""
        queue = self.client.queue()
        answers = _by_stamp(self._observed(_match(jobs, queue)))
        rest = [job for job in jobs if job.stamp not in answers]
        try:
            answers |= self._elsewhere(rest, queue)
        except BackendError as error:
            if not answers:
                raise
            log.warning("only the queue could be asked: %s", error)
        return list(answers.values())

    def around(self, since: float) -> tuple[list[Observed], bool]:
        """List the CE's jobs that are alive, or ended in the last `since` seconds.

        Return also whether the list is complete.
        """
        jobs = _by_handle(self._observed(self._ours(self.client.queue())))
        complete = True
        try:
            jobs = {**self._ended(since), **jobs}
        except BackendError as error:
            log.warning("only the queue could be listed: %s", error)
            complete = False
        return list(jobs.values()), complete

    def _ours(self, rows: Iterable[Row]) -> list[Row]:
        """Leave out rows that stand for a whole array, and jobs of other CEs."""
        return [row for row in rows if row.stamp and row.ce in (None, self.ce)]

    def _observed(self, rows: Sequence[Row]) -> list[Observed]:
        """Return what the rows say. Missing exit codes are queried first.

        A job whose exit code Slurm has forgotten meanwhile is left out, and looked up elsewhere.
        """
        if any(map(is_failure, {row.state for row in rows if row.code is None})):
            exits = self.client.exits()
            rows = [whole for row in rows if not (whole := row.with_exit(exits)).lacks_exit]
        return [row.observed() for row in rows]

    def _elsewhere(self, jobs: Sequence[Job], queue: Sequence[Row]) -> dict[str, Observed]:
        answers: dict[str, Observed] = {}
        if jobs and self.accounting():
            arrays = [handle[0] for job in jobs if (handle := split_handle(job.handle))]
            ended = [row for row in self.client.history(arrays) if row.is_final]
            answers |= _by_stamp(self._observed(_match(jobs, ended)))
        rest = [job for job in jobs if job.stamp not in answers]
        if self.files is not None and rest:
            ends = self._ends(self.files, rest)
            answers |= {
                job.stamp: ends[job.stamp].observed(job.handle)
                for job in rest
                if job.stamp in ends and ends[job.stamp].handle == job.handle
            }
        rest = [job for job in rest if job.stamp not in answers]
        return answers | self._gone(rest, queue)

    def _ends(self, files: Files, jobs: Sequence[Job]) -> dict[str, PilotEnd]:
        """Read what these pilots wrote at their end.

        Without accounting it must be readable: nothing else says how a job ended.
        """
        try:
            return files.ends([job.stamp for job in jobs if split_handle(job.handle)])
        except BackendError as error:
            if not self.accounting():
                raise
            log.warning("only the queue and accounting could be asked: %s", error)
            return {}

    def _gone(self, jobs: Sequence[Job], queue: Sequence[Row]) -> dict[str, Observed]:
        if not jobs:
            return {}
        cancelled = self.cancelled([job.stamp for job in jobs])
        # If all elements of an array were cancelled before they started, squeue shows one line.
        whole = {
            row.array
            for row in queue
            if row.element is None and meaning(row.state)[0] is Status.CANCELLED
        }
        answers = {}
        for job in jobs:
            handle = split_handle(job.handle)
            if job.stamp in cancelled or (handle is not None and handle[0] in whole):
                answers[job.stamp] = Observed(
                    stamp=job.stamp,
                    handle=job.handle,
                    status=Status.CANCELLED,
                    raw="CANCELLED",
                    reason="it was cancelled before it started",
                )
            else:
                answers[job.stamp] = Observed(stamp=job.stamp, handle=job.handle, absent=True)
        return answers

    def _ended(self, since: float) -> dict[str, Observed]:
        if self.accounting():
            ended = [row for row in self.client.history_since(since) if row.is_final]
            return _by_handle(self._observed(self._ours(ended)))
        if self.files is None:
            return {}
        ends = self.files.ends_since(since)
        return {end.handle: end.observed(end.handle) for end in ends.values()}


def _by_stamp(answers: Iterable[Observed]) -> dict[str, Observed]:
    return {one.stamp: one for one in answers}


def _by_handle(answers: Iterable[Observed]) -> dict[str, Observed]:
    return {one.handle: one for one in answers}


def _match(jobs: Sequence[Job], rows: Iterable[Row]) -> list[Row]:
    """Match jobs by their id, or by their stamp where the handle is not an id of Slurm.

    If the job with this id has another stamp, it is another job: a cluster may count from 1 again.
    """
    by_handle = {row.handle: row for row in rows}
    matches = []
    odd = set()
    for job in jobs:
        row = by_handle.get(job.handle)
        if row is None:
            if split_handle(job.handle) is None:
                odd.add(job.stamp)
        elif row.stamp == job.stamp:
            matches.append(row)
    if odd:
        matches += [row for row in by_handle.values() if row.stamp in odd]
    return matches
