"""The page of a CE: its state, its pilots and calls, its changes, and the forms to change it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.errors import ChangedMeanwhile, Invalid, PilotageError, UnknownCE
from worker.domain.lengths import clock
from worker.domain.pages import PageRequest
from worker.services.ce_lines import CELine, without_reason
from worker.services.observe import audit, calls, overview
from worker.services.observe import ces as observed
from worker.services.operate import ce_inventory as inventory
from worker.services.operate import pauses
from worker.services.operate.ce_inventory import ShownCE
from worker.services.runtime import Runtime
from worker.web.console import option_fields, render, states
from worker.web.console.answers import answer, name_of
from worker.web.console.common_groups import TIMEOUTS
from worker.web.console.conflict import conflict_page, written
from worker.web.console.forms import (
    FLAG,
    LIMIT,
    NUMBER,
    PAIRS,
    WHOLE,
    WORDS,
    Form,
    FormField,
    FormGroup,
    ReadForm,
    filled,
    moment,
    read_whole,
    refused,
)
from worker.web.problems import status_of

OPEN = "open"
"""The name of the form for the VOs that may use a CE."""

WHY = "give the reason, shown to others"

LATELY = timedelta(hours=1)
LATEST = PageRequest(descending=True, limit=10)

GROUPS = (
    FormGroup(
        "slots",
        "Slots",
        (
            FormField("capacity", "Capacity", WHOLE, "The most pilots at once."),
            FormField(
                "waiting_limit",
                "Waiting limit",
                LIMIT,
                "Empty: as many as the capacity.",
                nothing="as many as the capacity",
            ),
            FormField("success_rate", "Success rate", NUMBER, "0 to 1; used until one is learnt."),
        ),
    ),
    TIMEOUTS,
    FormGroup(
        OPEN,
        "Who may use it",
        (
            FormField(
                "only_for",
                "Only for",
                WORDS,
                "Names of VOs. Empty: all VOs may use it.",
                nothing="all VOs",
            ),
            FormField("tags", "Tags", WORDS, "Words, separated by blanks."),
            FormField("cancel_strangers", "Cancel strangers", FLAG, "End unknown jobs at this CE."),
        ),
    ),
    FormGroup(
        "options",
        "Options",
        (FormField("options", "Options", PAIRS, "One KEY=VALUE a line. VALUE may be JSON."),),
    ),
)
_GROUPS = {group.name: group for group in GROUPS}


def show(request: Request, name: str) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        shown = inventory.show_ce(render.runtime(request), name_of(name))
        return answer(ShownCE, shown, inventory.version(shown))
    return _page(request, name_of(name), Form())


def change(request: Request, name: str, form: ReadForm) -> Response:
    """Perform the action of a form of the page."""
    why = "" if form.does == OPEN else form.why  # in this form the reason is one of the values
    name, runtime = name_of(name), render.acting(request, why)
    try:
        if form.does == REMOVE:
            return _remove(request, runtime, name, form)
        message = _do(runtime, name, form)
    except ChangedMeanwhile:
        return _conflict(request, runtime, name, form)
    except PilotageError as error:
        return _page(request, name, refused(form, error), status_of(type(error)))
    return render.back(request, "ces", name, message=message)


# -- the actions of the forms


REMOVE = "remove"


def _remove(request: Request, runtime: Runtime, name: str, form: Form) -> Response:
    form.confirm(name)
    inventory.remove_ce(runtime, name)
    return render.back(request, "ces", message=f"CE {name} was removed.")


def _do(runtime: Runtime, name: str, form: Form) -> str:
    if form.does in _GROUPS:
        return _set(runtime, name, form)
    if form.does == option_fields.NAME:
        return _set_options(runtime, name, form)
    if form.does not in _ACTIONS:
        raise Invalid("form", "this page has no such form")
    return _ACTIONS[form.does](runtime, name, form)


def _set(runtime: Runtime, name: str, form: Form) -> str:
    group = _GROUPS[form.does]
    values = group.read(form)
    if form.does == OPEN:
        values["reason"] = _why_open(runtime, name, form, values)
    _change(runtime, name, form, values)
    return f"{group.title} of CE {name}: stored."


def _why_open(runtime: Runtime, name: str, form: Form, values: Mapping[str, Any]) -> str | None:
    """Return the reason for a change of the VOs that may use a CE; tags need no reason."""
    was = inventory.show_ce(runtime, name).only_for
    if not form.why and sorted(values.get("only_for", was)) != sorted(was):
        raise Invalid("reason", WHY)
    return form.why


def _set_options(runtime: Runtime, name: str, form: Form) -> str:
    options = _options(runtime, inventory.show_ce(runtime, name), form)
    inventory.change_ce(runtime, name, {"options": dict(options)}, unless_changed=form.version)
    return f"Options of CE {name}: stored."


def _options(runtime: Runtime, ce: ShownCE, form: Form) -> Mapping[str, Any]:
    """Return the options that a form changes, by name."""
    lines = observed.options_of(runtime, ce.backend)
    return option_fields.read_options(option_fields.option_group(lines, ce), form)


def _change(runtime: Runtime, name: str, form: Form, values: Mapping[str, Any]) -> None:
    """Change a CE, unless somebody else has changed it meanwhile.

    An option that the form no longer has is removed.
    """
    changes: Any = dict(values)
    if "options" in changes:
        was = inventory.show_ce(runtime, name).options
        changes["options"] = {**dict.fromkeys(was), **changes["options"]}
    inventory.change_ce(runtime, name, changes, unless_changed=form.version)


def _hold(runtime: Runtime, name: str, form: Form) -> str:
    until = moment("until", form.text("until"), runtime.now())
    pauses.pause(runtime, name, _reason(form), until)
    return f"CE {name} is held{_at(' until', until, runtime)}: {form.text('reason')}"


def _resume(runtime: Runtime, name: str, form: Form) -> str:
    force = form.text("force") != ""
    pauses.resume(runtime, name, _reason(form), force=force)
    return f"CE {name} was resumed: {form.text('reason')}"


def _drain(runtime: Runtime, name: str, form: Form) -> str:
    values = _draining(form, runtime.now())
    _change(runtime, name, form, {**values, "reason": _reason(form)})
    by = _at(" by", values["drain_by"], runtime)
    return f"CE {name} is draining{by}: {form.text('reason')}"


def _enable(runtime: Runtime, name: str, form: Form) -> str:
    _change(runtime, name, form, {**ENABLED, "reason": _reason(form)})
    return f"CE {name} is enabled: {form.text('reason')}"


def _disable(runtime: Runtime, name: str, form: Form) -> str:
    _change(runtime, name, form, {**DISABLED, "reason": _reason(form)})
    return f"CE {name} is disabled, and no pilots are sent to it: {form.text('reason')}"


def _add_maintenance(runtime: Runtime, name: str, form: Form) -> str:
    now = runtime.now()
    begins = moment("begin", form.text("begins_at"), now)
    ends = moment("end", form.text("ends_at"), now)
    if ends is None:
        raise Invalid("end", "say when it is over: 4h, or a moment like 2026-01-31T12:00")
    pauses.add_maintenance(runtime, name, _reason(form), ends, begins)
    return f"The maintenance of CE {name} was added{_at('; it ends', ends, runtime)}."


def _remove_maintenance(runtime: Runtime, name: str, form: Form) -> str:
    pauses.remove_maintenance(runtime, name, read_whole("maintenance", form.text("which")))
    return f"The maintenance of CE {name} was removed."


_ACTIONS: Mapping[str, Callable[[Runtime, str, Form], str]] = {
    "hold": _hold,
    "resume": _resume,
    "drain": _drain,
    "enable": _enable,
    "disable": _disable,
    "maintenance": _add_maintenance,
    "remove-maintenance": _remove_maintenance,
}


ENABLED = {"enabled": True, "draining": False, "drain_by": None, "end_running": False}
DISABLED = {"enabled": False}


def _draining(form: Form, now: datetime) -> dict[str, Any]:
    by = moment("by", form.text("drain_by"), now)
    end_running = form.text("end_running") != ""
    if end_running and by is None:
        raise Invalid("by", "say when pilots that run are cancelled")
    return {"draining": True, "drain_by": by, "end_running": end_running}


def _edited(form: Form, now: datetime) -> Mapping[str, Any]:
    """Return the values that a form would have changed."""
    if form.does in _GROUPS:
        return _GROUPS[form.does].read(form)
    if form.does == "drain":
        return _draining(form, now)
    return ENABLED if form.does == "enable" else DISABLED


def _reason(form: Form) -> str:
    reason = form.text("reason")
    if not reason:
        raise Invalid("reason", WHY)
    return reason


def _at(word: str, at: datetime | None, runtime: Runtime) -> str:
    return f"{word} {clock(at, runtime.now(), seconds=False)}" if at else ""


# -- the page


def _page(request: Request, name: str, tried: Form, status: int = 200) -> Response:
    runtime, now = render.runtime(request), request.app.state.runtime.now()
    ce, line = _both(runtime, name)
    version = inventory.version(ce)
    options = observed.options_of(runtime, ce.backend)
    each = option_fields.option_group(options, ce)
    return render.page(
        request,
        "ce",
        status=status,
        title=name,
        here="ces",
        headline=states.headline(line),
        steps=states.next_steps(ce, line, now),
        ce=ce,
        line=line,
        word=without_reason(states.shown(line)),
        version=version,
        tried=tried,
        is_known=tried.does in {*_ACTIONS, *_GROUPS, REMOVE, option_fields.NAME},
        groups=[filled(group, ce, version, tried) for group in GROUPS],
        calls=calls.calls_of(runtime, name, now - LATELY),
        decisions=overview.explain(runtime, name),
        pauses=pauses.history(runtime, name, page=LATEST).items,
        maintenances=pauses.maintenances_of(runtime, name),
        changes=audit.recorded(runtime, now - audit.LONG_AGO, of=name, limit=10).items,
        options=options,
        each=filled(each, option_fields.with_options(ce, options), version, tried),
        written=written,
    )


def _both(runtime: Runtime, name: str) -> tuple[ShownCE, CELine]:
    ce = inventory.show_ce(runtime, name)
    for line in observed.lines(runtime):
        if line.name == name:
            return ce, line
    raise UnknownCE(name, "it was removed just now")


def _conflict(request: Request, runtime: Runtime, name: str, form: Form) -> Response:
    ce = inventory.show_ce(runtime, name)
    current = option_fields.with_options(ce, observed.options_of(runtime, ce.backend))
    if form.does == option_fields.NAME:
        options = _options(runtime, ce, form)
        yours = {f"{option_fields.PREFIX}{key}": value for key, value in options.items()}
    else:
        yours = dict(_edited(form, runtime.now()))
    version = inventory.version(ce)
    return conflict_page(request, ("ces", name), current, version, yours=yours, form=form)
