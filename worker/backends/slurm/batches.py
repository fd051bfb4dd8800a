"""Which orders make an array together, and what sbatch is told of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.script import OPEN, Work, write
from worker.backends.slurm.words import Names, comment, harmless, spans
from worker.domain.ce_answers import Order, Receipt
from worker.domain.pilot import group_and_number

LARGEST_OFFSET = 999_999_999
"""A name has nine digits for it."""


class What(NamedTuple):
    """What orders that differ in their stamps only have in common; where a stamp was is `OPEN`."""

    vo: str
    script: str | None
    arguments: Sequence[str]

    @property
    def problem(self) -> str | None:
        """Say why it can never be sent."""
        if "\0" in "".join([self.script or "", *self.arguments]):
            return "the script or a word of it holds a character that no shell takes"
        return None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Orders that differ in their number only: their stamps, and those numbers.

    One without an offset is a job of its own.
    """

    group: str
    offset: int | None
    what: What
    pilots: Sequence[tuple[str, int]]

    def stamps(self) -> list[str]:
        """List their stamps."""
        return [stamp for stamp, _ in self.pilots]

    def receipts(self, job: str) -> list[Receipt]:
        """Answer each, if the whole has this id."""
        offset = self.offset
        if offset is None:
            return [Receipt(stamp=stamp, handle=job, raw="accepted") for stamp, _ in self.pilots]
        return [
            Receipt(stamp=stamp, handle=f"{job}_{number - offset}", raw="accepted")
            for stamp, number in self.pilots
        ]

    def part(self, begin: int, end: int) -> "Batch":
        """Take some of it."""
        return replace(self, pilots=self.pilots[begin:end])

    def words(self, ce: str, names: Names, options: SlurmOptions) -> list[str]:
        """Write what sbatch is told of this batch."""
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
            # Its script goes to a folder of its own; this one is on every node.
            "--chdir=/",
            "--output=/dev/null",
            "--error=/dev/null",
            f"--export={'NONE' if options.login_environment else 'ALL'}",
            *_of_options(options),
            *options.arguments,
        ]

    def script(self, ce: str, names: Names, options: SlurmOptions) -> str:
        """Write the script that all of it run."""
        vo, script, arguments = self.what
        return write(
            Work(
                owner=harmless(f"VO {vo} on CE {ce}"),
                group=self.group,
                offset=self.pilots[0][1] if self.offset is None else self.offset,
                payload=options.command if script is None else script,
                arguments=() if script is None else arguments,
                environment={**options.environment, "PILOTAGE_VO": vo, "PILOTAGE_CE": ce},
                prefix=names.prefix,
                folder=options.output_folder,
            )
        )


def batches(orders: Iterable[Order], array_size: int) -> Iterator[Batch]:
    """Part orders in as few arrays as they make; indices are below the array size."""
    size = max(1, array_size)
    alike: dict[tuple[str, int, What], list[tuple[str, int]]] = defaultdict(list)
    what: What | None = None
    for order in orders:
        if order[1:] != what:
            what = _what(order)
        group, number = group_and_number(order.stamp)
        alike[group, number // size, what].append((order.stamp, number))
    for (group, block, common), pilots in alike.items():
        offset = block * size
        if size > 1 and offset <= LARGEST_OFFSET:
            yield Batch(group=group, offset=offset, what=common, pilots=pilots)
        else:
            for pilot in pilots:
                yield Batch(group=group, offset=None, what=common, pilots=[pilot])


def _what(order: Order) -> What:
    """Take the stamp out of what an order runs."""
    stamp, vo, script, arguments = order
    return What(
        vo,
        None if script is None else script.replace(stamp, OPEN),
        tuple(word.replace(stamp, OPEN) for word in arguments),
    )


def _of_options(options: SlurmOptions) -> list[str]:
    given = {
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
    words = [f"--{name}={value}" for name, value in given.items() if value is not None]
    if options.requeue is not None:
        words.append("--requeue" if options.requeue else "--no-requeue")
    return words


def _time(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole // 60}:{whole % 60:02}"
