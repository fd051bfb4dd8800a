"""Draw the dashboard of a site where something is wrong, into the folder that is its argument.

A real Prometheus answers what each panel asks; Grafana would draw the same lines.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from html import escape
from itertools import cycle
from pathlib import Path

import pygal
from pygal.style import Style

from tests.databases import Sqlite
from tests.monitoring import wrong_site
from tests.monitoring.panels import Panel, panels
from tests.monitoring.prometheus import Prometheus, install, running
from tests.monitoring.scenario import Scenario
from tests.patience import until
from tests.secrets import write
from tests.services.world import World
from tests.testbeds import chromium

WIDTH = 1280
COLUMN, ROW = WIDTH / 24, 28
TITLE, LEGEND = 28, 38
"""The heights of a panel's title and of two lines of legends."""
COLOURS = (
    *("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b"),
    *("#17becf", "#7f7f7f", "#e377c2", "#bcbd22", "#5b8ff9", "#5ad8a6"),
)
Span = tuple[float, float]
THEMES = {"": ("#ffffff", "#f3f4f6", "#1f2937"), "-dark": ("#181b1f", "#111217", "#ccccdc")}
"""The colours of a panel, its background and its text, by the end of the name of the file."""


@contextmanager
def answering(scenario: Scenario, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that has the values of a scenario."""
    scenario.store(folder)
    configuration = write(folder / "prometheus.yml", "global: {}\n")
    with running(folder, configuration) as prometheus:
        until(lambda: prometheus.get("status/buildinfo"), "an answer of Prometheus")
        yield prometheus


def span_of(scenario: Scenario) -> Span:
    begin = scenario.begin.timestamp()
    return begin, begin + 60 * scenario.minute


def panels_of(scenario: Scenario, folder: Path) -> list[Panel]:
    """Return the panels of the dashboard at the end of a scenario."""
    with answering(scenario, folder) as prometheus:
        return list(panels(prometheus, *span_of(scenario)))


def page(panels: Sequence[Panel], span: Span, theme: str) -> str:
    """Write the dashboard as a page."""
    panel, behind, text = THEMES[theme]
    parts = "".join(_section(one, span, theme) for one in panels)
    return f"""<!doctype html><meta charset="utf-8"><title>Pilotage</title><style>
body {{ margin: 0; background: {behind}; color: {text}; font: 13px "DejaVu Sans", sans-serif; }}
section {{ position: absolute; box-sizing: border-box; padding: 4px; }}
section > div {{ background: {panel}; height: 100%; border-radius: 3px; overflow: hidden; }}
h2 {{ margin: 0; padding: 5px 8px 0; font-size: 13px; }}
.row > div {{ background: none; }}
.row h2 {{ padding-top: 0; }}
dl {{ display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 8px; }}
dt {{ font-size: 11px; opacity: .75; }}
dd {{ margin: 0; font-size: 22px; }}
ul {{ display: flex; flex-wrap: wrap; gap: 2px 12px; margin: 0 12px; padding: 0;
      font-size: 11px; list-style: none; }}
i {{ display: inline-block; width: 10px; height: 3px; margin: 0 5px 3px 0; }}
</style>{parts}"""


def _section(panel: Panel, span: Span, theme: str) -> str:
    at = panel.place
    style = (
        f"left:{at['x'] * COLUMN:.0f}px;top:{at['y'] * ROW}px;"
        f"width:{at['w'] * COLUMN:.0f}px;height:{at['h'] * ROW}px"
    )
    match panel.kind:
        case "row":
            inside = ""
        case "stat":
            inside = _numbers(panel)
        case _:
            inside = _chart(panel, span, theme)
    title = f"<h2>{escape(panel.title)}</h2>"
    return f'<section class="{panel.kind}" style="{style}"><div>{title}{inside}</div></section>'


def _numbers(panel: Panel) -> str:
    return "<dl>{}</dl>".format(
        "".join(
            f"<div><dt>{escape(legend)}</dt><dd>{_label(value, panel.unit)}</dd></div>"
            for legend, value in panel.last.items()
        )
    )


def _chart(panel: Panel, span: Span, theme: str) -> str:
    highest = max((value for line in panel.curves.values() for _, value in line), default=0)
    chart = pygal.DateTimeLine(
        style=_style(theme),
        width=panel.place["w"] * COLUMN - 16,
        height=panel.place["h"] * ROW - TITLE - LEGEND,
        explicit_size=True,
        margin=8,
        show_dots=False,
        show_legend=False,
        min_scale=2,
        max_scale=4,
        x_value_formatter=lambda moment: moment.strftime("%H:%M"),
        value_formatter=lambda value: _label(value, panel.unit),
        no_data_text="nothing",
        js=[],
        disable_xml_declaration=True,
        range=(0, 1.05 * highest or 1),
    )
    chart.xrange = span
    # Without a line, the library cannot place a label.
    chart.x_labels = _hours(span) if panel.lines else []
    for legend, points in panel.curves.items():
        chart.add(legend, [(datetime.fromtimestamp(at, UTC), value) for at, value in points])
    return str(chart.render(is_unicode=True)) + _legends(panel)


def _style(theme: str) -> Style:
    background, behind, text = THEMES[theme]
    return Style(
        background=background,
        plot_background=background,
        foreground=text,
        foreground_strong=text,
        foreground_subtle=text,
        guide_stroke_color=behind,
        major_guide_stroke_color=behind,
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        colors=COLOURS,
        font_family="DejaVu Sans",
        label_font_size=10,
        major_label_font_size=10,
        no_data_font_size=12,
        stroke_width=1.5,
    )


def _hours(span: Span) -> list[datetime]:
    begin, end = (int(moment) // 3600 for moment in span)
    return [datetime.fromtimestamp(3600 * hour, UTC) for hour in range(begin, end + 1)]


def _legends(panel: Panel) -> str:
    colours = cycle(COLOURS)
    lines = (
        f'<li><i style="background:{colour}"></i>{escape(legend)}</li>'
        for legend, colour in zip(panel.lines, colours, strict=False)
    )
    return f"<ul>{''.join(lines)}</ul>"


def _label(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.0f} %"
    if unit == "s":
        return f"{value / 3600:.1f} h" if value >= 7200 else f"{value:.3g} s"
    return f"{value:.3g}"


def main(target: Path) -> None:
    """Make the picture, light and dark."""
    install()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        template = Sqlite(folder)
        stack.callback(template.close)
        database = stack.enter_context(template.file(folder / "site.sqlite"))
        scenario = Scenario(World(database, folder / "home"))
        wrong_site.prepare(scenario)
        panels = panels_of(scenario, folder)
        browser = stack.enter_context(chromium.running())
        bottom = max(one.place["y"] + one.place["h"] for one in panels) * ROW
        for theme in THEMES:
            tab = browser.new_page(viewport={"width": WIDTH, "height": bottom})
            tab.set_content(page(panels, span_of(scenario), theme))
            tab.screenshot(path=target / f"dashboard{theme}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
