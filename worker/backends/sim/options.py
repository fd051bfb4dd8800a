"""The options of a simulated CE."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, field_validator

from worker.backends.contract import Options
from worker.backends.option_types import CallTime, Count, Seconds
from worker.backends.sim.states import ENDS
from worker.domain.checks import LARGEST
from worker.domain.pilot import Cause
from worker.domain.words import Described

FAILURES: Mapping[Cause, float] = MappingProxyType(
    {Cause.FAILED_FAST: 4, Cause.EXIT_CODE: 3, Cause.FAILED_LATE: 2, Cause.NODE: 1}
)
"""How failures are spread if nothing else is said."""

Weight = Annotated[float, Field(ge=0, le=LARGEST)]


class Spread(Described):
    """How the times of many jobs lie about their mean."""

    FIXED = "fixed", "Every job takes the mean."
    UNIFORM = "uniform", "Between half of the mean and one and a half."
    EXPONENTIAL = "exponential", "Many take less, a few far more; none more than five times."


class SimOptions(Options):
    """The options of a CE of this back-end."""

    queue_time: Seconds = 20
    """Seconds that a job waits before it starts, in the mean."""

    run_time: Seconds = 300
    """Seconds that a good job runs, in the mean."""

    spread: Spread = Spread.EXPONENTIAL
    """How these times lie about their means: fixed, uniform or exponential."""

    success_rate: float | None = Field(default=None, ge=0, le=1)
    """The share of jobs that end well; without it, the configured success rate of the CE."""

    failures: Mapping[Cause, Weight] = Field(default_factory=lambda: dict(FAILURES))
    """How the others fail: causes and their weights."""

    max_jobs: Count | None = None
    """Jobs, waiting and running, beyond which the CE refuses more for its quota."""

    seed: int = Field(default=0, ge=-LARGEST, le=LARGEST)
    """With another seed, the same stamps meet another fate."""

    neighbours: tuple[str, ...] = ()
    """Names of other simulated CEs at the same place; its listing shows their jobs, too."""

    tells_ce: bool = True
    """Whether its listing says of which CE a job is."""

    call_timeout: CallTime = 10
    """Seconds that the driver waits for an answer."""

    keep_listed: Seconds = 3600
    """Seconds that a job stays in the listing after its end."""

    history: bool = True
    """Whether a job that has left the listing can still be looked up."""

    keep_history: Seconds = 604_800
    """Seconds after its end until a job is forgotten, with its output."""

    output_lines: int = Field(default=3, ge=0, le=100_000)
    """Lines that the work of a job writes."""

    @field_validator("failures")
    @classmethod
    def _check_failures(cls, failures: Mapping[Cause, float]) -> Mapping[Cause, float]:
        for cause in failures:
            if cause not in ENDS:
                raise ValueError(f"a job that was accepted cannot end as {cause!r}")
        if not sum(failures.values()) > 0:
            raise ValueError("no cause has a weight above 0")
        return failures

    def known_for(self) -> float:
        """Seconds after its end for which the CE can tell of a job."""
        return max(self.keep_listed, self.keep_history) if self.history else self.keep_listed
