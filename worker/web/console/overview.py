"""The first page: what runs, what waits, what is wrong, and why nothing is sent."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from worker.domain.pilot import WAITING, Status
from worker.services.ce_lines import NORMAL, CELine
from worker.services.observe import overview as service
from worker.services.observe.notices import ended, notices
from worker.services.observe.overview import Overview
from worker.services.observe.trend import Trend, trend
from worker.web.console import render, words
from worker.web.console.answers import answer, query_text
from worker.web.console.chart import drawn
from worker.web.console.forms import read_whole

MOVES = 30
"""Moves of pilots that are shown."""

FOLDED = 60
"""From so many CEs on, the normal ones are folded into one row of sums."""


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
        notices=notices(situation),
        waiting=waiting(situation),
        ended=ended(situation.ends),
        troubled=[line for line in situation.ces if line.state != NORMAL],
        normal=[line for line in situation.ces if line.state == NORMAL],
        is_folded=len(situation.ces) >= FOLDED,
        Status=Status,
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


def word_and_reason(line: CELine) -> tuple[str, str]:
    """Return the state of a CE in a word, and the rest of it."""
    state, _, reason = line.state.partition(": ")
    return state, reason
