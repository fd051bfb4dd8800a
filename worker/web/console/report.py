"""The report page: sums over pilots since a moment, by CE, VO and day, as in `report --by`."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from fastapi import Request
from fastapi.responses import Response

from worker.domain.errors import Invalid
from worker.domain.lengths import clock
from worker.domain.words import read_words
from worker.services.observe import reports
from worker.services.observe.reports import ReportBy, Sums
from worker.web.console import drawings, render, words
from worker.web.console.answers import answer, page_request, query_text
from worker.web.console.forms import ago

USUAL = "7d"
PERIODS = ("1d", "7d", "30d", "90d")
GROUPINGS = tuple(
    group for size in range(1, len(ReportBy) + 1) for group in combinations(ReportBy, size)
)
AT_ONCE = 200
"""The most rows on the page."""
FOR_PROGRAMS = 1000
"""The usual number of rows in JSON."""
MOST_CAUSES = 2
"""How many causes of failures a row shows: the largest ones."""


@dataclass(frozen=True, kw_only=True)
class ReportChoice:
    """The choices in the address of the page."""

    since: str = USUAL
    by: tuple[ReportBy, ...] = (ReportBy.CE,)
    ce: str | None = None
    vo: str | None = None

    def query(self, **others: str) -> dict[str, str | None]:
        """Return the choices as the query of an address, some of them replaced."""
        own = {"since": self.since, "by": ",".join(self.by), "ce": self.ce, "vo": self.vo}
        return {**own, **others}

    def command(self, *more: str) -> str:
        """Write the command that shows the same."""
        named = [part for name, one in self.query().items() if one for part in (f"--{name}", one)]
        return shlex.join(["pilotage", "report", *named, *more])


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        limit = page_request(request, limit=FOR_PROGRAMS).limit
        return answer(Sums, _sums(request, _choice(request), limit))
    choice, sums, error = ReportChoice(), None, None
    try:
        choice = _choice(request)
        sums = _sums(request, choice, AT_ONCE)
    except Invalid as wrong:
        choice, error = ReportChoice(), str(wrong)
    return render.page(
        request,
        "report",
        status=422 if error else 200,
        title="Report",
        here="report",
        headline=headline(sums, render.runtime(request).now()),
        report=choice,
        sums=sums,
        error=error,
        periods=PERIODS,
        groupings=[",".join(group) for group in GROUPINGS],
        ends=drawings.ends,
        largest=max((one.ended for one in sums.items), default=0) if sums else 0,
        most=AT_ONCE,
        most_causes=MOST_CAUSES,
    )


def headline(sums: Sums | None, now: datetime) -> str:
    """Write how many pilots ended, and the part of them that was useful."""
    if sums is None:
        return "There is no such report."
    if sums.total is None or not sums.total.ended:
        return "Nothing has ended yet."
    since = clock(sums.since, now, seconds=False)
    begin = f"{words.counted(sums.total.ended, 'pilot')} ended since {since}"
    if sums.total.success is None:
        return f"{begin}, all of them cancelled."
    return f"{begin}. Success: {words.percent(sums.total.success, 1)}."


def _choice(request: Request) -> ReportChoice:
    by = ",".join(request.query_params.getlist("by"))
    return ReportChoice(
        since=query_text(request, "since") or USUAL,
        by=tuple(read_words(ReportBy, "by", by)) if by.strip() else ReportChoice.by,
        ce=query_text(request, "ce"),
        vo=query_text(request, "vo"),
    )


def _sums(request: Request, choice: ReportChoice, limit: int) -> Sums:
    runtime = render.runtime(request)
    now = runtime.now()
    since = ago("since", choice.since, now) or now
    return reports.sums_of(runtime, since, by=choice.by, limit=limit, ce=choice.ce, vo=choice.vo)
