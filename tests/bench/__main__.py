"""Measure: `python -m tests.bench [--quick] [--check] [--json FILE] [--only NAME …]`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench import report
from tests.bench.measure import AIMS, OPERATIONS, Compared, Grown, Operation, compare, grow
from tests.bench.server import server
from tests.bench.world import World, made

GROWTH = (10_000, 100_000, 1_000_000)
GROWING = ("due", "free slots", "reserve")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and tell by the exit code whether every aim is met, if asked to."""
    asked = _parser().parse_args(argv)
    operations = [o for o in OPERATIONS if not asked.only or o.name in asked.only]
    with ExitStack() as stack:
        base = stack.enter_context(server())
        sizes = GROWTH[:2] if asked.quick else GROWTH
        with made(base, sizes[0]) as world:
            about = _about(world)
            _say(", ".join(f"{name} {value}" for name, value in about.items()))
            both = _compare(world, operations, quick=asked.quick)
        _say(report.compared(both))
        growth: list[Grown] = []
        if not asked.no_growth:
            _say("\nOurs, in ms, while final pilots grow:")
            # All of them new, for what was worked in is larger than its rows.
            worlds = [stack.enter_context(made(base, size)) for size in sizes]
            growth = _grow(worlds, operations, quick=asked.quick)
            _say(report.grown(growth))
    if asked.json:
        asked.json.write_text(report.as_json(about, both, growth) + "\n", encoding="utf-8")
    met = all(line.met for line in both) and all(line.met for line in growth)
    return 1 if asked.check and not met else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, less history")
    parser.add_argument("--check", action="store_true", help="exit 1 if an aim is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--no-growth", action="store_true", help="only the comparison")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[o.name for o in OPERATIONS])
    return parser


def _compare(world: World, operations: Sequence[Operation], *, quick: bool) -> list[Compared]:
    repetitions = {1: 60, 1_000: 12} if quick else {1: 300, 1_000: 40}
    return [
        compare(world, operation, rows, repetitions[rows])
        for rows in AIMS
        for operation in operations
    ]


def _grow(worlds: Sequence[World], operations: Sequence[Operation], *, quick: bool) -> list[Grown]:
    growing = [operation for operation in operations if operation.name in GROWING]
    repetitions = 20 if quick else 60
    return [grow(worlds, operation, rows, repetitions) for operation in growing for rows in AIMS]


def _about(world: World) -> dict[str, str]:
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    return {name: world.hand.execute(f"SHOW {name}".encode()).fetchall()[0][0] for name in names}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
