"""The driver of the back-end htcondor."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from worker.backends.contract import Means
from worker.backends.htcondor import ads, handles
from worker.backends.htcondor.ads import Ad
from worker.backends.htcondor.client import Client, clients
from worker.backends.htcondor.description import text
from worker.backends.htcondor.marks import Marks
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.place import Place
from worker.backends.htcondor.sending import Sending
from worker.backends.htcondor.states import GIVEN_UP
from worker.backends.identities import Answer, Answers, Identity, Shares, identities
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable

_SHORTEST_SPAN = 600.0
_ALIVE = "JobStatus != 3 && JobStatus != 4"


class HTCondorDriver:
    """Speaks to one CE."""

    def __init__(self, ce: CE, options: HTCondorOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.means = means
        self.place = Place(ce.name, options, means.home)
        self.instance = f"{means.prefix}/{ce.name}"
        span = max(_SHORTEST_SPAN, 2 * options.check_latest)
        self.marks = Marks(ce.name, means.uow, timedelta(seconds=span))

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send what is alike in one submission each; HTCondor takes all of one, or nothing."""
        names = {
            "prefix": self.means.prefix,
            "batch": f"{self.means.prefix}-{self.ce.name}",
            "instance": self.instance,
        }
        shares = Shares(orders)

        def send(client: Client, identity: Identity) -> list[Receipt]:
            sending = Sending(ce=self.ce.name, options=self.options, place=self.place, names=names)
            return sending.send(shares.of(identity), client)

        answers = self._ask(shares.vos, send)
        receipts = [one for some in answers.or_raise() for one in some]
        return [*receipts, *answers.refusals(orders)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """List what is in the queue, and look up in the history what is not."""
        shares = Shares(jobs)
        answers = self._ask(shares.vos, lambda client, who: self._look(client, who, shares.of(who)))
        return [one for some in answers.or_raise() for one in some]

    def find(self) -> Listing:
        """List what is in the queue, and what has left it since the mark."""
        as_of = self.means.now()
        is_due, since = self.marks.is_due(as_of), self.marks.read()

        def look(client: Client, identity: Identity) -> tuple[str | None, list[Observed]]:
            newest, ours = client.newest() if is_due else None, self._ours(identity)
            queue = client.queue(ours)
            found = {ads.handle(ad): ads.ended(ad) for ad in client.history(ours, since)}
            # What left the queue in between is in both.
            found |= {ads.handle(ad): ads.live(ad) for ad in queue}
            return newest, [job._replace(ce=self.ce.name) for job in found.values()]

        answers = self._ask(None, look)
        lists = answers.or_raise()
        listed = [job for _, some in lists for job in some]
        newest = lists[0][0]
        # The mark stays while a VO cannot be listed.
        if newest is not None and not answers.problems:
            self.marks.move(newest, as_of)
        return Listing(jobs=listed, complete=True, as_of=as_of, vos=answers.vos())

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Remove jobs, many with each call; one that has ended is left as it is."""
        shares = Shares(jobs)
        answers = self._ask(
            shares.vos, lambda client, who: self._remove(client, who, shares.of(who))
        )
        return [one for some in answers.or_raise() for one in some]

    def output(self, job: Job) -> Output:
        """Read what a pilot wrote; with `spool`, fetch it first."""

        def read(client: Client, identity: Identity) -> Output:
            if self.options.spool and not self.place.path(job.stamp).exists():
                self.place.prepare([job.stamp])
                one = f"PilotageStamp == {text(job.stamp)} && JobStatus == 4"
                client.fetch(f"{self._ours(identity)} && {one}")
            return self.place.output(job.stamp)

        [output] = self._ask([job.vo], read).or_raise()
        return output

    def tidy(self) -> None:
        """Remove jobs on hold that are not to be waited for, and what was kept long enough here."""

        def tidy(client: Client, identity: Identity) -> set[str]:
            ours = self._ours(identity)
            queue = client.queue(ours)
            self._give_up(client, ours, queue)
            return {ad["PilotageStamp"] for ad in queue}

        answers = self._ask(None, tidy)
        alive = answers.or_raise()
        if not answers.problems:
            self.place.tidy(set[str]().union(*alive))

    def _give_up(self, client: Client, ours: str, queue: Sequence[Ad]) -> None:
        """Remove what is on hold and not to be waited for; the history will tell of it."""
        patience, now = self.options.held_patience, self.means.now()
        if not any(ads.is_given_up(ad, now, patience) for ad in queue):
            return
        # Asked as a question, so that what was released meanwhile is left alone.
        hopeless = " || ".join(f"HoldReasonCode == {code}" for code in GIVEN_UP)
        waited = f"time() - EnteredCurrentStatus > {int(patience)}"
        client.remove(f"{ours} && JobStatus == 5 && ({hopeless} || {waited})", ads.GIVEN_UP)

    def hello(self) -> str:
        """Ask the schedd for its name and version."""
        return self._ask(None, lambda client, _: client.hello()).or_raise()[0]

    def _look(self, client: Client, who: Identity, jobs: Sequence[Job]) -> list[Observed]:
        ours = self._ours(who)
        queue = client.queue(ours)
        known = _Known(jobs)
        known.add(ads.live(ad) for ad in queue)
        since = self.marks.read() if known.missing() else None
        if known.missing() and since is not None:
            known.add(ads.ended(ad) for ad in client.history(ours, since))
        if known.missing():
            known.add(ads.ended(ad) for ad in client.history(ours))
        return [*known.found.values(), *known.absent()]

    def _remove(self, client: Client, who: Identity, jobs: Sequence[Job]) -> list[Cancelled]:
        ids = {job.stamp: handles.parsed(job.handle) for job in jobs}
        ours = self._ours(who)
        for some in handles.expressions(one for one in ids.values() if one is not None):
            client.remove(f"{ours} && {_ALIVE} && {some}", ads.CANCELLED)
        return [
            Cancelled(stamp=job.stamp, accepted=True)
            if ids[job.stamp] is not None
            else Cancelled(stamp=job.stamp, accepted=False, reason=f"{job.handle!r:.60} is no id")
            for job in jobs
        ]

    def _ours(self, identity: Identity) -> str:
        """Write the expression that is true for the jobs of this CE that an identity sees."""
        mine = f"PilotageInstance == {text(self.instance)}"
        if identity.vos is None:
            return mine
        vos = " || ".join(f"PilotageVO == {text(vo)}" for vo in sorted(identity.vos))
        return f"{mine} && ({vos})"

    def _ask(
        self, vos: Iterable[str] | None, work: Callable[[Client, Identity], Answer]
    ) -> Answers[Answer]:
        """Do something as each identity.

        What the file system has against us says nothing of a pilot.
        """
        who = identities(self.means, self.options.credential, vos)
        try:
            with clients(self.options) as client:
                return who.ask(lambda identity: work(client(identity), identity))
        except OSError as error:
            raise Unavailable(self.ce.name, str(error)) from error


class _Known:
    """What is known of the jobs that were asked after, by stamp and id."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._asked = {job.stamp: job for job in jobs}
        self._others: set[str] = set()
        self.found: dict[str, Observed] = {}

    def add(self, seen: Iterator[Observed]) -> None:
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
        """Tell of those that the CE does not know; one whose stamp has another id is left open."""
        unknown = [job for job in self.missing() if job.stamp not in self._others]
        return [Observed(stamp=job.stamp, handle=job.handle, absent=True) for job in unknown]
