"""The picture that `status`, `top` and `up` draw: CEs with bars, pilots, decisions, transitions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from textwrap import wrap
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from worker.cli.columns import ALWAYS, Column
from worker.cli.show import grid
from worker.domain.decision import Decision
from worker.domain.lengths import clock
from worker.domain.pilot import Status, Transition
from worker.domain.why import why
from worker.services.ce_lines import NORMAL, CELine
from worker.services.observe.notices import Notice, ended, notices
from worker.services.observe.overview import Overview

T = TypeVar("T")

STYLES = {
    Status.RESERVED: "bright_black",
    Status.SUBMITTING: "magenta",
    Status.SUBMITTED: "yellow",
    Status.RUNNING: "cyan",
    Status.DONE: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "bright_black",
    Status.LOST: "bright_red",
}
BAR, SHORT_BAR = 18, 8
ROOMY = 100
"""With this many columns or more, bars are long."""
ROWS = 8
"""How many decisions and transitions are shown if the height does not limit them."""
MARKS = {Status.RUNNING: "█", Status.SUBMITTED: "▓", Status.SUBMITTING: "▒", Status.RESERVED: "░"}
"""The character in a bar for a slot in each status."""
FREE = "·"


def picture(
    situation: Overview, width: int | None, height: int | None = None, notes: Sequence[str] = ()
) -> RenderableType:
    """Draw the picture for a terminal of this size; without a size, as large as it needs."""
    head = [
        *_statuses(situation, width),
        Text(f"last hour: {ended(situation.ends)}"),
        *(Text(f"VO {vo}: {batch.words}") for vo, batch in situation.batches.items()),
        *(_warning(notice, width) for notice in notices(situation)),
        *(Text(note, "yellow") for note in notes),
    ]
    tall = sum(_height(line, width) for line in head)
    ces, events = _rows(tall, len(situation.ces), height)
    return Group(
        *head,
        Text(),
        *_ces(situation.ces, width, ces, is_cut=height is not None),
        Text(),
        _decisions(situation, width, events),
        Text(),
        _transitions(situation, width, events),
    )


def _height(text: Text, width: int | None) -> int:
    lines = text.plain.split("\n")
    return sum(len(wrap(line, width)) for line in lines) if width else len(lines)


def _rows(head: int, ces: int, height: int | None) -> tuple[int, int]:
    """Return how many CEs are shown, and how many decisions and how many transitions."""
    if height is None:
        return ces, ROWS
    # There are also three lines of titles, three empty lines, and one for the CEs left out.
    rest = max(0, height - head - 7)
    shown = min(ces, max(3, rest // 2))
    return shown, max(1, (rest - shown) // 2)


def counts(pilots: dict[Status, int]) -> str:
    """Return how many pilots are in each status, in a line."""
    parts = [f"{count} {status}" for status, count in pilots.items()]
    return ", ".join(parts) or "no pilots"


def _statuses(situation: Overview, width: int | None) -> list[Text]:
    """Count the pilots by status, in as many lines as it takes."""
    lines = [Text(f"{clock(situation.at, situation.at)}  ", style="bold")]
    for status in Status:
        mark = f"{MARKS[status]} " if status in MARKS else ""
        count = Text(f"{mark}{status} {situation.pilots.get(status, 0)}", style=STYLES[status])
        if width is not None and lines[-1].cell_len + count.cell_len > width:
            lines.append(Text(" " * len("21:40:00Z  ")))
        lines[-1].append_text(count).append("  ")
    for line in lines:
        line.rstrip()
    return lines


def _warning(notice: Notice, width: int | None) -> Text:
    """Write a warning whose further lines are indented."""
    line = f"! {notice.line}"
    lines = wrap(line, width, subsequent_indent="  ", break_on_hyphens=False) if width else [line]
    style = "bold red" if notice.is_urgent else "yellow"
    return Text("\n".join(lines), style=style)


CES = (
    Column(name="ce", title="CE", rank=ALWAYS),
    Column(name="backend", title="back-end", rank=9),
    Column(name="slots", rank=5, least=BAR + 2),
    Column(name="running", rank=ALWAYS),
    Column(name="submitted", rank=ALWAYS),
    Column(name="submitting", rank=8),
    Column(name="reserved", rank=7),
    Column(name="free", rank=ALWAYS),
    Column(name="chance", rank=6),
    Column(name="state", rank=ALWAYS),
    Column(name="because", rank=3),
)


def _ces(
    lines: Sequence[CELine], width: int | None, shown: int, *, is_cut: bool
) -> list[RenderableType]:
    if not lines:
        return [Text("no CE yet: pilotage ce add NAME --backend sim --capacity 10")]
    narrow = width is not None and width < ROOMY
    bar = SHORT_BAR if narrow else BAR
    columns = [replace(c, least=8) if narrow and c.name == "free" else c for c in CES]
    if not is_cut:  # a live picture must not exceed the terminal
        columns = [replace(c, fold=c.name == "because") for c in columns]
    if shown < len(lines):
        lines = sorted(lines, key=lambda line: line.state == NORMAL)
    table = grid([_ce(line, bar) for line in lines[:shown]], columns, width)
    left_out = len(lines) - shown
    return [table, Text(f"{left_out} more: pilotage ce list")] if left_out else [table]


def _ce(line: CELine, bar: int) -> dict[str, Any]:
    state, _, because = line.state.partition(": ")
    return {
        "ce": line.name,
        "backend": line.backend,
        "slots": _bar(line, bar),
        "running": line.running,
        "submitted": line.submitted,
        "submitting": line.submitting,
        "reserved": line.reserved,
        "free": _free(line),
        "chance": Text(f"{line.chance:.2f}"),
        "state": state,
        "because": because,
    }


def _free(line: CELine) -> Text:
    if line.free == 0 and line.limited:
        return Text("0 (waiting limit)")
    return Text(f"{line.free}/{line.capacity}")


def _bar(line: CELine, breadth: int) -> Text:
    """Draw a CE's slots to scale; every status with pilots has at least one character."""
    bar = Text("▕")
    drawn = 0
    for status, mark in MARKS.items():
        count = getattr(line, str(status))
        width = max(1, round(breadth * count / max(1, line.capacity))) if count else 0
        width = min(width, breadth - drawn)
        bar.append(mark * width, style=STYLES[status])
        drawn += width
    return bar.append(FREE * (breadth - drawn), style="bright_black").append("▏")


