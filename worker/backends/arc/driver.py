"""The driver of the back-end arc: jobs of an ARC CE, by its REST interface."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from worker.backends.arc import delegation, memory, output
from worker.backends.arc.answers import code_of, read_word
from worker.backends.arc.client import Rest
from worker.backends.arc.look import Listed, list_all, look_at
from worker.backends.arc.names import is_job_id
from worker.backends.arc.options import ArcOptions
from worker.backends.arc.session import Session, Value, Work, each, run_with_timeout
from worker.backends.arc.states import ENDS
from worker.backends.arc.submit import Progress, send
from worker.backends.contract import Means
from worker.backends.identities import Answers, Shares, identities, in_one_list, nothing_sent_yet
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable


class ArcDriver:
    """The driver of one CE."""

    def __init__(self, ce: CE, options: ArcOptions, means: Means) -> None:
        self.session = Session(ce=ce, options=options, means=means)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots, those of each identity in as few requests as possible."""
        shares = Shares(orders)
        progress = Progress()
        answers = self._ask(
            shares.vos, lambda rest: send(self.session, rest, shares.of(rest.identity), progress)
        )
        if not progress.is_begun:
            with nothing_sent_yet(self.session.ce.name):
                answers.or_raise()
        if not progress.receipts:
            answers.or_raise()
        return [*progress.receipts, *answers.refusals(orders)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Query jobs, thousands in a request."""
        shares = Shares(jobs)
        return in_one_list(
            self._ask(
                shares.vos, lambda rest: look_at(self.session, rest, shares.of(rest.identity))
            )
        )

    def find(self) -> Listing:
        """List all jobs of every VO that has a credential."""
        as_of = self.session.now()

        async def work(rest: Rest) -> tuple[str, Listed]:
            return rest.access.owner, await list_all(self.session, rest)

        answers = self._ask(None, work)
        answers.or_raise()
        # Two credentials may be of the same identity: the CE then lists the same jobs twice.
        jobs = {
            job.handle: job._replace(vo=vo)
            for identity, (_, listed) in answers.by_identity.items()
            for vo in (identity.vos or ())[:1]
            for job in listed.jobs
        }
        covered = frozenset(
            vo
            for identity, (owner, _) in answers.by_identity.items()
            for vo in identity.vos or ()
            if delegation.is_settled(self.session, vo, owner)
        )
        return Listing(
            jobs=list(jobs.values()),
            complete=all(listed.complete for _, listed in answers.by_identity.values()),
            as_of=as_of,
            vos=covered,
        )

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to kill jobs. It accepts at once and kills them later."""
        shares = Shares(jobs)
        return in_one_list(
            self._ask(shares.vos, lambda rest: _kill(rest, shares.of(rest.identity)))
        )

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote to its standard output and error."""
        if not is_job_id(job.handle):
            return Output(text="")
        return self._ask([job.vo], lambda rest: output.fetch(rest, job.handle)).or_raise()[0]

    def tidy(self) -> None:
        """Renew the proxies that the CE holds, and request the cleaning of old jobs."""

        async def work(rest: Rest) -> None:
            await delegation.keep(self.session, rest)
            await _clean(self.session, rest)

        self._ask(None, work).or_raise()

    def hello(self) -> str:
        """Query the versions of REST that the CE supports, as each VO."""

        async def work(rest: Rest) -> str:
            versions = await rest.negotiate(self.session.options.version)
            return f"REST {rest.version} of {', '.join(versions)}"

        answers = self._ask(None, work)
        spoken = answers.or_raise()[0]
        let_in = ", ".join(sorted(answers.vos() or ()))
        return f"an ARC CE at {self.session.options.url}, {spoken}; access for {let_in}"

    def _ask(self, vos: Iterable[str] | None, work: Work[Value]) -> Answers[Value]:
        """Call `work` as each identity.

        Identities without an answer in time do not affect the others.
        """
        who = identities(self.session.means, self.session.options.credential, vos)
        answers = Answers[Value](who.problems)
        all_work = each(self.session, who, work, answers)
        try:
            run_with_timeout(self.session.options.call_timeout, self.session.ce.name, all_work)
        except Unavailable as late:
            answers.problems = {None: late, **answers.problems}
        return answers


async def _clean(session: Session, rest: Rest) -> None:
    """Request the cleaning of jobs that were kept long enough, and delete their records."""
    ce, owner = session.ce.name, rest.access.owner
    keep = max(session.options.keep_output, 2 * session.options.check_latest)
    before = session.now() - timedelta(seconds=keep)
    old = session.read(lambda tx: memory.kept_long_enough(tx, ce, owner, before))
    answers = await rest.jobs("clean", old)
    cleaned = [job for job in answers if code_of(answers[job]) in ("202", "404")]
    session.note(lambda tx: memory.forget(tx, ce, cleaned))


async def _kill(rest: Rest, jobs: Sequence[Job]) -> list[Cancelled]:
    ids = [job.handle for job in jobs if is_job_id(job.handle)]
    answers = await rest.jobs("kill", ids)
    refused = [job for job in answers if code_of(answers[job]) not in ("202", "404")]
    # A job that has already ended cannot be killed; its cancellation counts as accepted.
    words = await rest.jobs("status", refused)
    over = {job for job, answer in words.items() if read_word(answer).state in ENDS}
    answered = []
    for job in jobs:
        answer = answers.get(job.handle)
        if answer is None and job.handle in ids:
            continue
        accepted = answer is not None and (code_of(answer) == "202" or job.handle in over)
        reason = None if accepted else str((answer or {}).get("reason") or "no such job")
        answered.append(Cancelled(stamp=job.stamp, accepted=accepted, reason=reason))
    return answered
