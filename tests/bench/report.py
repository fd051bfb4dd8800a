"""The results as tables and as JSON, and compared with the last stored run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.crowd import Crowd
from tests.bench.growth import FLAT, Grown
from tests.bench.measure import Compared
from tests.bench.whole import Figure

NOISE = 1.25
"""A ratio that has grown by more than this factor got slower; less is the machine's noise."""


@dataclass(frozen=True)
class Results:
    """Everything that one run measured."""

    server: dict[str, str]
    compared: list[Compared]
    figures: list[Figure]
    growth: dict[str, list[Grown]] = field(default_factory=dict)
    crowds: list[Crowd] = field(default_factory=list)

    @property
    def is_met(self) -> bool:
        """Whether every goal is met."""
        return (
            all(line.is_met for line in self.compared)
            and all(figure.is_met for figure in self.figures)
            and all(line.is_met for line in self.crowds)
            and all(line.is_met for lines in self.growth.values() for line in lines)
        )

    def as_json(self) -> str:
        """Return everything for a program."""
        return json.dumps(
            {
                "server": self.server,
                "compared": [asdict(line) for line in self.compared],
                "figures": [asdict(figure) for figure in self.figures],
                "crowds": [asdict(line) for line in self.crowds],
                "growth": {
                    by: [asdict(line) for line in lines] for by, lines in self.growth.items()
                },
            },
            indent=1,
        )


def comparison(lines: Sequence[Compared]) -> str:
    """Lay out the comparison with the floor."""
    head = ("operation", "rows", "ours ms", "floor ms", "ratio", "goal", "statements", "")
    return _table(
        head,
        [
            (
                line.operation,
                f"{line.rows:,}",
                f"{line.ours_ms:.2f}",
                f"{line.floor_ms:.2f}",
                f"{line.ratio:.2f}",
                f"{line.goal:g}",
                str(line.statements),
                _verdict(is_met=line.is_met),
            )
            for line in lines
        ],
    )


def figures(lines: Sequence[Figure]) -> str:
    """Lay out the figures without a floor."""
    return _table(
        ("", "value", "goal", "unit", ""),
        [
            (f.name, f"{f.value:,.0f}", f"{f.goal:,g}", f.unit, _verdict(is_met=f.is_met))
            for f in lines
        ],
    )


def crowds(lines: Sequence[Crowd]) -> str:
    """Lay out the work of several workers."""
    return _table(
        ("workers", "lives per second", "times one", "waits", "median wait ms", ""),
        [
            (
                str(line.workers),
                f"{line.pilots_per_second:,.0f}",
                f"{line.pilots_per_second / lines[0].pilots_per_second:.2f}",
                str(line.waits),
                f"{1000 * line.median_wait:.1f}",
                _verdict(is_met=line.is_met),
            )
            for line in lines
        ],
    )


def growth_table(by: str, lines: Sequence[Grown]) -> str:
    """Lay out how costs grow."""
    head = (f"ms, by {by}", *(f"{size:,}" for size in lines[0].sizes), "exponent", "")
    return _table(
        head,
        [
            (
                line.name,
                *(f"{ms:.2f}" for ms in line.ms),
                f"{line.exponent:.2f}",
                _verdict(is_met=line.is_met),
            )
            for line in lines
        ],
    )


def slower(now: Results, before: dict[str, Any]) -> list[str]:
    """Name what got slower than in a stored run, by its ratio to the floor and not by its time."""
    ratios = {(line["operation"], line["rows"]): line["ratio"] for line in before["compared"]}
    sentences = []
    for line in now.compared:
        was = ratios.get((line.operation, line.rows))
        if was is not None and line.ratio > was * NOISE:
            sentences.append(
                f"{line.operation}, {line.rows:,} rows: {line.ratio:.2f} times the floor,"
                f" {was:.2f} before"
            )
    values = {figure["name"]: figure["value"] for figure in before["figures"]}
    for figure in now.figures:
        earlier = values.get(figure.name)
        if earlier is not None and figure.value > earlier * NOISE:
            sentences.append(f"{figure.name}: {figure.value:,.4g}, {earlier:,.4g} before")
    flat = {
        (by, line["name"])
        for by, lines in before["growth"].items()
        for line in lines
        if line["exponent"] < FLAT
    }
    sentences += [
        f"{line.name}: grows with {by} pilots, exponent {line.exponent:.2f}; it was flat before"
        for by, lines in now.growth.items()
        for line in lines
        if (by, line.name) in flat and line.exponent >= 2 * FLAT
    ]
    return sentences


def _verdict(*, is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, *lines]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n in (0, len(head) - 1) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
