"""The faults of a simulated CE, and the settings of each fault."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pydantic import Field

from worker.backends.sim.life import lot
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.pilot import Cause
from worker.domain.validation import Table, read_options
from worker.domain.words import Described


class Fault(Described):
    """A fault of a simulated CE."""

    DOWN = "down", "It cannot be reached."
    SLOW = "slow", "It does what it is asked and answers only after a while."
    UNREADABLE = "unreadable", "It does what it is asked and answers nonsense."
    CREDENTIAL = "credential", "The credential of a VO, or of all, has expired."
    LOSES_REPLY = "loses_reply", "It accepts a share of the orders, all or some; no reply comes."
    ANSWERS_HALF = "answers_half", "It does what it is asked and leaves a share out of its answer."
    ANSWERS_NOTHING = "answers_nothing", "It does what it is asked; its answer is empty."
    TRUNCATES = "truncates", "Its listing is cut short, and says so."
    SKEWED = "skewed", "Its clock is wrong, and so are the times in its answers."
    REFUSES = "refuses", "It refuses orders with a cause, one by one or as a whole."
    HOLDS = "holds", "Jobs that have not started, and new ones, never start."
    FAILS_FAST = "fails_fast", "New jobs end badly soon after their start."
    FAILS_LATE = "fails_late", "New jobs end badly after a good start."
    KILLS = "kills", "The nodes of running jobs break now, those of new jobs while they run."
    REMOVES = "removes", "Somebody else removes jobs: those that are there now, new ones later."
    REQUEUES = "requeues", "Running jobs stop, wait and start again: now, new ones midway."
    LATE = "late", "New jobs appear in its answers only after a while."
    FORGETS = "forgets", "It does not know jobs: as long as this lasts, or for ever."
    STRANGE_WORD = "strange_word", "It uses a status word that nobody knows."
    GARBLES = "garbles", "Its reasons hold control characters and broken UTF-8."


WHOLE_CALL = frozenset(
    {
        Fault.DOWN,
        Fault.SLOW,
        Fault.UNREADABLE,
        Fault.CREDENTIAL,
        Fault.LOSES_REPLY,
        Fault.ANSWERS_HALF,
        Fault.ANSWERS_NOTHING,
        Fault.TRUNCATES,
        Fault.SKEWED,
    }
)
"""Faults that hit whole calls: their rate is the share of calls. The rate of any other fault is the
share of jobs."""


TEXT = r"^[^\x00]*$"
"""A pattern for texts that PostgreSQL can store."""


class FaultSettings(Table):
    """The settings of a fault."""

    seconds: float = Field(default=60, ge=0, le=10**9)
    """The seconds of the fault: a delay, a duration, or how far a clock is ahead."""

    share: float = Field(default=1, ge=0, le=1)
    """The share of the orders that are accepted, or of the answers that are left out."""

    cause: Cause = Cause.REFUSED
    """The cause of a refusal."""

    reason: str = Field(default="the queue does not take this job", max_length=2000, pattern=TEXT)
    """The CE's reason for a refusal."""

    whole: bool = False
    """Whether the submission is refused as a whole."""

    vo: str | None = None
    """The VO that the fault affects; if left out, all VOs."""

    word: str = Field(default="LIMBO", max_length=128, pattern=TEXT)
    """The status word that the CE uses."""

    for_ever: bool = False
    """Whether the effect remains when the fault is switched off."""

    stamps: tuple[str, ...] = ()
    """The only pilots that the fault affects; if empty, any pilot."""


DEFAULTS: Mapping[Fault, Mapping[str, Any]] = MappingProxyType(
    {
        Fault.SLOW: {"seconds": 60.0},
        Fault.CREDENTIAL: {"vo": None},
        Fault.LOSES_REPLY: {"share": 1.0},
        Fault.ANSWERS_HALF: {"share": 0.5},
        Fault.TRUNCATES: {"share": 0.5},
        Fault.SKEWED: {"seconds": 600.0},
        Fault.REFUSES: {"cause": Cause.REFUSED, "whole": False}
        | {"reason": "the queue does not take this job"},
        Fault.REQUEUES: {"seconds": 60.0},
        Fault.LATE: {"seconds": 60.0},
        Fault.FORGETS: {"for_ever": False},
        Fault.STRANGE_WORD: {"word": "LIMBO"},
    }
)
"""The settings that each fault takes besides `stamps`, with their default values."""


@dataclass(frozen=True, kw_only=True)
class Active:
    """A fault that is switched on."""

    fault: Fault
    rate: float = 1.0
    settings: FaultSettings = field(default_factory=FaultSettings)
    since: datetime | None = None
    until: datetime | None = None

    def hits(self, stamp: str) -> bool:
        """Return whether the fault affects a pilot; the result is always the same for a pilot."""
        stamps = self.settings.stamps
        return (not stamps or stamp in stamps) and lot(self.fault, stamp) < self.rate


def keys(fault: Fault) -> list[str]:
    """Return the names of the settings that a fault takes."""
    names = list(DEFAULTS.get(fault, {}))
    return names if fault in WHOLE_CALL else [*names, "stamps"]


def read_settings(fault: Fault, values: Mapping[str, Any]) -> FaultSettings:
    """Read the settings of a fault; raise an error of one line if they are wrong."""
    for key in values:
        if key not in keys(fault):
            raise Invalid(f"setting {key!r} of fault {fault}", nearest(key, keys(fault)))
    settings = {**DEFAULTS.get(fault, {}), **values}
    return read_options(FaultSettings, settings, f"fault {fault}", "setting")
