"""The page of tasks: when each fires, its last outcome, and forms to change its schedule."""

from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.errors import Invalid
from worker.domain.lengths import clock
from worker.domain.schedule import Outcome
from worker.services.observe.tasks import TaskLine, list_tasks
from worker.services.runtime import Runtime
from worker.services.tasks import ticks
from worker.web.console import render, words
from worker.web.console.answers import answer
from worker.web.console.forms import Form, ReadForm, done_or_shown, read_number


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        return answer(list[TaskLine], list_tasks(render.runtime(request)))
    return _page(request, Form())


def change(request: Request, form: ReadForm) -> Response:
    """Perform the action of a form of the page."""

    def do() -> Response:
        message = _do(render.acting(request, form.why), form)
        return render.back(request, "tasks", message=message)

    return done_or_shown(form, do, partial(_page, request))


def _do(runtime: Runtime, form: Form) -> str:
    task, vo = form.text("task"), form.text("vo") or None
    named = f"{task} for VO {vo}" if vo else task
    if form.does == "schedule":
        changed = ticks.set_schedule(runtime, task, vo=vo, **_time(form))
        return f"{named} fires {fires(changed.every, changed.cron)}."
    if form.does not in ("enable", "disable"):
        raise Invalid("form", "this page has no such form")
    ticks.set_schedule(runtime, task, vo=vo, enabled=form.does == "enable")
    return f"{named} fires again." if form.does == "enable" else f"{named} fires no more."


def _time(form: Form) -> dict[str, Any]:
    every, cron = form.text("every"), form.text("cron")
    if (every == "") == (cron == ""):
        raise Invalid("schedule", "write either the seconds or a cron line")
    return {"cron": cron} if cron else {"every": read_number("every", every)}


def fires(every: float | None, cron: str | None) -> str:
    return f"by the cron line {cron}" if cron else f"every {every or 0:g} s"


def headline(lines: list[TaskLine]) -> str:
    """Write how many tasks fire, and whether any failed."""
    failed = sorted({line.name for line in lines if line.outcome is Outcome.FAILED})
    off = sum(1 for line in lines if not line.enabled)
    begin = words.counted(
        sum(1 for line in lines if line.enabled), "schedule fires", "schedules fire"
    )
    stopped = f", {words.number(off)} {'is' if off == 1 else 'are'} disabled" if off else ""
    if not failed:
        return f"{begin}{stopped}; none failed in its last execution."
    return f"{begin}{stopped}; {words.listed(failed)} failed."


def failure(line: TaskLine, now: Any) -> str | None:
    """Write what failed, for whom, when and why."""
    if line.failed_at is None:
        return None
    subject = f" for {line.scope.upper()} {line.failed_for}" if line.failed_for else ""
    return f"{line.name} failed{subject} at {clock(line.failed_at, now)}: {line.failure}"


def undone(line: TaskLine, now: Any) -> str | None:
    """Write that a task fires and no worker executes it."""
    if line.firings_not_done < 2 or line.not_done_since is None:
        return None
    since = clock(line.not_done_since, now)
    return f"{line.name} fired {line.firings_not_done} times since {since}, and no worker did it"


def _page(request: Request, tried: Form, status: int = 200) -> Response:
    lines, now = list_tasks(render.runtime(request)), request.app.state.runtime.now()
    sentences = [text for line in lines for text in (failure(line, now), undone(line, now)) if text]
    return render.page(
        request,
        "tasks",
        status=status,
        title="Tasks",
        here="tasks",
        headline=headline(lines),
        failures=sentences,
        lines=lines,
        fires=fires,
        tried=tried,
    )
