"""The driver of the back-end sim: one transaction on the simulated world for each call.

The world is what a real CE would store on its own side, so it is written even if the answer is
lost. Jobs proceed as time passes: no process has to run for that.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from worker.backends.contract import Means
from worker.backends.sim import answers, faults, memory, output
from worker.backends.sim.memory import SimJob
from worker.backends.sim.options import SimOptions
from worker.backends.sim.replies import Reply
from worker.db import vos
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import DatabaseError, Unavailable

__all__ = ["SimDriver", "SimOptions"]

_HANDLE = re.compile(r"sim-([1-9][0-9]{0,17})")


class SimDriver:
    """The driver of one CE."""

    def __init__(self, ce: CE, options: SimOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.means = means
        self.place = (ce.name, *options.neighbours)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots."""
        with self._call(is_alone=True) as (tx, now, reply):
            reply.turn_away_submission()
            reply.check_credential({order.vo for order in orders})
            receipts = self._accept(tx, orders, now, reply)
        reply.lose_receipts()
        return reply.part_of(receipts)

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Query jobs."""
        with self._call() as (tx, now, reply):
            lookups = self._look_up(tx, jobs, now, reply)
        locked_out = reply.locked_out()
        observations = [
            answers.observe(one, job.handle, now, reply, self.options.seed)
            if one
            else Observed(stamp=job.stamp, handle=job.handle, absent=True)
            for job, one in lookups
            if one is None or one.vo != locked_out
        ]
        return reply.part_of(observations)

    def find(self) -> Listing:
        """List every job with a stamp of ours at this place, those of the neighbours included."""
        as_of = self.means.now()
        with self._call(as_of, is_alone=True) as (tx, _, reply):
            listed = memory.not_ended_by(tx, self.place, self._ago(as_of, self.options.keep_listed))
            locked_out = reply.locked_out()
            # A CE shows to each VO its own jobs. The VOs are read from our own table, not from the
            # jobs: a VO that has no job at the CE is covered by the listing, too.
            shown_vos = None if locked_out is None else frozenset(vos.names(tx)) - {locked_out}
        observations = [
            answers.observe(job, _handle(job.id), as_of, reply, self.options.seed)._replace(
                ce=job.ce if self.options.tells_ce else None
            )
            for job in listed
            if answers.is_known(job, as_of, reply, self.options) and job.vo != locked_out
        ]
        return Listing(
            jobs=reply.part_of_listing(observations),
            complete=reply.is_complete(),
            as_of=as_of,
            vos=shown_vos,
        )

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to end jobs."""
        with self._call() as (tx, now, reply):
            lookups = self._look_up(tx, jobs, now, reply)
            locked_out = reply.locked_out()
            to_end = [one for _, one in lookups if one is not None and one.vo != locked_out]
            memory.change(tx, answers.ended(to_end, now))
        ended = {one.id for one in to_end}
        return reply.part_of(
            [
                Cancelled(stamp=job.stamp, accepted=True)
                if one is not None and one.id in ended
                else Cancelled(stamp=job.stamp, accepted=False, reason=_why_not(one))
                for job, one in lookups
            ]
        )

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote."""
        with self._call() as (tx, now, reply):
            [(_, sim_job)] = self._look_up(tx, [job], now, reply)
        return output.of(sim_job, now, self.options) if sim_job else Output(text="")

    def hello(self) -> str:
        """Contact the CE; return its kind and capacity."""
        with self._call():
            pass
        return f"a simulated CE of capacity {self.ce.capacity}"

    def _accept(
        self, tx: Transaction, orders: Sequence[Order], now: datetime, reply: Reply
    ) -> list[Receipt]:
        room = None
        if self.options.max_jobs is not None:
            room = max(0, self.options.max_jobs - memory.count_live(tx, self.ce.name, now))
        arrived = orders[: round(len(orders) * reply.accepted_share())]
        accepted, refused = answers.judge(arrived, room, reply)
        rate = self.options.success_rate
        rate = self.ce.success_rate if rate is None else rate
        jobs = [answers.new_job(order, self.options, rate, now, reply.faults) for order in accepted]
        ids = memory.add(tx, self.ce.name, jobs, now)
        memory.clear(tx, self.ce.name, self._ago(now, self.options.known_for()))
        receipts = [answers.receipt(order, _handle(ids[order.stamp]), reply) for order in accepted]
        return [*receipts, *refused]

    def _look_up(
        self, tx: Transaction, jobs: Sequence[Job], now: datetime, reply: Reply
    ) -> list[tuple[Job, SimJob | None]]:
        """Look up jobs; a job that the CE does not know gets `None`."""
        ids = {job.handle: int(m[1]) for job in jobs if (m := _HANDLE.fullmatch(job.handle))}
        stored = memory.by_ids(tx, self.place, ids.values())
        lookups = [(job, stored.get(ids.get(job.handle, 0))) for job in jobs]
        reply.check_credential({one.vo for _, one in lookups if one is not None})
        return [
            (job, one)
            # A handle alone is not enough: the job must have the stamp of the query, too.
            if one and one.stamp == job.stamp and answers.is_known(one, now, reply, self.options)
            else (job, None)
            for job, one in lookups
        ]

    def _ago(self, now: datetime, seconds: float) -> datetime:
        return now - timedelta(seconds=min(seconds, 10**9))

    @contextmanager
    def _call(
        self, now: datetime | None = None, *, is_alone: bool = False
    ) -> Iterator[tuple[Transaction, datetime, Reply]]:
        """Open the world for a call; after the block, apply the faults of its reply.

        If the database of the world cannot be used, the CE counts as unavailable.
        """
        try:
            with self.means.uow() as tx:
                if is_alone:
                    memory.queue_up(tx, self.ce.name)
                # The clock is read after the wait for the lock: so a job is never older than a
                # listing that does not have it.
                moment = now or self.means.now()
                active = faults.read(tx, self.ce.name, moment)
                reply = Reply(self.ce.name, self.options.call_timeout, active)
                reply.turn_away()
                yield tx, moment, reply
        except DatabaseError as error:
            raise Unavailable(self.ce.name, str(error)) from error
        reply.deliver()


def _handle(number: int) -> str:
    return f"sim-{number}"


def _why_not(job: SimJob | None) -> str:
    return "no such job" if job is None else f"the credential of VO {job.vo} has expired"
