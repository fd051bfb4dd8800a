"""The driver of the back-end slurm: Slurm's own programs, a handful of calls for any number."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

from worker.backends.contract import Means
from worker.backends.slurm import about, batches, looking
from worker.backends.slurm.about import About
from worker.backends.slurm.accounts import Accounts
from worker.backends.slurm.client import Client
from worker.backends.slurm.errors import last_line
from worker.backends.slurm.files import Files
from worker.backends.slurm.memory import Memory
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.sending import Desk, refused
from worker.backends.slurm.words import Names, spans
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import CredentialProblem
from worker.domain.pilot import Cause

log = logging.getLogger(__name__)

Asked = TypeVar("Asked", Order, Job)


class SlurmDriver:
    """Speaks to one CE."""

    def __init__(self, ce: CE, options: SlurmOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.names = Names(means.prefix)
        self.now = means.now
        self.memory = Memory(ce.name, means)
        self._credentials = means.credentials

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Submit an array for each group of pilots that differ in their number only."""
        whose = _by_vo(orders)

        def send(client: Client, vo: str | None) -> list[Receipt]:
            desk = Desk(client, self.ce.name, self.names, self.options)
            return desk.send(batches.batches(_of(whose, vo), self._array_size(client)))

        answers = self._accounts().ask(send, whose)
        receipts = [one for some in answers.or_raise().values() for one in some]
        for vo, problem in answers.problems.items():
            log.warning("%s: nothing was answered for %s: %s", self.ce.name, vo, problem)
            if isinstance(problem, CredentialProblem):
                # Who is not let in has sent nothing.
                told = ": ".join(map(str, problem.details))
                stamps = [order.stamp for order in _of(whose, vo)]
                receipts += refused(stamps, Cause.CREDENTIAL, told)
        return receipts

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask the controller for all our jobs, and accounting for those that it lacks."""
        whose = _by_vo(jobs)
        answers = self._accounts().ask(lambda c, vo: self._look(c).at(_of(whose, vo)), whose)
        return [one for some in answers.or_raise().values() for one in some]

    def find(self) -> Listing:
        """List all jobs of this CE that Slurm knows, and tidy now and then."""
        as_of = self.now()
        since = (as_of - self.memory.history_from()).total_seconds()
        accounts = self._accounts()
        answers = accounts.ask(lambda client, _: self._around(client, since))
        lists = answers.or_raise()
        complete = all(whole for _, whole in lists.values())
        if complete and not answers.problems:
            self.memory.listed(as_of)
            self._tidy(accounts)
        vos = frozenset(vo for vo in lists if vo is not None)
        jobs = {job.handle: job for found, _ in lists.values() for job in found}
        return Listing(
            jobs=list(jobs.values()), complete=complete, as_of=as_of, vos=vos if vos else None
        )

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Cancel them, whole arrays by their elements; it is remembered before it is asked."""
        known = [job for job in jobs if looking.parts(job.handle)]
        whose = _by_vo(known)
        self.memory.cancelling(job.stamp for job in known)

        def end(client: Client, vo: str | None) -> str | None:
            said = client.cancel(_together(_of(whose, vo))).stderr
            return last_line(said) if "denied" in said else None

        answers = self._accounts().ask(end, whose) if known else None
        told = answers.or_raise() if answers is not None else {}
        problems = answers.problems if answers is not None else {}
        cancelled = []
        for job in jobs:
            vo = job.vo if job.vo in told or job.vo in problems else None
            if looking.parts(job.handle) is None:
                reason: str | None = "the cluster has no such job"
            else:
                reason = str(problems[vo]) if vo in problems else told[vo]
            cancelled.append(Cancelled(stamp=job.stamp, accepted=reason is None, reason=reason))
        return cancelled

    def output(self, job: Job) -> Output:
        """Read what a pilot wrote, if it was told to keep it."""

        def read(client: Client, _: str | None) -> Output:
            files = self._files(client)
            return Output(text="") if files is None else files.output(job.stamp)

        [output] = self._accounts().ask(read, [job.vo]).or_raise().values()
        return output

    def hello(self) -> str:
        """Ask the cluster who it is."""
        answers = self._accounts().ask(lambda client, _: client.about())
        found = about.learn(self.options, next(iter(answers.or_raise().values())))
        size = self.options.array_size
        told = [
            f"Slurm {found.version}",
            f"cluster {found.name}",
            f"arrays of {found.array_size if size is None else size}",
            "with accounting" if found.accounting else "without accounting",
            *([f"at {self.options.ssh}"] if self.options.ssh else []),
        ]
        return ", ".join(told)

    def _accounts(self) -> Accounts:
        return Accounts(self.options, self.names, self._credentials)

    def _look(self, client: Client) -> looking.Look:
        return looking.Look(
            ce=self.ce.name,
            client=client,
            accounting=lambda: self._about(client).accounting,
            files=self._files(client),
            cancelled=self.memory.cancelled,
        )

    def _around(self, client: Client, since: float) -> tuple[list[Observed], bool]:
        cluster = self._about(client)
        found, complete = self._look(client).around(since)
        if not cluster.accounting and self.options.output_folder is None:
            complete = self._was_watching(cluster)
        return found, complete

    def _files(self, client: Client) -> Files | None:
        folder = self.options.output_folder
        return None if folder is None else Files(client, folder, self.names.prefix)

    def _about(self, client: Client) -> About:
        return about.known(self.options, client.about)

    def _array_size(self, client: Client) -> int:
        size = self.options.array_size
        return self._about(client).array_size if size is None else size

    def _was_watching(self, cluster: About) -> bool:
        """Tell whether no job can have ended and been forgotten since the last listing."""
        last = self.memory.listed_at()
        return last is None or (self.now() - last).total_seconds() < cluster.forget_after

    def _tidy(self, accounts: Accounts) -> None:
        """Remove what was kept long enough; it can wait, so no failure of it counts."""
        if self.memory.is_tidy():
            return

        def tidy(client: Client, _: str | None) -> None:
            files = self._files(client)
            if files is not None:
                files.tidy(self.options.keep_output)

        for problem in accounts.ask(tidy).problems.values():
            log.info("%s: not tidied: %s", self.ce.name, problem)
        self.memory.tidied()


def _by_vo(some: Sequence[Asked]) -> dict[str, list[Asked]]:
    whose: dict[str, list[Asked]] = defaultdict(list)
    for one in some:
        whose[one.vo].append(one)
    return dict(whose)


def _of(whose: Mapping[str, list[Asked]], vo: str | None) -> list[Asked]:
    """Take those of a VO, or all where one account is for all."""
    return whose[vo] if vo is not None else [one for some in whose.values() for one in some]


def _together(jobs: Sequence[Job]) -> list[str]:
    """Write the elements of each array in one word."""
    elements: dict[str, list[int]] = defaultdict(list)
    words = []
    for job in jobs:
        array, index = looking.parts(job.handle) or ("", None)
        if index is None:
            words.append(array)
        else:
            elements[array].append(index)
    return [*words, *(f"{array}_[{spans(some)}]" for array, some in elements.items())]
