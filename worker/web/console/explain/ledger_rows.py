"""The rows of the ledger, and how their numbers are written."""

from dataclasses import dataclass
from typing import Any

from worker.web.console import words

ANY = "any"
"""How a number without a limit is written."""


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A step: its sign, number and words, and where the number comes from."""

    key: str
    number: str
    text: str
    sign: str = ""
    source: str = ""
    where: tuple[str, ...] = ()
    """The page of the source."""
    part: float | None = None
    """The length of its bar, of 1."""
    is_sum: bool = False
    is_marked: bool = False


@dataclass(frozen=True, kw_only=True)
class LedgerGroup:
    """Steps that answer one question."""

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
