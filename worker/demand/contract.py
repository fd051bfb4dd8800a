"""The contract of a demand source.

All sources, ours and those of plug-ins, are registered in the entry-point group
`pilotage.demand_sources`, each with one `Source`.

A source answers one question: how many pilots does this VO want? Its option `counts` says what
the number means: more pilots, all pilots, open jobs, or all pilots ever. A source is never asked
while a unit of work is open, and the only error that it may raise is `DemandUnknown`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from worker.backends.option_types import Count, Seconds
from worker.domain.checks import LARGEST
from worker.domain.demand import DemandCounts
from worker.domain.validation import Table
from worker.domain.words import Described


class Unknown(Described):
    """What is done while the demand of a VO is not known."""

    HOLD = "hold", "Nothing new is sent."
    TRICKLE = "trickle", "A few pilots are kept waiting."
    FILL = "fill", "The demand is treated as unlimited."


class SourceOptions(Table):
    """The options of every source. An unknown key is an error."""

    counts: DemandCounts = DemandCounts.MORE
    """What the number counts: more pilots; total, all pilots; jobs, one pilot for each; or ever."""

    most_failed: int | None = Field(default=None, ge=1, le=LARGEST)
    """After so many failed pilots no more are wanted; with counts=ever."""

    timeout: float = Field(default=10, gt=0, le=60)
    """Seconds that an answer may take."""

    keep: Seconds = 600
    """Seconds for which the last answer is used while there is no newer one."""

    unknown: Unknown = Unknown.HOLD
    """The rule after that: hold, trickle or fill."""

    trickle: Count = 1
    """How many pilots the rule trickle keeps waiting."""

    def objection(self) -> str | None:
        """Return why a source is not asked with these options, or `None`."""
        return None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of source: its name, a sentence about it, its options, and the function that asks."""

    name: str
    about: str
    options: type[SourceOptions] = field(repr=False)
    ask: Callable[[str, Any], int] = field(repr=False)
    """Takes the name of the VO and the options, and returns the number."""
