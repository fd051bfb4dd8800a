"""The query for pilots of a page: parsed from its address, written as an address or a command."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from worker.domain.errors import Invalid
from worker.domain.lengths import as_option, length
from worker.domain.nearest import nearest
from worker.domain.pages import PageRequest
from worker.domain.pilot import FINAL, OCCUPYING, Cause, Status, Use
from worker.domain.pilot_filter import PilotFilter
from worker.services.operate import pilots as service

ROWS = 25
MOST_ROWS = 100

LONGEST = 512
"""The most characters of a value of a filter."""

TEXTS = ("search", "handle", "node", "ce", "tag", "vo")

SEVERAL: dict[str, tuple[str, type[StrEnum]]] = {
    "status": ("statuses", Status),
    "use": ("uses", Use),
    "cause": ("causes", Cause),
}
"""The values that may be repeated: their names in the filter, and their words."""

Word = TypeVar("Word", bound=StrEnum)


class Values(Protocol):
    """The values of an address, or of a form."""

    def get(self, name: str, /) -> str | None: ...

    def getlist(self, name: str, /) -> Sequence[str]: ...


@dataclass(frozen=True, kw_only=True)
class Query:
    """A filter for pilots, and the page of the list."""

    chosen: PilotFilter
    page: PageRequest

    @property
    def active(self) -> PilotFilter | None:
        """The filter, restricted to pilots that may be active; `None` if certainly none is."""
        if self.chosen.causes or self.chosen.uses:
            return None
        if not self.chosen.statuses:
            return self.chosen
        left = [status for status in self.chosen.statuses if status in OCCUPYING]
        return replace(self.chosen, statuses=left) if left else None

    @property
    def is_of_active(self) -> bool:
        """Return whether only active pilots are listed."""
        if self.active is None:
            return False
        is_of_age = self.chosen.older_than is not None
        return is_of_age or (bool(self.only) and self.only <= OCCUPYING)

    @property
    def only(self) -> frozenset[Status]:
        """The statuses to which the list is restricted; empty if to none."""
        return frozenset(self.chosen.statuses) or service.restricted_to(self.page.sort)

    def can_be_sorted(self, sort: str) -> bool:
        """Return whether these pilots can be sorted by this order."""
        statuses = set(self.chosen.statuses)
        if self.chosen.causes or self.chosen.uses:
            statuses = set(FINAL)
        if self.chosen.older_than is not None:
            statuses = statuses or set(OCCUPYING)
        only = service.restricted_to(sort)
        return not only or not statuses or statuses <= only

    def filters(self) -> dict[str, Any]:
        """Return the filter as the values of an address."""
        chosen = self.chosen
        values: dict[str, Any] = {name: getattr(chosen, name) for name in TEXTS}
        values |= {
            name: [str(word) for word in getattr(chosen, field)]
            for name, (field, _) in SEVERAL.items()
        }
        age = chosen.older_than
        return {
            name: value
            for name, value in {**values, "older_than": as_option(age) if age else None}.items()
            if value
        }

    def order(self) -> dict[str, Any]:
        """Return the order as the values of an address; empty for the usual one, newest first."""
        if self.page.sort is None and self.page.descending:
            return {}
        return {"sort": self.page.sort, "descending": str(self.page.descending).lower()}

    def command(self) -> str:
        """Write the command that lists the same."""
        words = ["pilotage", "pilot", "list"]
        for name, value in self.filters().items():
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name.replace('_', '-')}", one]
        words += ["--sort", self.page.sort] if self.page.sort else []
        words += ["--descending"] if self.page.descending else []
        words += ["--after", self.page.after] if self.page.after else []
        return shlex.join([*words, "--rows", str(self.page.limit)])


NEWEST = Query(chosen=PilotFilter(), page=PageRequest(descending=True, limit=ROWS))


def read(values: Values, most: int = MOST_ROWS) -> Query:
    """Parse the address of a list. Without an order, the newest come first."""
    sort = _text(values, "sort")
    descending = _text(values, "descending")
    is_descending = sort is None if descending is None else _truth(descending)
    page = PageRequest(
        sort=sort,
        descending=is_descending,
        after=_text(values, "after"),
        limit=_rows(values, most),
    )
    return Query(chosen=read_filter(values), page=page)


def read_filter(values: Values) -> PilotFilter:
    """Parse a filter. An empty field of a form does not restrict it."""
    parts: dict[str, Any] = {name: _text(values, name) for name in TEXTS}
    for name, (field, kind) in SEVERAL.items():
        parts[field] = [_word(kind, name, word) for word in values.getlist(name) if word]
    age = _text(values, "older_than")
    if age is not None:
        parts["older_than"] = length(age)
        if parts["older_than"] is None:
            raise Invalid("older than", f"{age[:40]!r} is not like 2h or 30min")
    return PilotFilter(**parts)


def _text(values: Values, name: str) -> str | None:
    value = (values.get(name) or "").strip()
    if len(value) > LONGEST or not value.isprintable():
        raise Invalid(name.replace("_", " "), f"use up to {LONGEST} printable characters")
    return value or None


def _word(kind: type[Word], name: str, word: str) -> Word:
    try:
        return kind(word)
    except ValueError:
        raise Invalid(f"{name} {word[:40]!r}", nearest(word[:40], map(str, kind))) from None


def _truth(word: str) -> bool:
    if word not in ("true", "false"):
        raise Invalid("descending", f"{word[:40]!r} is not true or false")
    return word == "true"


def _rows(values: Values, most: int) -> int:
    text = _text(values, "limit") or str(ROWS)
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise Invalid("limit", f"{text[:40]!r} is not a number between 1 and {most}")
    return int(text)
