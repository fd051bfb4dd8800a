"""How jobs are looked for: in the queue, in the history back to the mark, and in all of it.

Each later place is asked only for what the earlier ones do not know.
"""

from collections.abc import Iterable, Sequence

from worker.backends.htcondor import answers
from worker.backends.htcondor.client import HTCondorClient
from worker.backends.htcondor.memory import Marks
from worker.domain.ce_answers import Job, Observed


def look_at(client: HTCondorClient, ours: str, jobs: Sequence[Job], marks: Marks) -> list[Observed]:
    """Look for these jobs; `ours` is true for those of the CE that may be looked at."""
    search = _Search(jobs)
    search.add(map(answers.live, client.queue(ours)))
    since = marks.read() if search.missing() else None
    if search.missing() and since is not None:
        search.add(map(answers.ended, client.history(ours, since)))
    if search.missing():
        search.add(map(answers.ended, client.history(ours)))
    return [*search.answers.values(), *search.absent()]


def list_all(client: HTCondorClient, ours: str, since: str | None) -> list[Observed]:
    """List all jobs in the queue, and those that have left it since the mark."""
    queue = client.queue(ours)
    jobs = {answers.handle(ad): answers.ended(ad) for ad in client.history(ours, since)}
    # What left the queue in between is in both.
    jobs |= {answers.handle(ad): answers.live(ad) for ad in queue}
    return list(jobs.values())


class _Search:
    """The answers about the jobs in question, by stamp and id."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.stamp: job for job in jobs}
        self._others: set[str] = set()
        self.answers: dict[str, Observed] = {}

    def add(self, answers: Iterable[Observed]) -> None:
        """Add answers; the first about a job counts."""
        for answer in answers:
            job = self._jobs.get(answer.stamp)
            if job is None:
                continue
            if answer.handle == job.handle:
                self.answers.setdefault(answer.stamp, answer)
            else:
                self._others.add(answer.stamp)

    def missing(self) -> list[Job]:
        """List the jobs without an answer."""
        return [job for stamp, job in self._jobs.items() if stamp not in self.answers]

    def absent(self) -> list[Observed]:
        """Return those that the CE does not know; one whose stamp has another id is left open."""
        unknown = [job for job in self.missing() if job.stamp not in self._others]
        return [Observed(stamp=job.stamp, handle=job.handle, absent=True) for job in unknown]
