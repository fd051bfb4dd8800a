"""The pages of many pilots: lists, and the actions on all of them."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain import pages
from worker.domain.access import Access, Role
from worker.domain.errors import ConfirmationNeeded, Invalid, NotFound
from worker.domain.pages import Page
from worker.domain.pilot import FINAL, OCCUPYING, Cause, Status, Use
from worker.domain.pilot_filter import PilotFilter
from worker.services.allowed import require_vo
from worker.services.operate import ce_inventory, pilot_sets, vo_inventory
from worker.services.operate import pilots as service
from worker.services.operate.pilot_sets import HeldSlots
from worker.services.operate.pilots import ShownPilot
from worker.services.requests import AnsweredBefore
from worker.services.runtime import Runtime
from worker.web.callers import caller_of
from worker.web.console import pilot_words, posted, render
from worker.web.console.answers import answer
from worker.web.console.pilot_query import (
    MOST_ROWS,
    NEWEST,
    TEXTS,
    Query,
    Values,
    read,
    read_filter,
)
from worker.web.console.posted import Posted
from worker.web.console.words import counted
from worker.web.repeats import once_for

COLUMNS = (
    ("id", "Pilot", "num"),
    ("status", "Status", ""),
    (None, "CE", ""),
    (None, "VO", ""),
    (None, "Job id", "middle"),
    (None, "Node", ""),
    ("age", "Age", "num"),
    ("wait", "Waited", "num"),
    ("run_time", "Ran", "num"),
    ("ended_at", "Ended", "num"),
    (None, "Because", ""),
)
"""For each column: its sort order if there is one, its head, and its style."""

IS_LONGEST_FIRST = frozenset({"id", "age", "wait", "run_time", "ended_at"})
"""The orders that are descending at the first click."""


@dataclass(frozen=True)
class Head:
    """The head of a column: the query for its link, and the present sort direction."""

    word: str
    kind: str
    query: dict[str, Any] | None
    sorted: str | None


@dataclass(frozen=True, kw_only=True)
class PilotCounts:
    """Numbers of pilots by status; `None` if they were not counted."""

    every: Counter[Status] | None = None
    matching: Counter[Status] | None = None
    active: Counter[Status] = field(default_factory=Counter)
    """Of the pilots that match."""


def show(request: Request) -> Response:
    """Show the pilots that match, or return the list as JSON."""
    runtime = render.runtime(request)
    values = request.query_params
    if render.wants_json(request):
        query = read(values, pages.MOST)
        page = service.list_pilots(runtime, query.chosen, page=query.page)
        return answer(Page[ShownPilot], page)
    try:
        query = read(values)
        listed = service.list_pilots(runtime, query.chosen, page=query.page)
        counts = _counts(runtime, query)
    except (Invalid, NotFound) as error:
        return _list_page(request, NEWEST, Page([], None), problem=pilot_words.sentence(error))
    headline = pilot_words.of_list(
        query,
        listed.items,
        is_last=listed.next is None,
        counts=counts.matching,
        active=counts.active,
    )
    return _list_page(request, query, listed, headline=headline, counts=counts)


def _counts(runtime: Runtime, query: Query) -> PilotCounts:
    """Count the pilots that can be counted without reading the history."""
    if set(query.chosen.values()) <= {"statuses"}:
        every = Counter(pilot_sets.count_by_status(runtime))
        only = query.only or frozenset(Status)
        matching = Counter({status: every[status] for status in every if status in only})
        active = Counter({status: matching[status] for status in matching if status in OCCUPYING})
        return PilotCounts(every=every, matching=matching, active=active)
    if query.active is None:
        return PilotCounts()
    active = Counter()
    for of_ce in pilot_sets.count_active(runtime, query.active).values():
        active.update(of_ce)
    if not query.is_of_active:
        return PilotCounts(active=active)
    only = query.only or OCCUPYING
    matching = Counter({status: active[status] for status in active if status in only})
    return PilotCounts(matching=matching, active=active)


def _list_page(
    request: Request,
    query: Query,
    listed: Page[ShownPilot],
    *,
    headline: str = "This filter cannot be used.",
    counts: PilotCounts | None = None,
    problem: str | None = None,
) -> Response:
    access = caller_of(request).access
    runtime = render.runtime(request)
    return render.page(
        request,
        "pilots",
        status=422 if problem else 200,
        title="Pilots",
        here="pilots",
        headline=headline,
        problem=problem,
        query=query,
        typed=_typed(request.query_params),
        heads=heads(query),
        rows=listed.items,
        following=following(query, listed.next),
        counts=counts.every if counts else None,
        active=counts.active.total() if counts else 0,
        statuses=list(Status),
        causes=list(Cause),
        uses=list(Use),
        ces=ce_inventory.ce_names(runtime),
        vos=vo_inventory.vo_names(runtime),
        why_not=why_not_all(access, query),
        is_active=lambda pilot: pilot.status not in FINAL,
        operates=access.may(Role.OPERATE),
        only_vo=access.vo,
        key=posted.new_key(),
        most=pilot_sets.MOST,
    )


def _typed(values: Values) -> dict[str, Any]:
    """Return the texts in the fields of the form, as they were typed, valid or not."""
    typed: dict[str, Any] = {name: values.get(name) or "" for name in (*TEXTS, "older_than")}
    return typed | {name: values.getlist(name) for name in ("status", "use", "cause")}


def heads(query: Query) -> list[Head]:
    return [_head(query, *column) for column in COLUMNS]


def _head(query: Query, sort: str | None, word: str, kind: str) -> Head:
    if sort is None or not query.can_be_sorted(sort):
        return Head(word, kind, None, None)
    is_sorted = sort == (query.page.sort or "id")
    down = query.page.descending
    descending = not down if is_sorted else sort in IS_LONGEST_FIRST
    order = {"sort": sort, "descending": str(descending).lower()}
    direction = "descending" if down else "ascending"
    return Head(word, kind, query.filters() | order, direction if is_sorted else None)


def following(query: Query, after: str | None) -> dict[str, Any] | None:
    """Return the query of the next page, if there is one."""
    if after is None:
        return None
    limit = None if query.page.limit == NEWEST.page.limit else query.page.limit
    return query.filters() | query.order() | {"after": after, "limit": limit}


def why_not_all(access: Access, query: Query) -> str | None:
    """Write why the caller cannot cancel all that match; `None` if the caller can."""
    if not access.may(Role.OPERATE):
        return "You may only look. Ask somebody with the role operate to cancel or send pilots."
    if query.active is None:
        return "All of these have ended: there is nothing to cancel."
    if not query.chosen.values():
        return "Filter first: then all that match can be cancelled."
    if not access.may_for(Role.OPERATE, query.chosen.vo):
        return f"You operate for VO {access.vo} alone: filter by this VO to cancel all that match."
    return None


# -- cancellation


def ask(request: Request) -> Response:
    """Ask whether pilots are to be cancelled: named ones, or all that match."""
    runtime = render.runtime(request)
    ids = request.query_params.getlist("id")
    chosen = read_filter(request.query_params)
    if ids or "named" in request.query_params:
        return _ask_for_named(request, runtime, chosen, ids)
    by_ce = pilot_sets.count_active(runtime, chosen)
    if render.wants_json(request):
        return answer(dict[str, dict[Status, int]], by_ce)
    require_vo(runtime, chosen.vo)
    return _question(request, chosen, by_ce)


def _question(
    request: Request,
    chosen: PilotFilter,
    by_ce: dict[str, dict[Status, int]],
    problem: str | None = None,
) -> Response:
    total = _total(by_ce)
    return render.page(
        request,
        "pilots_cancel",
        status=409 if problem else 200,
        title="Cancel pilots",
        here="pilots",
        headline=pilot_words.question(by_ce),
        problem=problem,
        which=pilot_words.describe(chosen),
        by_ce=by_ce,
        statuses=[one for one in Status if any(of_ce.get(one) for of_ce in by_ce.values())],
        consequences=pilot_words.consequences(by_ce),
        total=total,
        is_typed=total >= pilot_words.TO_TYPE,
        filters=replace(NEWEST, chosen=chosen).filters(),
    )


def cancel(request: Request, form: Posted) -> Response:
    """Cancel all that match, if their number is still about the one that was shown."""
    runtime = render.runtime(request)
    chosen = read_filter(form)
    require_vo(runtime, chosen.vo)
    by_ce = pilot_sets.count_active(runtime, chosen)
    shown, typed = form.number("shown"), form.number("typed")
    problem = pilot_words.objection(shown, typed, _total(by_ce))
    if problem is not None:
        return _question(request, chosen, by_ce, problem)
    filters = replace(NEWEST, chosen=chosen).filters()
    if _total(by_ce) > pilot_sets.BATCH:
        return _cancel_slowly(request, chosen, by_ce, filters)
    done = pilot_sets.cancel_matching(runtime, chosen)
    return render.back(request, "pilots", message=pilot_words.cancelled(done.counts), **filters)


def _cancel_slowly(
    request: Request,
    chosen: PilotFilter,
    by_ce: dict[str, dict[Status, int]],
    filters: dict[str, Any],
) -> Response:
    """Cancel batch by batch while the page is sent; leaving the page stops it after a batch."""
    batches = pilot_sets.cancel_in_batches(render.runtime(request), chosen)
    return render.growing_page(
        request,
        "pilots_cancelling",
        title="Cancelling pilots",
        here="pilots",
        headline=pilot_words.cancelling(by_ce),
        which=pilot_words.describe(chosen),
        total=_total(by_ce),
        batches=batches,
        said=pilot_words.cancelled,
        filters=filters,
    )


def _total(by_ce: dict[str, dict[Status, int]]) -> int:
    return sum(sum(of_ce.values()) for of_ce in by_ce.values())


def _ask_for_named(
    request: Request, runtime: Runtime, chosen: PilotFilter, ids: Sequence[str]
) -> Response:
    filters = replace(NEWEST, chosen=chosen).filters()
    if not ids:
        return render.back(request, "pilots", message="No pilot was selected.", **filters)
    ids = _checked(ids)
    with suppress(ConfirmationNeeded):
        service.cancel(runtime, ids, yes=False)
    return render.page(
        request,
        "pilots_cancel_named",
        title="Cancel pilots",
        here="pilots",
        headline=f"Cancel {f'pilot {ids[0]}' if len(ids) == 1 else counted(len(ids), 'pilot')}?",
        ids=ids,
        filters=filters,
        is_of_pilot="of_pilot" in request.query_params,
        next=pilot_words.NEXT[1],
    )


def cancel_named(request: Request, form: Posted) -> Response:
    """Cancel named pilots by a call to their CEs."""
    ids = _checked(form.getlist("id"))
    done = service.cancel(render.runtime(request), ids)
    message = pilot_words.cancelled(done.counts, done.lines, by_name=True)
    if form.get("of_pilot"):
        return render.back(request, "pilots", ids[0], message=message)
    filters = replace(NEWEST, chosen=read_filter(form)).filters()
    return render.back(request, "pilots", message=message, **filters)


def _checked(ids: Sequence[str]) -> list[str]:
    wrong = [one for one in ids if not (one.isascii() and one.isdigit() and len(one) < 19)]
    if wrong or not 0 < len(ids) <= MOST_ROWS:
        raise Invalid("id", f"name 1 to {MOST_ROWS} pilots by their numbers")
    return list(dict.fromkeys(ids))


# -- sending


def submit(request: Request, form: Posted) -> Response:
    """Send pilots by hand. A form that is sent twice holds its slots only once."""
    ce, vo = form.get("ce") or "", form.get("vo") or ""
    count = form.number("count")
    if count is None:
        raise Invalid("count", "it is not a number")
    what = "a form", ce, vo, count
    once = once_for(request, form.get("key") or "", what, vars)
    try:
        held = pilot_sets.submit(render.runtime(request, once), ce, vo, count)
    except AnsweredBefore as before:
        held = HeldSlots(**before.answer)
    message = pilot_words.held(held.ce, held.vo, held.count, len(held.pilots))
    return render.back(request, "pilots", message=message, ce=ce, vo=vo)
