"""The page of credentials: their states, expiry and files, and the forms to change them.

No page shows the secret itself, which stays in its file.
"""

import shlex
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.credential import CredentialKind, State
from worker.domain.errors import Invalid
from worker.domain.vo import ALL_VOS
from worker.services import credentials as service
from worker.services.credentials import CredentialStanding
from worker.services.operate import vo_inventory
from worker.services.runtime import Runtime
from worker.web.console import render, words
from worker.web.console.answers import answer
from worker.web.console.forms import (
    TEXT,
    Form,
    FormField,
    FormGroup,
    ReadForm,
    ValueKind,
    done_or_shown,
    new_form,
)

BAD = (State.UNUSABLE, State.SHORT)


def _read_command(label: str, text: str) -> list[str] | None:
    try:
        return shlex.split(text) or None
    except ValueError:
        raise Invalid(label, "close each quotation mark") from None


COMMAND = ValueKind(_read_command, lambda value: shlex.join(value or ()))

KIND = ValueKind(lambda label, text: _kind(text), str)

PATH = FormField("path", "File", TEXT, "Its full path on the hosts of the workers.")
RENEW = FormField(
    "renew",
    "Renewed by",
    COMMAND,
    "The command and its arguments. Empty: somebody renews it by hand.",
)
CHANGE = FormGroup("change", "Change", (PATH, RENEW))


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        return answer(list[CredentialStanding], service.list_all(render.runtime(request)))
    return _page(request, Form())


def change(request: Request, form: ReadForm) -> Response:
    """Perform the action of a form of the page."""

    def do() -> Response:
        message = _do(render.acting(request, form.why), form)
        return render.back(request, "credentials", message=message)

    return done_or_shown(form, do, partial(_page, request))


def _do(runtime: Runtime, form: Form) -> str:
    if form.does == "add":
        new: Any = _adding(runtime).read(form)
        new["vo"] = None if new["vo"] == ALL_VOS else new["vo"]
        added = service.add(runtime, new)
        return f"The {_named(added)} was added: {added.problem or 'it can be used'}."
    vo, backend, kind = form.text("vo"), form.text("backend"), _kind(form.text("kind"))
    if form.does == "remove":
        form.confirm(vo)
        service.remove(runtime, vo, backend, kind=kind)
        return f"The {kind} of {vo} for {backend} is forgotten; its file stays."
    if form.does != "change":
        raise Invalid("form", "this page has no such form")
    values: Any = CHANGE.read(form)
    changed = service.change(runtime, vo, backend, values, kind=kind)
    return f"The {_named(changed)} was changed: {changed.problem or 'it can be used'}."


def _kind(word: str) -> CredentialKind:
    if word not in list(CredentialKind):
        raise Invalid("kind", f"it is one of {', '.join(CredentialKind)}")
    return CredentialKind(word)


def _named(one: CredentialStanding) -> str:
    return f"{one.kind} of {one.vo} for {one.backend}"


def _adding(runtime: Runtime) -> FormGroup:
    owners = [ALL_VOS, *vo_inventory.vo_names(runtime)]
    return FormGroup(
        "add",
        "Add a credential",
        (
            FormField("vo", "VO", TEXT, choices=owners),
            FormField("backend", "Back-end", TEXT, choices=sorted(runtime.backends)),
            FormField("kind", "Kind", KIND, choices=list(CredentialKind)),
            PATH,
            RENEW,
        ),
    )


def headline(standings: list[CredentialStanding]) -> str:
    """Write how many credentials there are, and how many need attention."""
    if not standings:
        return "There is no credential. CEs whose back-end needs none work without one."
    number = words.counted(len(standings), "credential")
    unusable = sum(1 for one in standings if one.state is State.UNUSABLE)
    short = sum(1 for one in standings if one.state is State.SHORT)
    parts = [
        f"{words.number(count)} {problem}"
        for count, problem in ((unusable, "cannot be used"), (short, "will soon be over"))
        if count
    ]
    return f"{number}: {words.listed(parts)}." if parts else f"{number}, all good."


def _page(request: Request, tried: Form, status: int = 200) -> Response:
    runtime = render.runtime(request)
    standings = service.list_all(runtime)
    adding = tried if tried.does == "add" else Form()
    return render.page(
        request,
        "credentials",
        status=status,
        title="Credentials",
        here="credentials",
        headline=headline(standings),
        standings=sorted(standings, key=lambda one: one.state not in BAD),
        bad=BAD,
        tried=tried,
        command=COMMAND.write,
        adding=new_form(_adding(runtime), adding),
    )
