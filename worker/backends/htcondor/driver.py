"""The driver of the back-end htcondor."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from worker.backends.contract import Means
from worker.backends.htcondor.answers import (
    CANCELLED,
    GIVEN_UP,
    Ad,
    expressions,
    is_given_up,
    parsed,
)
from worker.backends.htcondor.client import HTCondorClient, clients
from worker.backends.htcondor.look import list_all, look_at
from worker.backends.htcondor.memory import Marks
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.output import OutputFolder
from worker.backends.htcondor.states import HOPELESS
from worker.backends.htcondor.submit import BatchSender, text
from worker.backends.identities import Answer, Answers, Identity, Shares, identities, in_one_list
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable

_SHORTEST_SPAN = 600.0
_ALIVE = "JobStatus != 3 && JobStatus != 4"


class HTCondorDriver:
    """The driver of one CE."""

    def __init__(self, ce: CE, options: HTCondorOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.means = means
        self.place = OutputFolder(ce.name, options, means.home)
        self.instance_and_ce = f"{means.prefix}/{ce.name}"
        span = max(_SHORTEST_SPAN, 2 * options.check_latest)
        self.marks = Marks(ce.name, means.uow, timedelta(seconds=span))

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send orders, those that are alike in one submission; HTCondor accepts it whole or not."""
        names = {
            "prefix": self.means.prefix,
            "batch": f"{self.means.prefix}-{self.ce.name}",
            "instance_and_ce": self.instance_and_ce,
        }
        shares = Shares(orders)

        def send(client: HTCondorClient, identity: Identity) -> list[Receipt]:
            sender = BatchSender(
                ce=self.ce.name, options=self.options, place=self.place, names=names
            )
            return sender.send(shares.of(identity), client)

        answers = self._ask(shares.vos, send)
        return [*in_one_list(answers), *answers.refusals(orders)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """List the jobs in the queue, and look up the others in the history."""
        shares = Shares(jobs)
        answers = self._ask(
            shares.vos,
            lambda client, who: look_at(client, self._ours(who), shares.of(who), self.marks),
        )
        return in_one_list(answers)

    def find(self) -> Listing:
        """List the jobs in the queue, and those that have left it since the mark."""
        as_of = self.means.now()
        is_due, since = self.marks.is_due(as_of), self.marks.read()

        def look(client: HTCondorClient, identity: Identity) -> tuple[str | None, list[Observed]]:
            newest = client.newest() if is_due else None
            return newest, list_all(client, self._ours(identity), since)

        answers = self._ask(None, look)
        lists = answers.or_raise()
        jobs = [job._replace(ce=self.ce.name) for _, some in lists for job in some]
        newest = lists[0][0]
        # The mark does not move while the jobs of a VO cannot be listed.
        if newest is not None and not answers.problems:
            self.marks.move(newest, as_of)
        return Listing(jobs=jobs, complete=True, as_of=as_of, vos=answers.vos())

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Remove jobs, many with each call; a job that has ended is left unchanged."""
        shares = Shares(jobs)
        answers = self._ask(
            shares.vos, lambda client, who: self._remove(client, who, shares.of(who))
        )
        return in_one_list(answers)

    def output(self, job: Job) -> Output:
        """Read what a pilot wrote; with `spool`, fetch it from the schedd first."""

        def read(client: HTCondorClient, identity: Identity) -> Output:
            if self.options.spool and not self.place.path(job.stamp).exists():
                self.place.prepare([job.stamp])
                ended = f"PilotageStamp == {text(job.stamp)} && JobStatus == 4"
                client.fetch(f"{self._ours(identity)} && {ended}")
            return self.place.output(job.stamp)

        [output] = self._ask([job.vo], read).or_raise()
        return output

    def tidy(self) -> None:
        """Remove jobs on hold that are given up, and local files that were kept long enough."""

        def tidy(client: HTCondorClient, identity: Identity) -> set[str]:
            ours = self._ours(identity)
            queue = client.queue(ours)
            self._give_up(client, ours, queue)
            return {ad["PilotageStamp"] for ad in queue}

        answers = self._ask(None, tidy)
        alive = answers.or_raise()
        if not answers.problems:
            self.place.tidy(set[str]().union(*alive))

    def _give_up(self, client: HTCondorClient, ours: str, queue: Sequence[Ad]) -> None:
        """Remove jobs on hold that are given up; the history then shows their end."""
        patience, now = self.options.held_patience, self.means.now()
        if not any(is_given_up(ad, now, patience) for ad in queue):
            return
        # The schedd checks the condition again: a job that was released meanwhile is not removed.
        hopeless = " || ".join(f"HoldReasonCode == {code}" for code in HOPELESS)
        waited = f"time() - EnteredCurrentStatus > {int(patience)}"
        client.remove(f"{ours} && JobStatus == 5 && ({hopeless} || {waited})", GIVEN_UP)

    def hello(self) -> str:
        """Query the schedd's name and version."""
        return self._ask(None, lambda client, _: client.hello()).or_raise()[0]

    def _remove(
        self, client: HTCondorClient, who: Identity, jobs: Sequence[Job]
    ) -> list[Cancelled]:
        ids = {job.stamp: parsed(job.handle) for job in jobs}
        ours = self._ours(who)
        for some in expressions(one for one in ids.values() if one is not None):
            client.remove(f"{ours} && {_ALIVE} && {some}", CANCELLED)
        return [
            Cancelled(stamp=job.stamp, accepted=True)
            if ids[job.stamp] is not None
            else Cancelled(
                stamp=job.stamp, accepted=False, reason=f"{job.handle!r:.60} is not an id"
            )
            for job in jobs
        ]

    def _ours(self, identity: Identity) -> str:
        """Return the expression that is true for the jobs of this CE of an identity's VOs."""
        of_this_ce = f"PilotageInstance == {text(self.instance_and_ce)}"
        if identity.vos is None:
            return of_this_ce
        vos = " || ".join(f"PilotageVO == {text(vo)}" for vo in sorted(identity.vos))
        return f"{of_this_ce} && ({vos})"

    def _ask(
        self, vos: Iterable[str] | None, work: Callable[[HTCondorClient, Identity], Answer]
    ) -> Answers[Answer]:
        """Call `work` as each identity.

        An error of the file system is an error of the CE: it says nothing about a pilot.
        """
        who = identities(self.means, self.options.credential, vos)
        try:
            with clients(self.options) as client:
                return who.ask(lambda identity: work(client(identity), identity))
        except OSError as error:
            raise Unavailable(self.ce.name, str(error)) from error
