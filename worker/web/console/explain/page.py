"""The page that explains why a CE got a number of pilots or none, and what would change it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.decision import Decision
from worker.domain.errors import Invalid, NotAllowed, UnknownCE, UnknownVO
from worker.domain.lengths import in_utc
from worker.domain.nearest import nearest
from worker.domain.pages import Page, PageRequest
from worker.services.observe import overview as service
from worker.services.observe.cycles import (
    DecisionFacts,
    cycles_between,
    facts_behind,
    last_cycles,
)
from worker.services.observe.plan import plan
from worker.services.operate import ce_inventory, vo_inventory
from worker.services.runtime import Runtime
from worker.web.console import render, words
from worker.web.console.answers import answer
from worker.web.console.explain import choice as choices
from worker.web.console.explain import grid as grids
from worker.web.console.explain import what_if as what_if
from worker.web.console.explain.conditions import conditions
from worker.web.console.explain.hour import hour, reason
from worker.web.console.explain.ledger import ledger
from worker.web.console.explain.place_settings import PlaceSettings, as_of
from worker.web.console.explain.remedies import again, changes
from worker.web.console.explain.sentences import got
from worker.web.console.explain.sentences import headline as sentence
from worker.web.console.explain.setters import setters

HOUR = timedelta(hours=1)

MOST = 25
"""The most CEs of a tick in a table."""


@dataclass(frozen=True, kw_only=True)
class TickQuery:
    """The CE, VO and moment to explain."""

    ce: str | None
    vo: str | None
    at: datetime | None


def show(request: Request) -> Response:
    """Show the page, or return the decisions as JSON."""
    runtime = render.runtime(request)
    question = _question(runtime, request)
    if render.wants_json(request):
        return _as_json(runtime, question)
    if question.ce is None:
        return _choice(request, runtime, question)
    return _explanation(request, runtime, question, question.ce)


def _question(runtime: Runtime, request: Request) -> TickQuery:
    """Read the query. Unknown names are refused here, so they reach no query of the database."""
    ce, vo = (request.query_params.get(name) or None for name in ("ce", "vo"))
    if ce is not None and ce not in (names := ce_inventory.ce_names(runtime)):
        raise UnknownCE(ce, nearest(ce, names))
    if vo is not None and vo not in (names := vo_inventory.vo_names(runtime)):
        raise UnknownVO(vo, nearest(vo, names))
    return TickQuery(ce=ce, vo=vo, at=moment(request.query_params.get("at", "")))


def moment(text: str) -> datetime | None:
    """Read a moment; one without a time zone is in UTC."""
    if not text.strip():
        return None
    try:
        # In a query, a plus that was not written as %2B is decoded as a space.
        typed_in = text.strip().replace(" ", "+" if "T" in text else "T")
        read = in_utc(datetime.fromisoformat(typed_in))
    except (ValueError, OverflowError):
        raise Invalid("at", "it must be a moment like 2026-01-31T12:00") from None
    if not 1970 <= read.year < 9000:
        raise Invalid("at", "it is out of range")
    return read


def _as_json(runtime: Runtime, question: TickQuery) -> Response:
    if question.ce is None:
        page = service.list_decisions(
            runtime, vo=question.vo, until=question.at, page=PageRequest(descending=True)
        )
        return answer(Page[Decision], page)
    decided = service.explain(runtime, question.ce, vo=question.vo, at=question.at)
    return answer(list[Decision], decided)


def _choice(request: Request, runtime: Runtime, question: TickQuery) -> Response:
    cycles = last_cycles(runtime, question.vo, until=question.at)
    is_grid = len(cycles) > 1
    return render.page(
        request,
        "explain_choice",
        title="Explain",
        here="explain",
        headline=choices.headline(cycles, question.at),
        lede=choices.lede(cycles),
        results=None if is_grid else choices.results(cycles),
        grid=grids.grid(cycles) if is_grid else None,
        question=question,
        is_live=question.at is None,
        ces=ce_inventory.ce_names(runtime),
        vos=vo_inventory.vo_names(runtime),
    )


def ordered(decided: Sequence[Decision]) -> list[Decision]:
    """Sort decisions: those without pilots come first."""
    return sorted(decided, key=lambda one: (one.granted > 0, one.ce, one.vo))


def _explanation(request: Request, runtime: Runtime, question: TickQuery, ce: str) -> Response:
    decided = service.explain(runtime, ce, vo=question.vo, at=question.at)
    others = decided if question.vo is None else service.explain(runtime, ce, at=question.at)
    chosen = choose(decided)
    shown = ce_inventory.show_ce(runtime, ce)
    values: dict[str, Any] = {"question": question, "ce": shown, "others": ordered(others)}
    if chosen is None:
        until = "yet" if question.at is None else f"by {words.moment(question.at, runtime.now())}"
        nothing = f"Nothing was decided about {ce} {until}."
        return _page(request, nothing, decision=None, **values)
    values |= _story(runtime, chosen, shown)
    values |= {"hour": _hour(runtime, question, chosen), "decision": chosen}
    values["is_old"] = values["hour"].end < runtime.now() - HOUR / 4
    values |= _supposing(request, runtime, chosen, shown)
    return _page(request, **values)


def choose(decided: Sequence[Decision]) -> Decision | None:
    """Return the decision to explain: the first without pilots, or else the first."""
    return min(decided, key=lambda one: (one.granted > 0, one.vo), default=None)


def _page(request: Request, headline: str, question: TickQuery, **values: Any) -> Response:
    wrong = values.get("wrong")
    return render.page(
        request,
        "explain",
        status=422 if wrong else 200,
        title=headline.rstrip("."),
        here="explain",
        headline=headline,
        reason=reason,
        question=question,
        is_live=question.at is None and not wrong,
        **values,
    )


def _story(runtime: Runtime, chosen: Decision, shown: ce_inventory.ShownCE) -> dict[str, Any]:
    """Return the parts of the page that explain a decision."""
    case, now = facts_behind(chosen), runtime.now()
    settings = PlaceSettings(
        capacity=shown.capacity,
        waiting_limit=shown.waiting_limit,
        answered_at=shown.answered_at,
        held_until=shown.held_until,
        setters=setters(runtime, chosen.ce, chosen.vo, chosen.at),
    )
    if case is None:
        return {
            "headline": f"{got(chosen, now)}: {chosen.reason}.",
            "groups": [],
            "plain": service.steps(chosen),
            "conditions": [],
            "changes": [],
            "tick": [],
        }
    tick, then = _tick(runtime, chosen), as_of(case, settings)
    return {
        "headline": sentence(case, now, then),
        "groups": ledger(case, tick, then),
        "plain": [],
        "conditions": [] if chosen.granted else conditions(case),
        "again": again(case, settings),
        "changes": changes(case, settings),
        "tick": rows_of(tick, chosen.ce),
    }


def _tick(runtime: Runtime, chosen: Decision) -> list[DecisionFacts]:
    """Return the facts about all CEs in the tick of a decision."""
    whole = cycles_between(runtime, chosen.vo, chosen.at, chosen.at)
    return [case for decision in whole if (case := facts_behind(decision)) is not None]


def rows_of(tick: Sequence[DecisionFacts], ce: str) -> list[DecisionFacts]:
    """Return the CEs of a tick to show: those with most pilots, and always the chosen one."""
    by_number = sorted(tick, key=lambda one: (-one.decision.granted, one.ce.name))
    rest = [one for one in by_number[MOST - 1 :] if one.ce.name == ce]
    return by_number[: MOST - 1] + (rest or by_number[MOST - 1 : MOST])


def _hour(runtime: Runtime, question: TickQuery, chosen: Decision) -> Any:
    """Return the ticks of the last hour, or of the hour around an older one."""
    end = runtime.now()
    if question.at is not None and end - chosen.at >= HOUR:
        end = chosen.at + HOUR / 2
    decided = cycles_between(runtime, chosen.vo, end - HOUR, end, ce=chosen.ce)
    return hour(decided, end - HOUR, end, chosen.at)


def _supposing(
    request: Request, runtime: Runtime, chosen: Decision, shown: ce_inventory.ShownCE
) -> dict[str, Any]:
    """Return the form for supposed settings, and what these would change."""
    typed = what_if.typed_in(request.query_params)
    vo = vo_inventory.show_vo(runtime, chosen.vo)
    values: dict[str, Any] = {
        "fields": what_if.fields(chosen.ce, chosen.vo, {**asdict(vo), **asdict(shown)}, typed),
        "command": what_if.command(chosen.ce, chosen.vo, typed),
        "is_supposed": bool(typed),
        "compared": [],
        "wrong": None,
    }
    if not typed:
        return values
    try:
        supposed = what_if.supposed(chosen.ce, chosen.vo, typed)
        becomes = plan(runtime, supposed=supposed)
        values["compared"] = what_if.compared(chosen.ce, plan(runtime), becomes)
    except (Invalid, NotAllowed) as error:
        values["wrong"] = str(error)
    return values
