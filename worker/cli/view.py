"""The picture that `status`, `top` and `up` draw: CEs with bars, pilots, decisions, transitions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.domain.credential import State
from worker.domain.decision import Decision
from worker.domain.lengths import spoken
from worker.domain.pilot import Status, Transition
from worker.services.credentials import Standing
from worker.services.overview import DISABLED, CELine, Overview
from worker.services.standstill import sentence

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
BAR = 18
NUMBERS = ("running", "submitted", "submitting", "reserved", "free", "rate", "pilots", "pilot")
MARKS = {Status.RUNNING: "█", Status.SUBMITTED: "▓", Status.SUBMITTING: "▒", Status.RESERVED: "░"}
"""What stands in a bar for a slot in each status."""
FREE = "·"
STILL = timedelta(minutes=5)
"""So long without a tick, and something is wrong."""
SILENT = 5
"""So many CEs that do not answer are warned of one by one."""


def picture(seen: Overview) -> RenderableType:
    """Draw all at a glance."""
    return Group(
        _statuses(seen),
        *(Text(f"! {one.line}", style=one.style) for one in warnings(seen)),
        Text(),
        _ces(seen.ces),
        Text(),
        _decisions(seen.decisions),
        Text(),
        _transitions(seen.transitions),
    )


def counts(pilots: dict[Status, int]) -> str:
    """Say in a line how many pilots are in each status."""
    said = [f"{count} {status}" for status, count in pilots.items()]
    return ", ".join(said) or "no pilots"


def _statuses(seen: Overview) -> Text:
    line = Text(f"{seen.at:%Y-%m-%d %H:%M:%S}Z  ", style="bold")
    for status in Status:
        mark = f"{MARKS[status]} " if status in MARKS else ""
        line.append(f"{mark}{status} {seen.pilots.get(status, 0)}  ", style=STYLES[status])
    return line


class Notice(NamedTuple):
    """A warning: what it is about, however long it lasts, and its line of now."""

    subject: str
    line: str
    style: str = "bold red"


def warnings(seen: Overview) -> list[Notice]:
    """List what stands still, which CEs do not answer, and which credentials end."""
    still = []
    if seen.fired_at is not None and seen.at - seen.fired_at > STILL:
        length = spoken(seen.at - seen.fired_at)
        still = [Notice("beat", f"no task has fired for {length}: no scheduler is alive")]
    queues = [Notice(one.queue, sentence(one, seen.at)) for one in seen.standstills]
    silent_ces = [one for one in seen.ces if one.trouble is not None and one.state != DISABLED]
    calls = [
        Notice(f"CE {one.name}", f"CE {one.name}: {one.trouble}") for one in silent_ces[:SILENT]
    ]
    if silent_ces[SILENT:]:
        calls.append(Notice("CEs", f"{len(silent_ces) - SILENT} more CEs do not answer"))
    credentials = [
        _of_credential(one)
        for one in seen.credentials
        if one.state in (State.SHORT, State.UNUSABLE)
    ]
    return [*still, *queues, *calls, *credentials]


def _of_credential(one: Standing) -> Notice:
    subject = f"{one.kind} of {one.vo} for {one.backend}"
    if one.problem:
        return Notice(subject, one.problem)
    return Notice(subject, _ending(one), "yellow")


def _ending(one: Standing) -> str:
    left = spoken(timedelta(seconds=one.seconds_left or 0))
    return f"the {one.kind} of {one.vo} for {one.backend} expires in {left}: {one.path}"


def _ces(lines: Sequence[CELine]) -> RenderableType:
    if not lines:
        return Text("no CE yet: pilotage ce add NAME --backend sim --capacity 10")
    table = _table("CE", "back-end", "slots", *map(str, MARKS), "free", "rate", "")
    for line in lines:
        table.add_row(
            line.name,
            line.backend,
            _bar(line),
            str(line.running),
            str(line.submitted),
            str(line.submitting),
            str(line.reserved),
            f"{line.free}/{line.capacity}",
            f"{line.success_rate:.2f}",
            line.state,
        )
    return table


def _bar(line: CELine) -> Text:
    """Draw a CE's slots to scale; whatever there is at all shows."""
    bar = Text("▕")
    drawn = 0
    for status, mark in MARKS.items():
        count = getattr(line, str(status))
        width = max(1, round(BAR * count / max(1, line.capacity))) if count else 0
        width = min(width, BAR - drawn)
        bar.append(mark * width, style=STYLES[status])
        drawn += width
    return bar.append(FREE * (BAR - drawn), style="bright_black").append("▏")


def _decisions(decisions: Sequence[Decision]) -> RenderableType:
    if not decisions:
        return Text("nothing was decided yet")
    table = _table("decided", "VO", "CE", "pilots", "because")
    for d in decisions:
        table.add_row(f"{d.at:%H:%M:%S}", d.vo, d.ce, str(d.granted), d.reason)
    return table


def _transitions(transitions: Sequence[tuple[str, Transition]]) -> RenderableType:
    if not transitions:
        return Text("nothing happened yet")
    table = _table("happened", "pilot", "CE", "was", "became", "because")
    for ce, step in transitions:
        because = " ".join(str(word) for word in (step.cause, step.raw, step.reason) if word)
        table.add_row(
            f"{step.at:%H:%M:%S}",
            str(step.pilot_id),
            ce,
            str(step.was or "-"),
            Text(str(step.became), style=STYLES[step.became]),
            because,
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        side: Literal["left", "right"] = "right" if column in NUMBERS else "left"
        table.add_column(column, justify=side, no_wrap=True, overflow="ellipsis")
    return table
