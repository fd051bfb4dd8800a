"""What a demand source is. Ours and those of plug-ins enter by the entry-point group
`pilotage.demand_sources`, each with one `Source`.

A source answers one question: how many pilots does this VO want? Its option `counts` says whether
that is how many more, all of them, or all that there are ever to be. It is never asked while a
unit of work is open, and nothing but `DemandUnknown` comes out of it.
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
    """What its number counts: more pilots; total, all of them; jobs, one for each; or ever."""

    most_failed: int | None = Field(default=None, ge=1, le=LARGEST)
    """Pilots that may fail before no more are wanted, where its number counts ever."""

    timeout: float = Field(default=10, gt=0, le=60)
    """Seconds that an answer may take."""

    keep: Seconds = 600
    """Seconds for which the last answer counts while there is no newer one."""

    unknown: Unknown = Unknown.HOLD
    """What is done after that: hold, trickle or fill."""

    trickle: Count = 1
    """Pilots that are kept waiting by the rule trickle."""

    def objection(self) -> str | None:
        """Return why a source is not asked that is told so, or `None`."""
        return None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of source: its name, what it is in a sentence, its options, how it is asked."""

    name: str
    about: str
    options: type[SourceOptions] = field(repr=False)
    ask: Callable[[str, Any], int] = field(repr=False)
    """Takes the name of the VO and the options."""
