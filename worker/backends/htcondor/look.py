"""How jobs are looked for: in the queue, in the history back to the mark, and in all of it.

Each later place is asked only for what the earlier ones do not know.
"""

from collections.abc import Iterable, Sequence

from worker.backends.htcondor import answers
from worker.backends.htcondor.client import Client
from worker.backends.htcondor.memory import Marks
from worker.domain.ce_answers import Job, Observed


def look_at(client: Client, ours: str, jobs: Sequence[Job], marks: Marks) -> list[Observed]:
    """Look for these jobs; `ours` is true for those of the CE that may be looked at."""
    known = _Known(jobs)
    known.add(map(answers.live, client.queue(ours)))
    since = marks.read() if known.missing() else None
    if known.missing() and since is not None:
        known.add(map(answers.ended, client.history(ours, since)))
    if known.missing():
        known.add(map(answers.ended, client.history(ours)))
    return [*known.found.values(), *known.absent()]


def list_all(client: Client, ours: str, since: str | None) -> list[Observed]:
    """List all jobs in the queue, and those that have left it since the mark."""
    queue = client.queue(ours)
    found = {answers.handle(ad): answers.ended(ad) for ad in client.history(ours, since)}
    # What left the queue in between is in both.
    found |= {answers.handle(ad): answers.live(ad) for ad in queue}
    return list(found.values())


class _Known:
    """What is known of the jobs that were asked after, by stamp and id."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._asked = {job.stamp: job for job in jobs}
        self._others: set[str] = set()
        self.found: dict[str, Observed] = {}

    def add(self, seen: Iterable[Observed]) -> None:
        """Take an answer; the first about a job counts."""
        for one in seen:
            job = self._asked.get(one.stamp)
            if job is None:
                continue
            if one.handle == job.handle:
                self.found.setdefault(one.stamp, one)
            else:
                self._others.add(one.stamp)

    def missing(self) -> list[Job]:
        """List the jobs of which nothing is known."""
        return [job for stamp, job in self._asked.items() if stamp not in self.found]

    def absent(self) -> list[Observed]:
        """Return those that the CE does not know; one whose stamp has another id is left open."""
        unknown = [job for job in self.missing() if job.stamp not in self._others]
        return [Observed(stamp=job.stamp, handle=job.handle, absent=True) for job in unknown]
