"""Pages of long lists: which page is requested, and what it holds."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.domain.errors import Invalid

T = TypeVar("T")

MOST = 10_000
"""The most rows of a page."""


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """The part of a list to read: the order, where it begins, and the number of rows."""

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
