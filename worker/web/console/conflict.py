"""The page for two people who change the same thing: the second's values and the present ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain import spelled
from worker.domain.errors import ChangedMeanwhile
from worker.domain.lengths import as_option, clock
from worker.domain.pairs import written_pair
from worker.services.observe import audit
from worker.web.console import render
from worker.web.console.forms import Form
from worker.web.problems import status_of

LATELY = timedelta(days=7)


@dataclass(frozen=True)
class Difference:
    """A value that the two people want differently."""

    label: str
    there: str
    yours: str


def conflict_page(
    request: Request,
    place: tuple[str, str],
    current: Any,
    version: str,
    *,
    yours: Mapping[str, Any],
    form: Form,
) -> Response:
    """Show the differences, and let the second person apply the form anyway or leave it."""
    name, now = place[1], request.app.state.runtime.now()
    last = audit.recorded(render.runtime(request), now - LATELY, of=name, limit=1).items
    return render.page(
        request,
        "conflict",
        status=status_of(ChangedMeanwhile),
        title=f"{name} was changed",
        here=place[0],
        headline=f"{last[0].who if last else 'Somebody'} changed {name} while you edited it.",
        last=last[0] if last else None,
        differences=differences(yours, current, now),
        place=place,
        hidden={**form.values, "version": version},
    )


def differences(yours: Mapping[str, Any], current: Any, now: datetime) -> list[Difference]:
    """Compare the values of the form with the present ones."""
    both = (
        Difference(
            _label(name),
            written(getattr(current, name), now),
            written(value, now),
        )
        for name, value in yours.items()
    )
    return [one for one in both if one.there != one.yours]


def _label(name: str) -> str:
    """Return the label of a value; an option keeps the name that its back-end gives it."""
    _, _, option = name.partition(".")
    return option or spelled.spaced(name).capitalize()


def written(value: Any, now: datetime) -> str:
    """Write a value of a setting as in a table."""
    if value is None or value in ((), [], {}):
        return "–"
    if isinstance(value, datetime):
        return clock(value, now)
    if isinstance(value, timedelta):
        return as_option(value)
    if isinstance(value, Mapping):
        return "\n".join(written_pair(key, one) for key, one in value.items() if one is not None)
    return f"{value:.15g}" if isinstance(value, float) else spelled.word(value)
