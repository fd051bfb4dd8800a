"""A large site in one database: `python -m tests.bench.large [--repeat 5]`.

500 CEs hold 100,000 active pilots of 20 VOs. 1,000 pilots go to 450 of the CEs, each in its own
transactions as with dispatch. Then it reads what every tick and an operator read.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import median

from tests.bench.growth import runtime_of
from tests.bench.operations import Sides, sides_in
from tests.bench.server import server
from tests.bench.turns import seconds_of
from tests.bench.world import Size, world_in
from worker.domain.pilot import Grant
from worker.services.observe.timings import QUESTIONS, Subject

SITE = Size(ces=500, active=100_000, vos=20)
CES, PILOTS = 450, 1_000
ASKED = (
    "free slots of each CE for a VO",
    "all facts of a tick",
    "queues of the CEs",
    "pilots by status",
    "everything at a glance",
    "running pilots",
    "pilots that wait longest",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args(argv).repeat
    with server() as base, world_in(base, SITE) as world, sides_in(world) as sides:
        world.settle()
        for name, seconds in zip(
            ("reserve", "claim and record"),
            zip(*[_submit(sides) for _ in range(repeat + 1)][1:], strict=True),
            strict=True,
        ):
            _say(f"{name} {PILOTS:,} at {CES} CEs", median(seconds))
        world.settle()
        runtime, subject = runtime_of(world.url), Subject(ce="ce-0001", vo="vo-1")
        for question in QUESTIONS:
            if question.name in ASKED:
                ask = _bound(question.ask, runtime, subject)
                _say(question.name, median([seconds_of(ask) for _ in range(4 * repeat)][1:]))
        runtime.database.close()
    return 0


def _submit(sides: Sides) -> tuple[float, float]:
    """Reserve the pilots in one transaction; claim and record those of each CE in two."""
    each, rest = divmod(PILOTS, CES)
    grants = [
        Grant(vo=f"vo-{n % SITE.vos + 1}", ce=f"ce-{n + 1:04}", count=each + (n < rest))
        for n in range(CES)
    ]
    reserve_seconds = seconds_of(lambda: sides.ours.reserve(grants))
    send_seconds = seconds_of(lambda: [sides.ours.send(grant.ce, grant.count) for grant in grants])
    sides.world.clear()
    return reserve_seconds, send_seconds


def _bound(ask: Callable[..., object], *values: object) -> Callable[[], object]:
    return lambda: ask(*values)


def _say(name: str, seconds: float) -> None:
    sys.stdout.write(f"{name:36} {1000 * seconds:8.1f} ms\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
