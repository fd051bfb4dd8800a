"""When a periodic task fires, and how it went."""

from collections.abc import Mapping

from pydantic import Field

from worker.domain.validation import FileTable
from worker.domain.words import Described


class Scope(Described):
    """Whether one execution of a task is for one VO, for one CE, or for all."""

    VO = "vo", "One VO."
    CE = "ce", "One CE."
    GLOBAL = "global", "All."


class Outcome(Described):
    """How the last execution of a task ended."""

    OK = "ok", "It did its work and committed."
    FAILED = (
        "failed",
        "An error ended it, or a part of its work; what it committed before stays.",
    )
    SKIPPED = (
        "skipped",
        "It did nothing: another execution was at work, nothing was to be done, or it must wait.",
    )


class VOSchedule(FileTable):
    """When a task fires for one VO."""

    every: float | None = Field(default=None, gt=0)
    """Seconds from one firing to the next."""

    cron: str | None = None
    """A cron line, in UTC."""

    enabled: bool = True
    """Whether the task fires."""


class ScheduleSetting(VOSchedule):
    """When a task fires: for all VOs, and for single VOs with a schedule of their own."""

    vo: Mapping[str, VOSchedule] = Field(default={})
    """The same for one VO: [schedules.submit_pilots.vo.lhcb] every = 10."""
