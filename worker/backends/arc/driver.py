"""The driver of the back-end arc: jobs of an ARC CE, by its REST interface."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from worker.backends.arc import delegation, memory, output
from worker.backends.arc.answers import code_of, read_word
from worker.backends.arc.client import Rest
from worker.backends.arc.look import Listed, list_all, look_at
from worker.backends.arc.names import is_job_id
from worker.backends.arc.options import ArcOptions
from worker.backends.arc.session import Desk, Value, Work, each, within
from worker.backends.arc.states import ENDS
from worker.backends.arc.submit import Sent, send
from worker.backends.contract import Means
from worker.backends.identities import Answers, Shares, identities, nothing_sent_yet
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable


class ArcDriver:
    """Speaks to one CE."""

    def __init__(self, ce: CE, options: ArcOptions, means: Means) -> None:
        self.desk = Desk(ce=ce, options=options, means=means)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots, each identity's own in as few requests as there may be."""
        shares = Shares(orders)
        sent = Sent()

        async def work(rest: Rest) -> None:
            await send(self.desk, rest, shares.of(rest.access.identity), sent)

        answers, late = self._ask(shares.vos, work)
        if not sent.begun:
            with nothing_sent_yet(self.desk.ce.name):
                _or_raise(answers, late)
        if not sent.receipts:
            _or_raise(answers, late)
        return [*sent.receipts, *answers.refusals(orders)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask after jobs, thousands in a request."""
        shares = Shares(jobs)

        async def work(rest: Rest) -> list[Observed]:
            return await look_at(self.desk, rest, shares.of(rest.access.identity))

        return [seen for some in _or_raise(*self._ask(shares.vos, work)) for seen in some]

    def find(self) -> Listing:
        """List all jobs of every VO that has a credential."""
        as_of = self.desk.now()

        async def work(rest: Rest) -> tuple[str, Listed]:
            return rest.access.owner, await list_all(self.desk, rest)

        answers, late = self._ask(None, work)
        _or_raise(answers, late)
        # Two credentials may be of one identity, which the CE shows the same jobs twice.
        jobs = {
            job.handle: job._replace(vo=vo)
            for identity, (_, listed) in answers.given.items()
            for vo in (identity.vos or ())[:1]
            for job in listed.jobs
        }
        covered = frozenset(
            vo
            for identity, (owner, _) in answers.given.items()
            for vo in identity.vos or ()
            if delegation.is_settled(self.desk, vo, owner)
        )
        return Listing(
            jobs=list(jobs.values()),
            complete=all(listed.complete for _, listed in answers.given.values()),
            as_of=as_of,
            vos=covered,
        )

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to kill jobs. It agrees at once and does it later."""
        shares = Shares(jobs)

        async def work(rest: Rest) -> list[Cancelled]:
            return await _kill(rest, shares.of(rest.access.identity))

        return [one for some in _or_raise(*self._ask(shares.vos, work)) for one in some]

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote to its standard output and error."""
        if not is_job_id(job.handle):
            return Output(text="")

        async def work(rest: Rest) -> Output:
            return await output.fetch(rest, job.handle)

        return _or_raise(*self._ask([job.vo], work))[0]

    def tidy(self) -> None:
        """Renew the proxies that the CE holds, and have it clean old jobs away."""

        async def work(rest: Rest) -> None:
            await delegation.keep(self.desk, rest)
            await _clean(self.desk, rest)

        _or_raise(*self._ask(None, work))

    def hello(self) -> str:
        """Ask the CE which versions of REST it speaks, as each VO."""

        async def work(rest: Rest) -> str:
            versions = await rest.negotiate(self.desk.options.version)
            return f"REST {rest.version} of {', '.join(versions)}"

        answers, late = self._ask(None, work)
        spoken = _or_raise(answers, late)[0]
        let_in = ", ".join(sorted(answers.vos() or ()))
        return f"an ARC CE at {self.desk.options.url}, {spoken}; it lets in {let_in}"

    def _ask(
        self, vos: Iterable[str] | None, work: Work[Value]
    ) -> tuple[Answers[Value], Unavailable | None]:
        """Do something as each identity; those not answered in time harm no other."""
        who = identities(self.desk.means, self.desk.options.credential, vos)
        answers = Answers[Value](who.problems)
        asked = each(self.desk, who, work, answers)
        try:
            within(self.desk.options.call_timeout, self.desk.ce.name, asked)
        except Unavailable as late:
            return answers, late
        return answers, None


def _or_raise(answers: Answers[Value], late: Unavailable | None) -> list[Value]:
    """Return the answers; if there are none at all, raise what stood in the way."""
    if late is not None and not answers.given:
        raise late
    return answers.or_raise()


async def _clean(desk: Desk, rest: Rest) -> None:
    """Have the CE clean away what was kept long enough, and forget it."""
    ce, owner = desk.ce.name, rest.access.owner
    keep = max(desk.options.keep_output, 2 * desk.options.check_latest)
    before = desk.now() - timedelta(seconds=keep)
    old = desk.read(lambda tx: memory.kept_long_enough(tx, ce, owner, before))
    answers = await rest.jobs("clean", old)
    cleaned = [job for job in answers if code_of(answers[job]) in ("202", "404")]
    desk.note(lambda tx: memory.forget(tx, ce, cleaned))


async def _kill(rest: Rest, jobs: Sequence[Job]) -> list[Cancelled]:
    ids = [job.handle for job in jobs if is_job_id(job.handle)]
    answers = await rest.jobs("kill", ids)
    refused = [job for job in answers if code_of(answers[job]) not in ("202", "404")]
    # What has ended already cannot be killed, and need not be.
    words = await rest.jobs("status", refused)
    over = {job for job, answer in words.items() if read_word(answer).state in ENDS}
    told = []
    for job in jobs:
        answer = answers.get(job.handle)
        if answer is None and job.handle in ids:
            continue
        accepted = answer is not None and (code_of(answer) == "202" or job.handle in over)
        reason = None if accepted else str((answer or {}).get("reason") or "no such job")
        told.append(Cancelled(stamp=job.stamp, accepted=accepted, reason=reason))
    return told
