"""Sums over pilots since a moment as a table, CSV, JSON or a picture, for `report --by`."""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from worker.cli import show
from worker.cli.columns import ALWAYS, Column
from worker.cli.whole_files import write_whole
from worker.domain.errors import ConfigurationError, Invalid
from worker.domain.pilot import Cause
from worker.services.observe.reports import PilotSums, ReportBy, Sums

NUMBERS = (
    Column(name="ended", rank=ALWAYS),
    Column(name="useful", rank=ALWAYS),
    Column(name="of_no_use", title="no use", rank=ALWAYS),
    Column(name="failed", rank=ALWAYS),
    Column(name="lost", rank=3),
    Column(name="cancelled", rank=3),
    Column(name="success", title="success %", rank=4),
    Column(name="half_within", title="start s", rank=7),
    Column(name="most_within", title="p90 s", rank=8),
    Column(name="slot_hours", title="slot-hours", rank=5),
    Column(name="mostly", title="fails mostly by", rank=9),
)
"""The columns of the table beside the words of its groups."""

ALL = "all"
COLOURS = {"useful": "#2e7d32", "short": "#f9a825", "empty": "#8d6e63"} | {
    "failed": "#c62828",
    "lost": "#4a148c",
    "cancelled": "#90a4ae",
}
MOST_BARS = 60
"""The most bars of a picture; more could not be distinguished."""


def as_table(sums: Sums, by: Sequence[ReportBy]) -> None:
    """Print one row for each group, and one for the total."""
    show.say(f"since {sums.since:%Y-%m-%d %H:%M:%S}Z, by {', '.join(by)}")
    rows = [{**one.words, **_row(one)} for one in sums.items]
    if sums.total is not None:
        rows.append({**dict.fromkeys(by, ALL), **_row(sums.total)})
    words = [Column(name=word, rank=ALWAYS) for word in by]
    show.table(rows, [*words, *NUMBERS], "no pilot was sent or ended since then")
    if sums.is_cut:
        show.say("(more rows are left out: see --rows; the last row is the sum of all)")


def as_csv(sums: Sums, by: Sequence[ReportBy]) -> str:
    """Write one line for each group, with a column for each cause."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = [machine(one) for one in sums.items]
    names = [*by, *_FLAT, *(f"failed_{cause}" for cause in Cause)]
    writer.writerow(names)
    for row in rows:
        causes = [row["causes"].get(cause, 0) for cause in Cause]
        cells = [*(row[word] for word in by), *(row[name] for name in _FLAT), *causes]
        writer.writerow([_cell(cell) for cell in cells])
    return text.getvalue()


_FLAT = (
    *("sent", "ended", "useful", "short", "empty", "failed", "lost", "cancelled", "success"),
    *("starts", "seconds_to_start", "half_within", "most_within", "slot_hours"),
)


def _cell(value: object) -> object:
    """Quote a text that a spreadsheet would read as a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def machine(one: PilotSums) -> dict[str, Any]:
    """Return sums for JSON: the words of the group beside the numbers."""
    values = asdict(one)
    return {**values.pop("words"), **values}


def plot(sums: Sums, by: Sequence[ReportBy], path: Path) -> None:
    """Draw how pilots ended, a bar for each group, into an SVG file."""
    if path.suffix != ".svg" or not path.parent.is_dir():
        raise Invalid("--plot", f"{str(path)!r} is not an .svg file in an existing folder")
    pygal = _library()
    shown = sums.items[-MOST_BARS:]
    chart = pygal.StackedBar(
        # The picture needs none of the scripts that pygal would load from the network.
        js=[],
        style=pygal.style.Style(colors=tuple(COLOURS.values()), font_family="sans-serif"),
        title=f"How pilots ended since {sums.since:%Y-%m-%d %H:%M}Z",
        x_label_rotation=45,
        legend_at_bottom=True,
        disable_xml_declaration=False,
        no_data_text="no pilot ended",
    )
    chart.x_labels = [" ".join(one.words[word] for word in by) for one in shown]
    for name in COLOURS:
        chart.add(name, [getattr(one, name) for one in shown])
    chart.add_xml_filter(_without_scripts)
    write_whole(path, chart.render(is_unicode=True))


def _library() -> Any:
    try:
        pygal = import_module("pygal")
        import_module("pygal.style")
    except ImportError:
        raise ConfigurationError(
            "--plot needs the library pygal", "pip install 'pilotage[plot]'"
        ) from None
    finally:
        # pygal leaves an import finder of a kind that newer Pythons no longer support, and warn
        # about.
        own = [one for one in sys.meta_path if type(one).__module__.startswith("pygal")]
        sys.meta_path[:] = [one for one in sys.meta_path if one not in own]
    return pygal


def _without_scripts(root: Any) -> Any:
    """Remove the scripts, which a picture does not need."""
    for parent in root.iter():
        for child in [one for one in parent if str(one.tag).endswith("script")]:
            parent.remove(child)
    return root


def _row(one: PilotSums) -> Mapping[str, Any]:
    return {
        "ended": one.ended,
        "useful": one.useful,
        "of_no_use": one.short + one.empty,
        "failed": one.failed,
        "lost": one.lost,
        "cancelled": one.cancelled,
        "success": None if one.success is None else round(100 * one.success, 1),
        "half_within": None if one.half_within is None else round(one.half_within),
        "most_within": None if one.most_within is None else round(one.most_within),
        "slot_hours": round(one.slot_hours, 1),
        "mostly": next(iter(one.causes), None),
    }