DECISIONS = (
    Column(name="decided", rank=2),
    Column(name="vo", title="VO", rank=ALWAYS),
    Column(name="ce", title="CE", rank=ALWAYS),
    Column(name="pilots", rank=ALWAYS),
    Column(name="times", rank=3),
    Column(name="because", rank=ALWAYS, least=12),
)


def _decisions(situation: Overview, width: int | None, shown: int) -> RenderableType:
    """Show the last decision for each VO and CE, and how often it was the same before."""
    if not situation.decisions:
        return Text("nothing was decided yet")
    by_place: dict[tuple[str, str], list[Decision]] = {}
    for decision in situation.decisions:
        by_place.setdefault((decision.vo, decision.ce), []).append(decision)
    rows = [_decision(made, situation) for made in islice(by_place.values(), shown)]
    columns = [c for c in DECISIONS if c.name != "times" or any(row["times"] for row in rows)]
    return grid(rows, columns, width)


def _decision(made: Sequence[Decision], situation: Overview) -> dict[str, Any]:
    last = made[0]
    alike = next(_equal(made, lambda one: (one.granted, one.reason)))
    times = sum(one.times for one in alike)
    return {
        "decided": clock(last.at, situation.at),
        "vo": last.vo,
        "ce": last.ce,
        "pilots": last.granted,
        "times": f"{times} x" if times > 1 else "",
        "because": last.reason,
    }


TRANSITIONS = (
    Column(name="happened", rank=2),
    Column(name="pilot", rank=ALWAYS),
    Column(name="ce", title="CE", rank=ALWAYS),
    Column(name="was", rank=3),
    Column(name="became", rank=ALWAYS),
    Column(name="because", rank=ALWAYS, least=8),
)


def _transitions(situation: Overview, width: int | None, shown: int) -> RenderableType:
    """Show the last transitions; equal ones of several pilots are one row."""
    if not situation.transitions:
        return Text("nothing happened yet")
    alike = _equal(
        situation.transitions, lambda one: (one[0], one[1].was, one[1].became, because(one[1]))
    )
    rows = [_transition(steps, situation) for steps in islice(alike, shown)]
    return grid(rows, TRANSITIONS, width)


def _transition(steps: Sequence[tuple[str, Transition]], situation: Overview) -> dict[str, Any]:
    ce, step = steps[0]
    others = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
    return {
        "happened": clock(step.at, situation.at),
        "pilot": f"{step.pilot_id}{others}",
        "ce": ce,
        "was": str(step.was or "-"),
        "became": Text(str(step.became), style=STYLES[step.became]),
        "because": because(step),
    }


def because(step: Transition) -> str:
    """Return why a pilot moved, without words that only repeat its new status."""
    return " ".join(why(step.became, step.cause, step.raw, step.reason))


def _equal(items: Sequence[T], key: Callable[[T], object]) -> Iterator[list[T]]:
    """Yield runs of equal neighbours."""
    return (list(run) for _, run in groupby(items, key))
