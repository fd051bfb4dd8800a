"""The page of a VO: its demand and the demand's source, its pilots, its payload, and its forms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.demand import DemandCounts
from worker.domain.errors import ChangedMeanwhile, Invalid, PilotageError
from worker.domain.lengths import clock
from worker.domain.payload import read
from worker.services import payloads
from worker.services.observe import audit, use
from worker.services.observe import ces as observed
from worker.services.observe.answers import SourceAnswer, answer_of
from worker.services.observe.cycles import last_cycles
from worker.services.observe.use import UseOfVO
from worker.services.operate import vo_inventory as inventory
from worker.services.operate.vo_inventory import ShownVO
from worker.services.runtime import Runtime
from worker.web.console import render
from worker.web.console.answers import answer, name_of
from worker.web.console.common_groups import TIMEOUTS
from worker.web.console.conflict import conflict_page
from worker.web.console.explain.choice import results
from worker.web.console.forms import (
    FLAG,
    LENGTH,
    LIMIT,
    LINES,
    NUMBER,
    PAIRS,
    SCRIPT,
    SECONDS,
    SOURCE,
    Form,
    FormField,
    FormGroup,
    ReadForm,
    filled,
    refused,
)
from worker.web.console.vo_shortage import shortage
from worker.web.console.vos import state
from worker.web.problems import status_of

DEMAND = FormGroup(
    "demand",
    "Demand",
    (
        FormField(
            "demand",
            "Demand",
            LIMIT,
            "Waiting and new pilots that it wants. Empty: any number.",
            nothing="any number",
        ),
    ),
)
GROUPS = (
    FormGroup(
        "share",
        "Share and limit",
        (
            FormField("share", "Share", NUMBER, "Its weight where VOs compete for slots."),
            FormField(
                "limit",
                "Limit",
                LIMIT,
                "The most pilots at once. Empty: no limit.",
                nothing="no limit",
            ),
            FormField(
                "budget",
                "Budget",
                LIMIT,
                "The most new pilots in a tick. Empty: no bound.",
                nothing="no bound",
            ),
            FormField(
                "cancel_surplus", "Cancel surplus", FLAG, "Cancel waiting pilots above the demand."
            ),
        ),
    ),
    TIMEOUTS,
    FormGroup(
        "bounds",
        "Bounds of the demand",
        (
            FormField(
                "demand_min",
                "Floor",
                LIMIT,
                "The fewest pilots in all, also if fewer are wanted. Empty: none.",
                nothing="none",
            ),
            FormField(
                "demand_max",
                "Ceiling",
                LIMIT,
                "The most pilots in all, also if more are wanted. Empty: any number.",
                nothing="any number",
            ),
            FormField(
                "scale_down_delay",
                "Delay downwards",
                LENGTH,
                "How long a lower answer is ignored, like 10m. Empty: not at all.",
                nothing="none",
            ),
        ),
    ),
    FormGroup(
        "source",
        "Source of demand",
        (
            FormField(
                "source",
                "Source",
                SOURCE,
                "kind=http, then its options, one KEY=VALUE a line. Empty: none is asked.",
                nothing="none is asked",
            ),
        ),
    ),
)
_GROUPS = {group.name: group for group in (DEMAND, *GROUPS)}

PAYLOAD = FormGroup(
    "payload",
    "Payload",
    (
        FormField("script", "Script", SCRIPT, "What a pilot runs. @{stamp}, @{ce} are filled in."),
        FormField("arguments", "Arguments", LINES, "One a line."),
        FormField(
            "exit_codes", "Exit codes", PAIRS, "CODE=MEANING, one a line: 77=empty. 0 is good."
        ),
        FormField(
            "useful_after",
            "Useful after",
            SECONDS,
            "Seconds. Empty: learnt from how long its pilots run.",
        ),
        FormField(
            "grace",
            "Grace",
            SECONDS,
            "Seconds to finish when it is to end. Empty: as set for the CE.",
        ),
        FormField("reports", "Pilots report", FLAG, "Each pilot gets a secret for its reports."),
    ),
)

_BUTTONS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "enable": ({"enabled": True, "draining": False}, "is enabled"),
    "disable": ({"enabled": False}, "is disabled: no pilots are sent for it"),
    "drain": (
        {"draining": True},
        "is draining: no pilots are sent, and its own go on until they end",
    ),
}
"""The changes of each button, and the words for the result."""


def show(request: Request, name: str) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        shown = inventory.show_vo(render.runtime(request), name_of(name))
        return answer(ShownVO, shown, inventory.version(shown))
    return _page(request, name_of(name), Form())


def change(request: Request, name: str, form: ReadForm) -> Response:
    """Perform the action of a form of the page."""
    name, runtime = name_of(name), render.acting(request, form.why)
    try:
        if form.does in _OTHERS:
            return _OTHERS[form.does](request, runtime, name, form)
        changes: Any = dict(_edited(form))
        inventory.change_vo(runtime, name, changes, unless_changed=form.version)
    except ChangedMeanwhile:
        current = inventory.show_vo(runtime, name)
        version = inventory.version(current)
        return conflict_page(
            request, ("vos", name), current, version, yours=_edited(form), form=form
        )
    except PilotageError as error:
        return _page(request, name, refused(form, error), status_of(type(error)))
    return render.back(request, "vos", name, message=_done(runtime, name, form))


def _remove(request: Request, runtime: Runtime, name: str, form: Form) -> Response:
    form.confirm(name)
    inventory.remove_vo(runtime, name)
    return render.back(request, "vos", message=f"VO {name} was removed.")


def _set_payload(request: Request, runtime: Runtime, name: str, form: Form) -> Response:
    """Store the typed values; values of a payload that the form does not show stay as they are."""
    current = payloads.show(runtime, name)
    values = {**current, **PAYLOAD.read(form)}
    payloads.set_(runtime, name, read({key: one for key, one in values.items() if one is not None}))
    return render.back(request, "vos", name, message=f"Payload of VO {name}: stored.")


def _clear_payload(request: Request, runtime: Runtime, name: str, form: Form) -> Response:
    form.confirm(name)
    payloads.clear(runtime, name)
    message = f"The payload of VO {name} was removed: its pilots run what the options of CEs say."
    return render.back(request, "vos", name, message=message)


_OTHERS: Mapping[str, Callable[[Request, Runtime, str, Form], Response]] = {
    "remove": _remove,
    "payload": _set_payload,
    "clear-payload": _clear_payload,
}


def _edited(form: Form) -> Mapping[str, Any]:
    """Return the values that a form changes."""
    if form.does in _GROUPS:
        return _GROUPS[form.does].read(form)
    if form.does not in _BUTTONS:
        raise Invalid("form", "this page has no such form")
    return _BUTTONS[form.does][0]


def _done(runtime: Runtime, name: str, form: Form) -> str:
    if form.does in _BUTTONS:
        return f"VO {name} {_BUTTONS[form.does][1]}."
    note = inventory.above_limit(runtime, name)
    message = f"{_GROUPS[form.does].title} of VO {name}: stored."
    return f"{message} {note}" if note else message


# -- the page


@dataclass(frozen=True)
class Demand:
    """The demand of a VO in words, and where it comes from."""

    value: str
    origin: str
    problem: str | None = None
    counts: DemandCounts = DemandCounts.MORE

    @property
    def verb(self) -> str:
        return "could use" if self.counts is DemandCounts.MORE else "wants"

    @property
    def figure(self) -> tuple[str, str]:
        """The number, and the text after it, which is smaller."""
        number, _, rest = self.value.partition(" ")
        return (number, rest) if number[0].isdigit() else (self.value, "")


def demand(vo: ShownVO, answered: SourceAnswer, now: datetime) -> Demand:
    """Describe the demand of a VO: as its source answered, as somebody set it, or any number."""
    if vo.source is None:
        value = "any number" if vo.demand is None else DemandCounts.MORE.of(vo.demand)
        return Demand(value, "no demand is set" if vo.demand is None else "set by hand")
    kind = vo.source.get("kind")
    problem = answered.source_problem
    if answered.source_answer is None or answered.source_answered_at is None:
        return Demand("not known", f"its source, {kind}, has not answered yet", problem)
    at = clock(answered.source_answered_at, now)
    counts = answered.source_counts or DemandCounts.MORE
    value = counts.of(answered.source_answer)
    return Demand(value, f"its source, {kind}, at {at}", problem, counts)


def headline(vo: ShownVO, wish: Demand, used: UseOfVO, now: datetime) -> str:
    """Write the demand of a VO, or why it gets no pilots or few, in a sentence."""
    if not vo.enabled:
        return f"{vo.name} is disabled: no pilots are sent for it."
    if vo.draining:
        return f"{vo.name} is draining: no pilots are sent for it; its own go on until they end."
    if used.without_work_since is not None:
        since = clock(used.without_work_since, now, seconds=False)
        return f"{vo.name} has no work for its pilots since {since}: {used.without_work_reason}."
    if wish.value in ("any number", "not known"):
        takes = "takes any number of pilots" if wish.value == "any number" else "has no demand"
        return f"{vo.name} {takes}: {wish.origin}."
    return f"{vo.name} {wish.verb} {wish.value}: {wish.origin}."


def _payload_of(payload: Mapping[str, Any]) -> Any:
    """Return the values of a payload that the form shows; empty ones if there is no payload."""
    empty: dict[str, Any] = {one.name: None for one in PAYLOAD.fields}
    return SimpleNamespace(**{**empty, "arguments": (), **payload})


def _page(request: Request, name: str, tried: Form, status: int = 200) -> Response:
    runtime, now = render.runtime(request), request.app.state.runtime.now()
    vo, used = inventory.show_vo(runtime, name), use.of_vo(runtime, name)
    wish = demand(vo, answer_of(runtime, name), now)
    version, payload = inventory.version(vo), payloads.show(runtime, name)
    cycles = last_cycles(runtime, name)
    open_to = observed.open_to(runtime, name)
    return render.page(
        request,
        "vo",
        status=status,
        title=name,
        here="vos",
        headline=headline(vo, wish, used, now),
        vo=vo,
        state=state(vo),
        wish=wish,
        short=shortage(name, next(iter(cycles), None)) if state(vo) == "normal" else None,
        used=used,
        useful_after=use.useful_after_in_words(used),
        version=version,
        tried=tried,
        is_known=tried.does in {*_BUTTONS, *_GROUPS, *_OTHERS},
        demand_form=filled(DEMAND, vo, version, tried),
        groups=[filled(group, vo, version, tried) for group in GROUPS],
        active=observed.active_of(runtime, name),
        above_limit=inventory.above_limit(runtime, name),
        ces=len(open_to),
        others=len([ce for one in cycles for ce in one.granted if ce not in open_to]),
        undecided=len([ce for ce in open_to if not any(ce in one.granted for one in cycles)]),
        results=results(cycles),
        payload=payload,
        payload_form=filled(PAYLOAD, _payload_of(payload), version, tried),
        changes=audit.recorded(runtime, now - audit.LONG_AGO, of=name, limit=10).items,
    )
