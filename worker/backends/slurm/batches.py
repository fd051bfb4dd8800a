"""Which orders make an array together, and what sbatch is told of it."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from worker.backends.contract import Order
from worker.backends.slurm.options import SlurmOptions, check_environment
from worker.backends.slurm.script import OPEN, Work, write
from worker.backends.slurm.words import Names, harmless, spans
from worker.domain.pilot import group_and_number

STAMP = "PILOTAGE_STAMP"
LARGEST_INDEX = 999_999_999


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Orders that differ in their number only. One without an offset is a job of its own."""

    group: str
    offset: int | None
    orders: Sequence[Order]

    def handles(self, job: str) -> dict[str, str]:
        """Tell the id of each, if the whole has this one."""
        if self.offset is None:
            return {order.stamp: job for order in self.orders}
        return {order.stamp: f"{job}_{self._index(order)}" for order in self.orders}

    def part(self, begin: int, end: int) -> "Batch":
        """Take some of it."""
        return Batch(group=self.group, offset=self.offset, orders=self.orders[begin:end])

    def words(self, ce: str, names: Names, options: SlurmOptions) -> list[str]:
        """Write what sbatch is told of this batch."""
        first = self.orders[0]
        if self.offset is None:
            which = [f"--job-name={names.single(self.group, group_and_number(first.stamp)[1])}"]
        else:
            which = [
                f"--job-name={names.array(self.group, self.offset)}",
                f"--array={spans([self._index(order) for order in self.orders])}",
            ]
        comment = harmless(f"{names.prefix}: vo={first.vo} ce={ce} group={self.group}")
        return [
            *which,
            f"--comment={comment}",
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
        first = self.orders[0]
        number = group_and_number(first.stamp)[1]
        own = first.script is not None
        return write(
            Work(
                owner=harmless(f"VO {first.vo} on CE {ce}"),
                group=self.group,
                offset=number if self.offset is None else self.offset,
                payload=first.script if first.script is not None else options.command,
                arguments=first.arguments if own else (),
                environment={
                    **options.environment,
                    **_variables(first),
                    "PILOTAGE_VO": first.vo,
                    "PILOTAGE_CE": ce,
                },
                prefix=names.prefix,
                folder=options.output_folder,
            )
        )

    def _index(self, order: Order) -> int:
        return group_and_number(order.stamp)[1] - (self.offset or 0)


def batches(orders: Sequence[Order], array_size: int) -> Iterator[Batch]:
    """Part orders in as few arrays as they make; indices are below the array size."""
    alike: dict[tuple[str, int | None, Hashable], list[Order]] = {}
    for order in orders:
        group, number = group_and_number(order.stamp)
        offset = _offset(number, array_size)
        single = order.stamp if offset is None else ""
        opened, shared = _opened(order)
        alike.setdefault((group, offset, (single, shared)), []).append(opened)
    for (group, offset, _), some in alike.items():
        yield Batch(group=group, offset=offset, orders=some)


def _opened(order: Order) -> tuple[Order, Hashable]:
    """Take the stamp out of what an order runs; tell what another with the same script has too."""
    if order.stamp in "\n".join(_words(order)):

        def opened(text: str) -> str:
            return text.replace(order.stamp, OPEN)

        order = replace(
            order,
            script=None if order.script is None else opened(order.script),
            arguments=tuple(map(opened, order.arguments)),
            environment={name: opened(value) for name, value in order.environment.items()},
        )
    variables = tuple(_variables(order).items())
    return order, (order.vo, order.script, tuple(order.arguments), variables)


def problem(order: Order) -> str | None:
    """Say why an order can never be sent."""
    text = "\n".join(_words(order))
    if "\0" in text or OPEN in text:
        return "the script or a word of it holds a character that no shell takes"
    return _problem_of(tuple(order.environment))


@lru_cache(maxsize=64)
def _problem_of(variables: Sequence[str]) -> str | None:
    """Say which of these names is none, the same for every order of a batch."""
    try:
        check_environment(dict.fromkeys(variables, ""))
    except ValueError as error:
        return str(error)
    return None


def _words(order: Order) -> list[str]:
    """Put together what an order runs and is told, but for its stamp."""
    return [order.script or "", *order.arguments, *_variables(order).values()]


def _offset(number: int, array_size: int) -> int | None:
    """Tell what is taken off a number to make an index; nothing if there are no arrays."""
    if array_size < 2 or number > LARGEST_INDEX:
        return None
    return number - number % array_size


def _variables(order: Order) -> Mapping[str, str]:
    return {name: value for name, value in order.environment.items() if name != STAMP}


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
