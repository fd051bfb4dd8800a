"""The page of a pilot: what happened to it, and the likely cause."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.access import Role
from worker.domain.errors import PilotageError
from worker.domain.pilot import FINAL, Status
from worker.domain.texts import legible
from worker.domain.why import cause_beside
from worker.services.observe import failing
from worker.services.observe.failing import LATELY, By
from worker.services.operate import pilots as service
from worker.services.operate.pilots import PilotDetails
from worker.services.runtime import Runtime
from worker.web.callers import caller_of
from worker.web.console import pilot_words, render
from worker.web.console.answers import answer
from worker.web.console.pilot_life import life
from worker.web.routes import SLASH

TAIL = 200
"""How many lines of output are shown."""

MOST_GROUPS = 500
"""How many groups of causes and nodes at a CE are read."""


@dataclass(frozen=True)
class ShownOutput:
    """The output of a pilot, or why it is not available."""

    text: str = ""
    head: str = ""
    problem: str | None = None


def show(request: Request, which: str) -> Response:
    """Show the page, or return the details as JSON."""
    runtime = render.runtime(request)
    pilot = service.show_pilot(runtime, which.replace(SLASH, "/"))
    if render.wants_json(request):
        return answer(PilotDetails, pilot)
    access = caller_of(request).access
    return render.page(
        request,
        "pilot",
        title=f"Pilot {pilot.id}",
        here="pilots",
        headline=pilot_words.of_pilot(pilot),
        pilot=pilot,
        said=[*_fault(runtime, pilot), *pilot_words.more_of(pilot)],
        life=life(pilot, runtime.now()),
        facts=facts(pilot),
        cause_beside=cause_beside,
        alike=_alike(pilot),
        output=_output(runtime, pilot) if "output" in request.query_params else None,
        tail=TAIL,
        may_cancel=pilot.status not in FINAL and access.may_for(Role.OPERATE, pilot.vo),
        is_active=pilot.status not in FINAL,
    )


def _fault(runtime: Runtime, pilot: PilotDetails) -> list[str]:
    if pilot.status not in (Status.FAILED, Status.LOST):
        return []
    since = runtime.now() - LATELY
    summary = failing.summary(
        runtime, since, by=(By.CAUSE, By.NODE), limit=MOST_GROUPS, ce=pilot.ce
    )
    sentence = pilot_words.whose_fault(pilot, summary.groups, since)
    return [sentence] if sentence else []


def _alike(pilot: PilotDetails) -> dict[str, Any] | None:
    """Return the filter for pilots that ended in the same way at this CE."""
    if pilot.cause is not None:
        return {"ce": pilot.ce, "cause": str(pilot.cause)}
    return {"ce": pilot.ce, "status": "lost"} if pilot.status is Status.LOST else None


def facts(pilot: PilotDetails) -> list[tuple[str, object]]:
    """Return the facts about a pilot in order, without those that it does not have."""
    values = [
        ("use", pilot.use),
        ("exit code", pilot.exit_code),
        ("the CE said", pilot.raw),
        ("reserved", pilot.reserved_at),
        ("sent", pilot.claimed_at),
        ("accepted", pilot.submitted_at),
        ("started", pilot.started_at),
        ("ended", pilot.ended_at),
        ("last check", pilot.checked_at),
        ("next check", pilot.next_check_at),
        ("checks without an answer", pilot.attempts or None),
        ("answers without it", pilot.misses or None),
        ("not known since", pilot.missing_since),
        ("put back to wait", _times(pilot.requeues)),
        ("end asked for", pilot.cancel_requested_at),
        ("because", pilot.cancel_reason),
    ]
    return [(word, value) for word, value in values if value is not None]


def _times(count: int) -> str | None:
    return ("once" if count == 1 else f"{count} times") if count else None


def _output(runtime: Runtime, pilot: PilotDetails) -> ShownOutput:
    try:
        written = service.output(runtime, str(pilot.id), tail=TAIL)
    except PilotageError as error:
        return ShownOutput(problem=pilot_words.sentence(error))
    lines = written.text.count("\n") + bool(written.text and not written.text.endswith("\n"))
    head = f"the last {lines} lines" if written.truncated else "all of it"
    if written.kept_at is not None:
        head += f", as it was kept at {written.kept_at:%Y-%m-%d %H:%M:%S}"
    return ShownOutput(text=legible(written.text), head=head)
