"""The panels of the dashboard with values from a Prometheus."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.monitoring.prometheus import DASHBOARD, Prometheus

STEP = 60

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One panel: where it is on the grid of 24 columns, and its lines by their legends."""

    kind: str
    title: str
    unit: str
    place: Mapping[str, int]
    lines: Mapping[str, Points]
    is_stacked: bool

    @property
    def curves(self) -> dict[str, Points]:
        """The lines as the panel draws them: stacked lines are added up."""
        if not self.is_stacked:
            return dict(self.lines)
        heights: dict[float, float] = defaultdict(float)
        curves: dict[str, Points] = defaultdict(list)
        for legend, points in self.lines.items():
            for moment, value in points:
                heights[moment] += value
                curves[legend].append((moment, heights[moment]))
        return curves

    @property
    def last(self) -> dict[str, float]:
        return {legend: points[-1][1] for legend, points in self.lines.items()}


def panels(prometheus: Prometheus, begin: float, end: float) -> Iterator[Panel]:
    """Return each panel with the answers of Prometheus for a span of time."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        lines: dict[str, Points] = {}
        for target in panel.get("targets", ()):
            lines |= _lines(prometheus, target, begin, end)
        display = panel.get("fieldConfig", {}).get("defaults", {})
        is_stacked = display.get("custom", {}).get("stacking", {}).get("mode") == "normal"
        unit = display.get("unit", "short")
        yield Panel(panel["type"], panel["title"], unit, panel["gridPos"], lines, is_stacked)


def _lines(
    prometheus: Prometheus, target: Mapping[str, Any], begin: float, end: float
) -> dict[str, Points]:
    # Choose all CEs and VOs, as the dashboard does when it opens.
    expression = re.sub(r"\$\w+", ".*", target["expr"])
    data = prometheus.get(
        "query_range", query=expression, start=str(begin), end=str(end), step=str(STEP)
    )
    assert data is not None, expression
    return {
        _legend(target["legendFormat"], one["metric"]): [
            (moment, float(value)) for moment, value in one["values"] if value != "NaN"
        ]
        for one in data["result"]
        if any(value != "NaN" for _, value in one["values"])
    }


def _legend(form: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda word: labels.get(word[1], ""), form)
