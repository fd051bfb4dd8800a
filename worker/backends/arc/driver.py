"""The driver of the back-end arc: jobs of an ARC CE, by its REST interface."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from worker.backends.arc import looking, output
from worker.backends.arc.call import Desk, Outcome, Value, Work, each, within
from worker.backends.arc.delegating import is_settled
from worker.backends.arc.details import code_of, read_word
from worker.backends.arc.looking import Listed
from worker.backends.arc.names import is_job_id
from worker.backends.arc.options import ArcOptions
from worker.backends.arc.rest import Rest
from worker.backends.arc.sending import send
from worker.backends.arc.states import ENDS
from worker.backends.contract import Means
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import CredentialProblem, Unavailable
from worker.domain.pilot import Cause


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one identity sees at the CE."""

    owner: str
    listed: Listed


class ArcDriver:
    """Speaks to one CE."""

    def __init__(self, ce: CE, options: ArcOptions, means: Means) -> None:
        self.desk = Desk(ce=ce, options=options, means=means)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots, each identity's own in as few requests as there may be."""
        by_vo: dict[str, list[Order]] = defaultdict(list)
        for order in orders:
            by_vo[order.vo].append(order)
        receipts: list[Receipt] = []

        async def work(rest: Rest) -> None:
            mine = [order for vo in rest.access.vos for order in by_vo[vo]]
            await send(self.desk, rest, mine, receipts)

        outcome, late = self._each(by_vo, work)
        if late is not None and not receipts:
            raise late
        if not receipts:
            outcome.raise_if_vain()
        return [*receipts, *_turned_away(by_vo, outcome)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask after jobs, thousands in a request."""
        by_vo = _by_vo(jobs)

        async def work(rest: Rest) -> list[Observed]:
            mine = [job for vo in rest.access.vos for job in by_vo[vo]]
            return await looking.look(self.desk, rest, mine)

        return [seen for answer in self._answers(by_vo, work) for seen in answer]

    def find(self) -> Listing:
        """List all jobs of every VO that has a credential, and clear away old ones."""
        as_of = self.desk.now()

        async def work(rest: Rest) -> Found:
            listed = await looking.list_all(self.desk, rest)
            return Found(owner=rest.access.owner, listed=listed)

        outcome = self._of_all(work)
        found: dict[tuple[str, ...], Found] = outcome.answers
        # Two credentials may be of one identity, which the CE shows the same jobs twice.
        jobs = {
            job.handle: job._replace(vo=vos[0])
            for vos, one in found.items()
            for job in one.listed.jobs
        }
        covered = frozenset(
            vo for vos, one in found.items() for vo in vos if is_settled(self.desk, vo, one.owner)
        )
        return Listing(
            jobs=list(jobs.values()),
            complete=all(one.listed.complete for one in found.values()),
            as_of=as_of,
            vos=covered,
        )

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to kill jobs. It agrees at once and does it later."""
        by_vo = _by_vo(jobs)

        async def work(rest: Rest) -> list[Cancelled]:
            mine = [job for vo in rest.access.vos for job in by_vo[vo]]
            return await _kill(rest, mine)

        return [one for answer in self._answers(by_vo, work) for one in answer]

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote to its standard output and error."""
        if not is_job_id(job.handle):
            return Output(text="")

        async def work(rest: Rest) -> Output:
            return await output.fetch(rest, job.handle)

        return self._answers([job.vo], work)[0]

    def hello(self) -> str:
        """Ask the CE which versions of REST it speaks, as each VO."""

        async def work(rest: Rest) -> str:
            versions = await rest.negotiate(self.desk.options.version)
            return f"REST {rest.version} of {', '.join(versions)}"

        outcome = self._of_all(work)
        spoken = next(iter(outcome.answers.values()))
        let_in = ", ".join(sorted(vo for vos in outcome.answers for vo in vos))
        return f"an ARC CE at {self.desk.options.url}, {spoken}; it lets in {let_in}"

    def _answers(self, vos: Iterable[str], work: Work[Value]) -> list[Value]:
        return list(self._answered(vos, work).answers.values())

    def _of_all(self, work: Work[Any]) -> Outcome:
        outcome = self._answered(None, work)
        if not outcome.answers:
            raise CredentialProblem(self.desk.ce.name, "no VO has a credential for it")
        return outcome

    def _answered(self, vos: Iterable[str] | None, work: Work[Any]) -> Outcome:
        """Ask as each identity; those that were not answered in time harm no other."""
        outcome, late = self._each(vos, work)
        if late is not None and not outcome.answers:
            raise late
        outcome.raise_if_vain()
        return outcome

    def _each(
        self, vos: Iterable[str] | None, work: Work[Any]
    ) -> tuple[Outcome, Unavailable | None]:
        outcome = Outcome()
        asked = each(self.desk, vos, work, outcome)
        try:
            within(self.desk.options.call_timeout, self.desk.ce.name, asked)
        except Unavailable as late:
            return outcome, late
        return outcome, None


def _by_vo(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    by_vo: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_vo[job.vo].append(job)
    return by_vo


def _turned_away(by_vo: dict[str, list[Order]], outcome: Outcome) -> list[Receipt]:
    """Refuse the orders of VOs that were not let in: nothing was sent for them."""
    return [
        Receipt(stamp=order.stamp, refused=Cause.CREDENTIAL, raw="credential", reason=str(problem))
        for vo, problem in outcome.problems.items()
        if isinstance(problem, CredentialProblem)
        for order in by_vo[vo]
    ]


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
