"""The driver of the back-end htcondor."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from worker.backends.contract import Means
from worker.backends.htcondor import ads, handles
from worker.backends.htcondor.ads import Ad
from worker.backends.htcondor.client import Client
from worker.backends.htcondor.description import text
from worker.backends.htcondor.identities import Identities, Identity, identities
from worker.backends.htcondor.marks import Marks
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.place import Place
from worker.backends.htcondor.sending import Sending
from worker.backends.htcondor.states import GIVEN_UP
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import BackendError, Unavailable

log = logging.getLogger(__name__)

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
        sending = Sending(ce=self.ce.name, options=self.options, place=self.place, names=names)
        with self._asking() as who:
            return sending.send(orders, who, self._client)

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """List what is in the queue, and look up in the history what is not."""
        seen: list[Observed] = []
        with self._asking() as who:
            for identity in who.usable:
                asked = [job for job in jobs if identity.acts_for(job.vo)]
                if asked:
                    seen += self._look(identity, asked)
        return seen

    def find(self) -> Listing:
        """List what is in the queue, and what has left it since the mark."""
        as_of = self.means.now()
        listed: list[Observed] = []
        with self._asking() as who:
            newest = self._newest(who)
            since = self.marks.read()
            for identity in who.usable:
                client, ours = self._client(identity), self._ours(identity)
                queue = client.queue(ours)
                self._give_up(client, ours, queue)
                found = {ads.handle(ad): ads.ended(ad) for ad in client.history(ours, since)}
                # What left the queue in between is in both.
                found |= {ads.handle(ad): ads.live(ad) for ad in queue}
                listed += [job._replace(ce=self.ce.name) for job in found.values()]
            if newest is not None:
                self.marks.move(newest, as_of)
            if not who.problems:
                self.place.tidy({job.stamp for job in listed if job.ended_at is None})
        return Listing(jobs=listed, complete=True, as_of=as_of, vos=who.vos)

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Remove jobs, many with each call; one that has ended is left as it is."""
        answers: list[Cancelled] = []
        with self._asking() as who:
            for identity in who.usable:
                asked = [job for job in jobs if identity.acts_for(job.vo)]
                answers += self._remove(identity, asked)
        return answers

    def output(self, job: Job) -> Output:
        """Read what a pilot wrote; with `spool`, fetch it first."""
        with self._asking() as who:
            path, identity = self.place.path(job.stamp), who.of(job.vo)
            if self.options.spool and not path.exists() and identity is not None:
                self.place.prepare([job.stamp])
                one = f"PilotageStamp == {text(job.stamp)} && JobStatus == 4"
                self._client(identity).fetch(f"{self._ours(identity)} && {one}")
            return self.place.output(job.stamp)

    def hello(self) -> str:
        """Ask the schedd for its name and version."""
        with self._asking() as who:
            return self._client(who.usable[0]).hello()

    def _look(self, identity: Identity, jobs: Sequence[Job]) -> list[Observed]:
        client, ours = self._client(identity), self._ours(identity)
        queue = client.queue(ours)
        self._give_up(client, ours, queue)
        known = _Known(jobs)
        known.add(ads.live(ad) for ad in queue)
        since = self.marks.read() if known.missing() else None
        if known.missing() and since is not None:
            known.add(ads.ended(ad) for ad in client.history(ours, since))
        if known.missing():
            known.add(ads.ended(ad) for ad in client.history(ours))
        return [*known.found.values(), *known.absent()]

    def _give_up(self, client: Client, ours: str, queue: Sequence[Ad]) -> None:
        """Remove what is on hold and not to be waited for; the history will tell of it."""
        patience, now = self.options.held_patience, self.means.now()
        if not any(ads.is_given_up(ad, now, patience) for ad in queue):
            return
        # Asked as a question, so that what was released meanwhile is left alone.
        hopeless = " || ".join(f"HoldReasonCode == {code}" for code in GIVEN_UP)
        waited = f"time() - EnteredCurrentStatus > {int(patience)}"
        try:
            client.remove(f"{ours} && JobStatus == 5 && ({hopeless} || {waited})", ads.GIVEN_UP)
        except BackendError as error:
            # The next look tries again; what was seen is worth telling all the same.
            log.warning("CE %s: pilots on hold could not be removed: %s", self.ce.name, error)

    def _remove(self, identity: Identity, jobs: Sequence[Job]) -> list[Cancelled]:
        ids = {job.stamp: handles.parsed(job.handle) for job in jobs}
        client, ours = self._client(identity), self._ours(identity)
        for some in handles.expressions(one for one in ids.values() if one is not None):
            client.remove(f"{ours} && {_ALIVE} && {some}", ads.CANCELLED)
        return [
            Cancelled(stamp=job.stamp, accepted=True)
            if ids[job.stamp] is not None
            else Cancelled(stamp=job.stamp, accepted=False, reason=f"{job.handle!r:.60} is no id")
            for job in jobs
        ]

    def _newest(self, who: Identities) -> str | None:
        """Ask for the newest record if the mark is to move; not while a VO cannot be listed."""
        if who.problems or not self.marks.is_due(self.means.now()):
            return None
        return self._client(who.usable[0]).newest()

    def _ours(self, identity: Identity) -> str:
        """Write the expression that is true for the jobs of this CE that an identity sees."""
        mine = f"PilotageInstance == {text(self.instance)}"
        if identity.vos is None:
            return mine
        vos = " || ".join(f"PilotageVO == {text(vo)}" for vo in sorted(identity.vos))
        return f"{mine} && ({vos})"

    def _client(self, identity: Identity) -> Client:
        return Client(self.options, identity.environment)

    @contextmanager
    def _asking(self) -> Iterator[Identities]:
        """Look at the credentials; what the file system has against us says nothing of a pilot."""
        try:
            with identities(self.options, self.means) as who:
                yield who
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
