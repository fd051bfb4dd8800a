"""The rows of the ledger, and the format of their numbers."""

from dataclasses import dataclass
from typing import Any

from worker.web.console import words

ANY = "any"
"""The word for a number without a limit."""


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A step: its sign, number and text, and the source of the number."""

    key: str
    number: str
    text: str
    sign: str = ""
    source: str = ""
    where: tuple[str, ...] = ()
    """The parts of the address of the source's page."""
    part: float | None = None
    """The length of its bar, from 0 to 1."""
    is_sum: bool = False
    is_marked: bool = False


@dataclass(frozen=True, kw_only=True)
class LedgerGroup:
    """The steps that answer one question."""

    question: str
    rows: tuple[LedgerRow, ...]
    note: str = ""


def count(key: str, number: int, text: str, most: int, **more: Any) -> LedgerRow:
    part = max(0, number) / most if number <= most else None
    return LedgerRow(key=key, number=words.number(number), text=text, part=part, **more)


def chance_row(key: str, value: float, text: str, **more: Any) -> LedgerRow:
    return LedgerRow(
        key=key, number=words.chance(value), text=text, part=min(1.0, max(0, value)), **more
    )


def minus(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


CAPS = {
    "budget": "the budget decides",
    "demand": "the demand decides",
    "room": "the limit decides",
    "closed": "nothing may be sent",
}
