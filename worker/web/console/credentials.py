"""The credentials: how each stands, how long it holds, and in which file it lies."""

from fastapi import Request
from fastapi.responses import Response

from worker.domain.credential import State
from worker.services import credentials as service
from worker.services.credentials import CredentialStanding
from worker.web.console import render, words
from worker.web.console.answers import answer

BAD = (State.UNUSABLE, State.SHORT)


def show(request: Request) -> Response:
    """Show the page, or the same for a program."""
    standings = service.list_all(render.runtime(request))
    if render.wants_json(request):
        return answer(list[CredentialStanding], standings)
    ordered = sorted(standings, key=lambda one: one.state not in BAD)
    return render.page(
        request,
        "credentials",
        title="Credentials",
        here="credentials",
        headline=headline(standings),
        standings=ordered,
        bad=BAD,
    )


def headline(standings: list[CredentialStanding]) -> str:
    """Say how many credentials there are, and how many need somebody."""
    if not standings:
        return "There is no credential. CEs whose back-end asks for none work without."
    number = words.counted(len(standings), "credential")
    unusable = sum(1 for one in standings if one.state is State.UNUSABLE)
    short = sum(1 for one in standings if one.state is State.SHORT)
    parts = [
        f"{words.number(count)} {said}"
        for count, said in ((unusable, "cannot be used"), (short, "will soon be over"))
        if count
    ]
    return f"{number}: {words.listed(parts)}." if parts else f"{number}, all good."
