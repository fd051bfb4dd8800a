"""The results as two tables, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from tests.bench.measure import FLAT, Compared, Grown


def compared(found: Sequence[Compared]) -> str:
    """Lay out the comparison with raw psycopg."""
    head = ("operation", "rows", "ours ms", "raw ms", "ratio", "statements", "aim", "")
    lines = [
        (
            c.operation,
            f"{c.rows:,}",
            f"{c.ours_ms:.2f}",
            f"{c.raw_ms:.2f}",
            f"{c.ratio:.2f}",
            f"{c.ours_statements}/{c.raw_statements}",
            f"<= {c.aim}",
            _verdict(met=c.met),
        )
        for c in found
    ]
    return _table(head, lines)


def grown(found: Sequence[Grown]) -> str:
    """Lay out what a longer history costs."""
    head = ["operation", "rows"]
    for finals in found[0].finals:
        head += [f"{finals:,}", "ratio"]
    lines = [
        (
            g.operation,
            f"{g.rows:,}",
            *(
                cell
                for ms, r in zip(g.ms, g.ratios, strict=True)
                for cell in (f"{ms:.2f}", f"{r:.2f}")
            ),
            f"<= {FLAT}",
            _verdict(met=g.met),
        )
        for g in found
    ]
    return _table((*head, "aim", ""), lines)


def as_json(server: dict[str, str], both: Sequence[Compared], growth: Sequence[Grown]) -> str:
    """Write everything down for a program."""
    return json.dumps(
        {
            "server": server,
            "compared": [{**asdict(c), "met": c.met} for c in both],
            "growth": [{**asdict(g), "met": g.met} for g in growth],
        },
        indent=2,
    )


def _verdict(*, met: bool) -> str:
    return "met" if met else "MISSED"


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
