"""The first page: pilots that run and wait, problems, and why nothing is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.lengths import clock
from worker.domain.pilot import WAITING, Status
from worker.services.ce_lines import CELine
from worker.services.observe import overview as service
from worker.services.observe.cycles import last_cycles
from worker.services.observe.notices import ended, notices
from worker.services.observe.overview import Overview
from worker.services.observe.trend import Trend, trend
from worker.services.observe.wishes import wishes
from worker.web.console import render, states, words
from worker.web.console.answers import answer, query_text
from worker.web.console.ce_rows import FOLDED, stopped, sums
from worker.web.console.chart import drawn
from worker.web.console.explain.choice import of_vos
from worker.web.console.forms import read_whole
from worker.web.console.vo_shortage import wanting

MOVES = 30
"""The number of moves of pilots that are shown."""

MOST_CES = 25
"""If there are many CEs, the most CEs in trouble that have a row of their own."""

MOST_WANTING = 12
"""The most VOs without pilots, or with a failing source, that are listed."""

SPANS = (3, 12, 48)
"""The periods that the chart can show, in hours."""


@dataclass(frozen=True, kw_only=True)
class OverviewWithTrend(Overview):
    """The data of the page, as JSON."""

    trend: Trend


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    runtime = render.runtime(request)
    hours = read_whole("hours", query_text(request, "hours") or str(SPANS[0]))
    situation = service.overview(runtime, latest=MOVES)
    course = trend(runtime, hours=hours)
    if render.wants_json(request):
        return answer(OverviewWithTrend, OverviewWithTrend(**vars(situation), trend=course))
    cycles = last_cycles(runtime)
    return render.page(
        request,
        "overview",
        title="Overview",
        here="overview",
        headline=headline(situation),
        situation=situation,
        # CEs, and VOs whose source fails, are in tables of their own.
        notices=[
            one
            for one in notices(situation)
            if not one.subject.startswith(("CE", "source of", "sources of"))
        ],
        wanting=wanting(wishes(runtime), cycles, runtime.now()),
        most_wanting=MOST_WANTING,
        waiting=waiting(situation),
        ended=ended(situation.ends),
        slots_left=free_slots(situation.ces),
        **_ces(situation.ces),
        ticks=of_vos(cycles) if len(situation.ces) >= FOLDED else [],
        Status=Status,
        word=states.short,
        shown=states.shown,
        chart=drawn(course),
        hours=hours,
        spans=SPANS,
    )


def headline(situation: Overview) -> str:
    """Write the state of the installation in a sentence."""
    running = words.counted(situation.pilots.get(Status.RUNNING, 0), "pilot runs", "pilots run")
    unsure, waits = _unsure(situation), words.counted(waiting(situation), "waits", "wait")
    first = f"{running}, {unsure}, and {waits}." if unsure else f"{running} and {waits}."
    if not situation.ces:
        return "There is no CE yet."
    stopped = [line for line in situation.ces if not line.gets_pilots]
    if not stopped:
        return f"{first} All {words.counted(len(situation.ces), 'CE')} are normal."
    number = f"{words.number(len(stopped))} of {words.counted(len(situation.ces), 'CE')}"
    return f"{first} {number} {'gets' if len(stopped) == 1 else 'get'} no new pilots."


def _unsure(situation: Overview) -> str:
    """Write how many running pilots are at CEs whose calls fail, so that their state is old."""
    lines = [line for line in situation.ces if line.trouble is not None and line.running]
    if not lines:
        return ""
    since = [line.unanswered_since for line in lines if line.unanswered_since is not None]
    begin = f" since {clock(min(since), situation.at, seconds=False)}" if since else ""
    if len(since) < len(lines):
        where = "a CE whose calls fail" if len(lines) == 1 else f"{len(lines)} CEs whose calls fail"
    elif len(lines) == 1:
        where = f"a CE that does not answer{begin}"
    else:
        where = f"{words.number(len(lines))} CEs that do not answer, the first{begin}"
    return f"{words.number(sum(line.running for line in lines))} of them at {where}"


@dataclass(frozen=True, kw_only=True)
class FreeSlots:
    """The free slots of CEs that may get pilots, and separately those of the other CEs."""

    free: int
    apart: int
    capacity: int


def free_slots(lines: Sequence[CELine]) -> FreeSlots:
    """Count the free slots, separately for CEs that get no new pilots."""
    return FreeSlots(
        free=sum(line.free for line in lines if line.gets_pilots),
        apart=sum(line.free for line in lines if not line.gets_pilots),
        capacity=sum(line.capacity for line in lines),
    )


def waiting(situation: Overview) -> int:
    return sum(situation.pilots.get(status, 0) for status in WAITING)


def _ces(lines: Sequence[CELine]) -> dict[str, Any]:
    """Return the CEs to show, those in trouble first; if there are many, the others as sums."""
    troubled = [line for line in lines if not line.gets_pilots]
    normal = [line for line in lines if line.gets_pilots]
    if len(lines) < FOLDED:
        return {"stopped": stopped(troubled), "ces": [*troubled, *normal], "folded": []}
    troubled.sort(key=lambda line: (states.PLACES[states.short(states.shown(line))], line.name))
    folded = [("stopped", sums(troubled[MOST_CES:])), ("normal", sums(normal))]
    return {
        "stopped": stopped(troubled),
        "ces": troubled[:MOST_CES],
        "folded": [(word, of_word) for word, of_word in folded if of_word.ces],
    }
