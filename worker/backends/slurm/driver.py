"""The driver of the back-end slurm: a few calls of Slurm's programs for any number of pilots."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from worker.backends.contract import Means
from worker.backends.identities import (
    Answer,
    Answers,
    Identity,
    Shares,
    identities,
    in_one_list,
    nothing_sent_yet,
)
from worker.backends.slurm import look, submit
from worker.backends.slurm.client import About, SlurmClient, recall, remember
from worker.backends.slurm.errors import last_line
from worker.backends.slurm.memory import Memory
from worker.backends.slurm.names import Names, spans
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.output import Files
from worker.backends.slurm.reach import reach_as
from worker.backends.slurm.submit import ArraySender
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt

log = logging.getLogger(__name__)


class SlurmDriver:
    """The driver of one CE."""

    def __init__(self, ce: CE, options: SlurmOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.names = Names(means.prefix)
        self.means = means
        self.memory = Memory(ce.name, means)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Submit a job array for each group of pilots that differ in their number only."""
        shares = Shares(orders)

        def send(client: SlurmClient, identity: Identity) -> list[Receipt]:
            sender = ArraySender(client, self.ce.name, self.names, self.options)
            with nothing_sent_yet(self.ce.name):
                size = self._array_size(client)
            return sender.send(submit.batches(shares.of(identity), size))

        answers = self._ask(shares.vos, send)
        receipts = in_one_list(answers)
        for vo, problem in answers.problems.items():
            log.warning("%s: no answer for %s: %s", self.ce.name, vo, problem)
        return [*receipts, *answers.refusals(orders)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Query the controller for all our jobs, and accounting for jobs that it does not know."""
        shares = Shares(jobs)
        return in_one_list(
            self._ask(shares.vos, lambda client, who: self._look(client).at(shares.of(who)))
        )

    def find(self) -> Listing:
        """List all jobs of this CE that Slurm knows."""
        as_of = self.means.now()
        since = (as_of - self.memory.history_from()).total_seconds()
        answers = self._ask(None, lambda client, _: self._around(client, since))
        lists = answers.or_raise()
        complete = all(whole for _, whole in lists)
        if complete and not answers.problems:
            self.memory.listed(as_of)
        jobs = {job.handle: job for listed, _ in lists for job in listed}
        return Listing(jobs=list(jobs.values()), complete=complete, as_of=as_of, vos=answers.vos())

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Cancel jobs, with the elements of each array in one word.

        The cancellation is recorded before Slurm is asked.
        """
        valid = [job for job in jobs if look.split_handle(job.handle)]
        cancelled = [
            _not_cancelled(job, "the cluster has no such job")
            for job in jobs
            if not look.split_handle(job.handle)
        ]
        if not valid:
            return cancelled
        shares = Shares(valid)
        self.memory.cancelling(job.stamp for job in valid)

        def end(client: SlurmClient, identity: Identity) -> list[Cancelled]:
            jobs_of_identity = shares.of(identity)
            stderr = _end(client, jobs_of_identity, self.means.now())
            if "denied" in stderr:
                return [_not_cancelled(job, last_line(stderr)) for job in jobs_of_identity]
            return [Cancelled(stamp=job.stamp, accepted=True) for job in jobs_of_identity]

        answers = self._ask(shares.vos, end)
        cancelled += in_one_list(answers)
        problems = answers.problems
        return cancelled + [
            _not_cancelled(job, str(problems[job.vo])) for job in valid if job.vo in problems
        ]

    def output(self, job: Job) -> Output:
        """Read what a pilot wrote, if the CE has an output folder."""

        def read(client: SlurmClient, _: Identity) -> Output:
            files = self._files(client)
            return Output(text="") if files is None else files.output(job.stamp)

        [output] = self._ask([job.vo], read).or_raise()
        return output

    def tidy(self) -> None:
        """Remove the files that were kept long enough, unless this was done not long ago."""
        if self.memory.is_tidy():
            return

        def tidy(client: SlurmClient, _: Identity) -> None:
            files = self._files(client)
            if files is not None:
                files.tidy(self.options.keep_output)

        self._ask(None, tidy).or_raise()
        self.memory.tidied()

    def hello(self) -> str:
        """Query the cluster's version, name and configuration."""
        [cluster, *_] = self._ask(None, lambda client, _: client.about()).or_raise()
        remember(self.options, cluster)
        size = self.options.array_size
        words = [
            f"Slurm {cluster.version}",
            f"cluster {cluster.name}",
            f"arrays of {cluster.array_size if size is None else size}",
            "with accounting" if cluster.accounting else "without accounting",
            *([f"at {self.options.ssh}"] if self.options.ssh else []),
        ]
        return ", ".join(words)

    def _ask(
        self, vos: Iterable[str] | None, work: Callable[[SlurmClient, Identity], Answer]
    ) -> Answers[Answer]:
        """Call `work` as each identity; all of them together have the time of one call."""
        options, until = self.options, SlurmClient.end_of_call(self.options)
        who = identities(self.means, options.credential, vos, options.ssh_users.get)
        return who.ask(
            lambda one: work(SlurmClient(reach_as(one, options), options, self.names, until), one)
        )

    def _look(self, client: SlurmClient) -> look.Look:
        return look.Look(
            ce=self.ce.name,
            client=client,
            accounting=lambda: self._about(client).accounting,
            files=self._files(client),
            cancelled=self.memory.cancelled,
        )

    def _around(self, client: SlurmClient, since: float) -> tuple[list[Observed], bool]:
        cluster = self._about(client)
        jobs, complete = self._look(client).around(since)
        if not cluster.accounting and self.options.output_folder is None:
            complete = self._was_watching(cluster)
        return jobs, complete

    def _files(self, client: SlurmClient) -> Files | None:
        folder = self.options.output_folder
        return None if folder is None else Files(client, folder, self.names.prefix)

    def _about(self, client: SlurmClient) -> About:
        return recall(self.options, client.about)

    def _array_size(self, client: SlurmClient) -> int:
        size = self.options.array_size
        return self._about(client).array_size if size is None else size

    def _was_watching(self, cluster: About) -> bool:
        """Return whether Slurm cannot have forgotten a job that ended since the last listing."""
        last = self.memory.listed_at()
        return last is None or (self.means.now() - last).total_seconds() < cluster.forget_after


def _end(client: SlurmClient, jobs: Sequence[Job], now: datetime) -> str:
    """Ask the jobs that may finish to end, cancel the others; return Slurm's error output."""
    may_finish = [job for job in jobs if job.end_by is not None and now < job.end_by]
    others = [job for job in jobs if job.end_by is None or now >= job.end_by]
    errors = client.ask_to_end(_together(may_finish)).stderr if may_finish else ""
    return errors + (client.cancel(_together(others)).stderr if others else "")


def _not_cancelled(job: Job, reason: str) -> Cancelled:
    return Cancelled(stamp=job.stamp, accepted=False, reason=reason)


def _together(jobs: Sequence[Job]) -> list[str]:
    """Return the ids of jobs, with the elements of each array in one word."""
    elements: dict[str, list[int]] = defaultdict(list)
    words = []
    for job in jobs:
        array, index = look.split_handle(job.handle) or ("", None)
        if index is None:
            words.append(array)
        else:
            elements[array].append(index)
    return [*words, *(f"{array}_[{spans(some)}]" for array, some in elements.items())]
