"""One line of a difference between what a file says and what there is."""

from collections.abc import Callable
from dataclasses import dataclass, field

from worker.db.uow import Transaction


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the difference, and what makes it so."""

    what: str
    was: str
    becomes: str
    make: Callable[[Transaction], object] = field(repr=False, compare=False)
