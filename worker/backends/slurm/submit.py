"""Submission of orders: grouping them into arrays, the arguments of sbatch, and the receipts."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from worker.backends.alike import Alike, alike
from worker.backends.identities import gravest, not_sent, refused, refused_by
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.names import LONGEST_TEXT, Names, comment, spans
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.script import OPEN, Work, write
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import BackendError, NotSent, Refused, Unreadable
from worker.domain.pilot import Cause, group_and_number
from worker.domain.texts import one_line

LARGEST_OFFSET = 999_999_999
"""The largest offset: a job's name has nine digits for it."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Orders that differ only in their number: their stamps, and those numbers.

    A batch without an offset is a single job.
    """

    group: str
    offset: int | None
    what: Alike
    """What the pilots run; `OPEN` stands in place of the stamp."""
    pilots: Sequence[tuple[str, int]]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The secret of each stamp that has one."""

    def stamps(self) -> list[str]:
        """Return the stamps of the orders."""
        return [stamp for stamp, _ in self.pilots]

    def receipts(self, job: str) -> list[Receipt]:
        """Return the receipts of the orders, if the job or array has this id."""
        offset = self.offset
        if offset is None:
            return [Receipt(stamp=stamp, handle=job, raw="accepted") for stamp, _ in self.pilots]
        return [
            Receipt(stamp=stamp, handle=f"{job}_{number - offset}", raw="accepted")
            for stamp, number in self.pilots
        ]

    def part(self, begin: int, end: int) -> "Batch":
        """Return a batch of some of the pilots, from one position to another."""
        return replace(self, pilots=self.pilots[begin:end])

    def arguments(self, ce: str, names: Names, options: SlurmOptions) -> list[str]:
        """Return the arguments of sbatch for this batch."""
        if self.offset is None:
            which = [f"--job-name={names.single(self.group, self.pilots[0][1])}"]
        else:
            indices = [number - self.offset for _, number in self.pilots]
            which = [
                f"--job-name={names.array(self.group, self.offset)}",
                f"--array={spans(indices)}",
            ]
        return [
            *which,
            f"--comment={comment(names.prefix, self.what.vo, ce, self.group)}",
            # The script changes to a folder of its own; `/` exists on every node.
            "--chdir=/",
            "--output=/dev/null",
            "--error=/dev/null",
            f"--export={'NONE' if options.login_environment else 'ALL'}",
            *_of_options(options),
            *([] if self.what.grace is None else [f"--signal=B:TERM@{ceil(self.what.grace)}"]),
            *options.arguments,
        ]

    def script(self, ce: str, names: Names, options: SlurmOptions) -> str:
        """Return the script that all pilots of the batch run."""
        vo, script, arguments, url, _ = self.what
        return write(
            Work(
                owner=one_line(f"VO {vo} on CE {ce}", LONGEST_TEXT),
                group=self.group,
                offset=self.pilots[0][1] if self.offset is None else self.offset,
                payload=options.command if script is None else script,
                arguments=() if script is None else arguments,
                environment={**options.environment, "PILOTAGE_VO": vo, "PILOTAGE_CE": ce},
                prefix=names.prefix,
                folder=options.output_folder,
                secrets=[self.secrets[one] for one in self.stamps() if one in self.secrets],
                url=url,
            )
        )


def batches(orders: Iterable[Order], array_size: int) -> Iterator[Batch]:
    """Group orders into as few arrays as possible; indices are below the array size."""
    size = max(1, array_size)
    ordered = list(orders)
    secrets = {order.stamp: order.secret for order in ordered if order.secret is not None}
    arrays: dict[tuple[str, int, Alike], list[tuple[str, int]]] = defaultdict(list)
    what: Alike | None = None
    for order in ordered:
        if what is None or alike(order) != what:
            what = _with_open_stamp(order)
        group, number = group_and_number(order.stamp)
        arrays[group, number // size, what].append((order.stamp, number))
    for (group, block, common), pilots in arrays.items():
        offset = block * size
        if size > 1 and offset <= LARGEST_OFFSET:
            yield Batch(group=group, offset=offset, what=common, pilots=pilots, secrets=secrets)
        else:
            for pilot in pilots:
                yield Batch(group=group, offset=None, what=common, pilots=[pilot], secrets=secrets)


def _with_open_stamp(order: Order) -> Alike:
    """Return what orders have in common with this one if `OPEN` replaces the stamp of each."""
    stamp, common = order.stamp, alike(order)
    return common._replace(
        script=None if common.script is None else common.script.replace(stamp, OPEN),
        arguments=tuple(word.replace(stamp, OPEN) for word in common.arguments),
    )


def _of_options(options: SlurmOptions) -> list[str]:
    values = {
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "constraint": options.constraint,
        "reservation": options.reservation,
        "gres": options.gres,
        "cpus-per-task": options.cpus,
        "mem": None if options.memory is None else f"{options.memory}M",
        "time": None if options.walltime is None else _time(options.walltime),
        "nice": options.nice,
    }
    words = [f"--{name}={value}" for name, value in values.items() if value is not None]
    if options.requeue is not None:
        words.append("--requeue" if options.requeue else "--no-requeue")
    return words


def _time(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole // 60}:{whole % 60:02}"


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArraySender:
    """Submits batches to one CE."""

    client: SlurmClient
    ce: str
    names: Names
    options: SlurmOptions

    def send(self, parts: Iterable[Batch]) -> list[Receipt]:
        """Submit batches. Pilots without an answer are in doubt.

        After an error other than `NotSent` or `Unreadable` the later batches are not sent.
        """
        receipts: list[Receipt] = []
        errors: list[BackendError] = []
        for batch in parts:
            try:
                for some in self._send(batch):
                    receipts += some
            except NotSent as error:
                errors.append(error)
                answered = {one.stamp for one in receipts}
                receipts += not_sent(set(batch.stamps()) - answered, error)
            except BackendError as error:
                log.warning("%s: %d pilots in doubt: %s", self.ce, len(batch.pilots), error)
                errors.append(error)
                if not isinstance(error, Unreadable):
                    break
        if errors and all(one.not_sent for one in receipts):
            raise gravest(errors)
        return receipts

    def _send(self, batch: Batch) -> Iterator[list[Receipt]]:
        """Submit a batch; if it exceeds our quota, submit as many pilots of it as fit."""
        if batch.what.problem is not None:
            yield refused(batch.stamps(), Cause.REFUSED, batch.what.problem)
            return
        at, size = 0, len(batch.pilots)
        while at < len(batch.pilots):
            try:
                yield self._send_whole(batch.part(at, at + size))
            except Refused as no:
                if no.cause != Cause.QUOTA or size == 1:
                    yield refused_by(batch.stamps()[at:], no)
                    return
            else:
                at += size
            size = max(1, size // 2)

    def _send_whole(self, batch: Batch) -> list[Receipt]:
        job = self.client.submit(
            batch.arguments(self.ce, self.names, self.options),
            batch.script(self.ce, self.names, self.options),
        )
        return batch.receipts(job)
