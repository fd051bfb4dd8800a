"""The first page: what runs, what waits, what is wrong, and why nothing is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.pilot import WAITING, Status
from worker.services.ce_lines import NORMAL, CELine
from worker.services.observe import overview as service
from worker.services.observe.notices import ended, notices
from worker.services.observe.overview import Overview
from worker.services.observe.ticks import last_ticks
from worker.services.observe.trend import Trend, trend
from worker.web.console import render, states, words
from worker.web.console.answers import answer, query_text
from worker.web.console.ce_rows import FOLDED, stopped, sums
from worker.web.console.chart import drawn
from worker.web.console.explain_choice import of_vos
from worker.web.console.forms import read_whole

MOVES = 30
"""Moves of pilots that are shown."""

MOST_CES = 25
"""CEs in trouble that have a row of their own, where there are many CEs."""

SPANS = (3, 12, 48)
"""Hours that the chart may show."""


@dataclass(frozen=True, kw_only=True)
class OverviewWithTrend(Overview):
    """What the page shows, for a program."""

    trend: Trend


def show(request: Request) -> Response:
    """Show the page, or the same for a program."""
    runtime = render.runtime(request)
    hours = read_whole("hours", query_text(request, "hours") or str(SPANS[0]))
    situation = service.overview(runtime, latest=MOVES)
    course = trend(runtime, hours=hours)
    if render.wants_json(request):
        return answer(OverviewWithTrend, OverviewWithTrend(**vars(situation), trend=course))
    return render.page(
        request,
        "overview",
        title="Overview",
        here="overview",
        headline=headline(situation),
        situation=situation,
        notices=[one for one in notices(situation) if not one.subject.startswith("CE")],
        waiting=waiting(situation),
        ended=ended(situation.ends),
        **_ces(situation.ces),
        ticks=of_vos(last_ticks(runtime)) if len(situation.ces) >= FOLDED else [],
        Status=Status,
        word=states.short,
        chart=drawn(course),
        hours=hours,
        spans=SPANS,
    )


def headline(situation: Overview) -> str:
    """Say in a sentence how it is."""
    running = words.counted(situation.pilots.get(Status.RUNNING, 0), "pilot runs", "pilots run")
    first = f"{running} and {words.counted(waiting(situation), 'waits', 'wait')}."
    if not situation.ces:
        return "There is no CE yet."
    stopped = [line for line in situation.ces if line.state != NORMAL]
    if not stopped:
        return f"{first} All {words.counted(len(situation.ces), 'CE')} are normal."
    number = f"{words.number(len(stopped))} of {words.counted(len(situation.ces), 'CE')}"
    return f"{first} {number} {'gets' if len(stopped) == 1 else 'get'} no new pilots."


def waiting(situation: Overview) -> int:
    return sum(situation.pilots.get(status, 0) for status in WAITING)


def _ces(lines: Sequence[CELine]) -> dict[str, Any]:
    """Return the CEs to show: those in trouble first; where they are many, the others in sums."""
    troubled = [line for line in lines if line.state != NORMAL]
    normal = [line for line in lines if line.state == NORMAL]
    if len(lines) < FOLDED:
        return {"stopped": stopped(troubled), "ces": [*troubled, *normal], "folded": []}
    troubled.sort(key=lambda line: (states.PLACES[states.short(line.state)], line.name))
    folded = [("stopped", sums(troubled[MOST_CES:])), ("normal", sums(normal))]
    return {
        "stopped": stopped(troubled),
        "ces": troubled[:MOST_CES],
        "folded": [(word, of_word) for word, of_word in folded if of_word.ces],
    }
