"""Long lists are read a page at a time: which page somebody wants, and what it holds."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.domain.errors import Invalid

T = TypeVar("T")

MOST = 10_000
"""No page is longer."""


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """The part of a list to read: its order, where it begins, and how many rows."""

    sort: str | None = None
    descending: bool = False
    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise Invalid("limit", f"{self.limit} is not between 1 and {MOST}")


FIRST = PageRequest()


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list, and where the next page begins; `None` when this is the last."""

    items: list[T]
    next: str | None
