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
"""The default weights of the causes of failures."""

Weight = Annotated[float, Field(ge=0, le=LARGEST)]


class Spread(Described):
    """How the times of jobs are distributed around their mean."""

    FIXED = "fixed", "Every job takes the mean."
    UNIFORM = "uniform", "Between 0.5 and 1.5 times the mean."
    EXPONENTIAL = (
        "exponential",
        "Many take less than the mean, a few far more, none more than five times.",
    )


class SimOptions(Options):
    """The options of a CE of this back-end."""

    queue_time: Seconds = 20
    """Mean time that a job waits before it starts, in seconds."""

    run_time: Seconds = 300
    """Mean run time of a job that ends well, in seconds."""

    spread: Spread = Spread.EXPONENTIAL
    """How these times are distributed around their means: fixed, uniform or exponential."""

    success_rate: float | None = Field(default=None, ge=0, le=1)
    """The share of jobs that end well; if left out, the configured success rate of the CE."""

    failures: Mapping[Cause, Weight] = Field(default_factory=lambda: dict(FAILURES))
    """How the other jobs fail: causes and their weights."""

    max_jobs: Count | None = None
    """The most jobs, waiting and running; beyond them the CE refuses more because of its quota."""

    seed: int = Field(default=0, ge=-LARGEST, le=LARGEST)
    """The seed of all chance: with another seed, the same stamps get other lives."""

    neighbours: tuple[str, ...] = ()
    """Names of other simulated CEs at the same place; its listing shows their jobs, too."""

    tells_ce: bool = True
    """Whether the listing names the CE of each job."""

    call_timeout: CallTime = 10
    """Seconds that the driver waits for an answer."""

    keep_listed: Seconds = 3600
    """Seconds that a job stays in the listing after its end."""

    history: bool = True
    """Whether a job that has left the listing can still be looked up."""

    keep_history: Seconds = 604_800
    """Seconds after its end for which a job can be looked up, with its output."""

    output_lines: int = Field(default=3, ge=0, le=100_000)
    """Lines of output that the work of a job writes."""

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
        """Return the seconds after its end for which the CE still knows a job."""
        return max(self.keep_listed, self.keep_history) if self.history else self.keep_listed
