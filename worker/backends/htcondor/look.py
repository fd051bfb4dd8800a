"""Looking up jobs: in the queue, in the history back to the mark, then in the whole history.

Each later place is queried only for jobs that the earlier places do not know.
"""

from collections.abc import Iterable, Sequence

from worker.backends.htcondor import answers
from worker.backends.htcondor.client import HTCondorClient
from worker.backends.htcondor.memory import Marks
from worker.domain.ce_answers import Job, Observed


def look_at(client: HTCondorClient, ours: str, jobs: Sequence[Job], marks: Marks) -> list[Observed]:
    """Look up these jobs; `ours` is the expression for the CE's jobs of the identity."""
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
    # A job that left the queue between the two queries is in both answers.
    jobs |= {answers.handle(ad): answers.live(ad) for ad in queue}
    return list(jobs.values())


class _Search:
    """The answers about jobs that are looked up, matched by stamp and id."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.stamp: job for job in jobs}
        self._others: set[str] = set()
        self.answers: dict[str, Observed] = {}

    def add(self, answers: Iterable[Observed]) -> None:
        """Add answers; the first answer about a job counts."""
        for answer in answers:
            job = self._jobs.get(answer.stamp)
            if job is None:
                continue
            if answer.handle == job.handle:
                self.answers.setdefault(answer.stamp, answer)
            else:
                self._others.add(answer.stamp)

    def missing(self) -> list[Job]:
        """Return the jobs without an answer."""
        return [job for stamp, job in self._jobs.items() if stamp not in self.answers]

    def absent(self) -> list[Observed]:
        """Return the jobs that the CE does not know as absent.

        If the CE has the stamp of a job under another id, nothing is said about that job.
        """
        unknown = [job for job in self.missing() if job.stamp not in self._others]
        return [Observed(stamp=job.stamp, handle=job.handle, absent=True) for job in unknown]
