"""Measure: `python -m tests.bench [--quick] [--check] [--store] [--only PART …]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import URL

from tests.bench import report
from tests.bench.crowd import crowds
from tests.bench.growth import Grown, grow
from tests.bench.measure import Compared, compare
from tests.bench.operations import OPERATIONS, sides_in
from tests.bench.report import Results
from tests.bench.server import server
from tests.bench.whole import Figure, disk_of_a_pilot, wal_of_a_check, wal_of_a_life
from tests.bench.world import Size, World, world_in

STORED = Path(__file__).parent / "stored.json"
"""The results of the last stored run."""
ACTIVE = (1_000, 10_000, 100_000)
FINAL = (10_000, 100_000, 1_000_000)
HUGE = 10_000_000
PARTS = ("compared", "workers", "active", "final")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; with `--check` the exit code says whether every goal is met."""
    options = _parser().parse_args(argv)
    parts = options.only or PARTS
    with server() as base:
        results = Results(_about(base), [], [])
        _say(", ".join(f"{name} {value}" for name, value in results.server.items()))
        if "compared" in parts:
            with world_in(base, Size()) as world:
                # This comes before the comparison, which leaves dead rows behind.
                results.figures.extend(_figures(world))
                _say(report.figures(results.figures))
                results.compared.extend(_compare(world, quick=options.quick))
                _say("\n" + report.comparison(results.compared))
        if "workers" in parts:
            with world_in(base, Size()) as world:
                results.crowds.extend(crowds(world))
                _say("\n" + report.crowds(results.crowds))
        for by, sizes in _sizes(options).items():
            if by in parts:
                results.growth[by] = _grow(base, by, sizes, quick=options.quick)
                _say("\n" + report.growth_table(f"{by} pilots", results.growth[by]))
    _beside_the_last(results)
    if options.store:
        STORED.write_text(results.as_json() + "\n", encoding="utf-8")
    return 1 if options.check and not results.is_met else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, less history")
    parser.add_argument("--huge", action="store_true", help=f"a history of {HUGE:,} pilots, too")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--store", action="store_true", help="keep the results for the next run")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=PARTS)
    return parser


def _sizes(options: argparse.Namespace) -> dict[str, list[Size]]:
    active, final = list(ACTIVE), list(FINAL)
    if options.quick:
        active, final = active[:2], final[:2]
    if options.huge:
        final.append(HUGE)
    return {
        "active": [Size(active=number) for number in active],
        "final": [Size(final=number) for number in final],
    }


def _compare(world: World, *, quick: bool) -> list[Compared]:
    with sides_in(world) as sides:
        return [
            compare(sides, operation, repetitions=_repetitions(operation.rows, quick=quick))
            for operation in OPERATIONS
        ]


def _repetitions(rows: int, *, quick: bool) -> int:
    most = 200 if rows < 1_000 else 30 if rows == 1_000 else 8
    return most // 4 if quick else most


def _figures(world: World) -> list[Figure]:
    disk = disk_of_a_pilot(world)
    with sides_in(world) as sides:
        return [wal_of_a_life(sides), wal_of_a_check(sides), disk]


def _grow(base: URL, by: str, sizes: Sequence[Size], *, quick: bool) -> list[Grown]:
    with ExitStack() as stack:
        places = []
        for size in sizes:
            world = stack.enter_context(world_in(base, size))
            number = size.final if by == "final" else size.active
            places.append((number, stack.enter_context(sides_in(world))))
        return grow(places, 10 if quick else 30)


def _about(base: URL) -> dict[str, str]:
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    with World.connect(base.set(database="postgres")) as hand:
        return {name: hand.execute(f"SHOW {name}".encode()).fetchall()[0][0] for name in names}


def _beside_the_last(results: Results) -> None:
    if not STORED.exists():
        return
    before = json.loads(STORED.read_text(encoding="utf-8"))
    sentences = report.slower(results, before)
    _say("\nSlower than in the stored run:" if sentences else "\nNothing got slower.")
    for sentence in sentences:
        _say(f"  {sentence}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
