"""The demand as the jobs that GitHub assigned to a runner scale set."""

from pathlib import Path

from pydantic import Field

from worker.demand.contract import Source
from worker.demand.endpoints import EndpointOptions
from worker.domain.checks import LARGEST
from worker.domain.demand import DemandCounts
from worker.plugins import on_first_use

_NAME = r"[A-Za-z0-9_.-]+"


class GithubOptions(EndpointOptions):
    """A runner scale set; `url` is the address of the API."""

    url: str = Field(default="https://api.github.com", pattern=r"^https?://[^\s@{}]+$")
    """The address of the API; for a server of your own it ends with /api/v3."""

    token_file: Path
    """A file that holds a token which may administer the runners; it is read again each time."""

    runners_of: str = Field(pattern=rf"^https?://[^\s@/]+/(enterprises/)?{_NAME}(/{_NAME})?$")
    """The owner of the runners: the address of an organisation, a repository or an enterprise."""

    scale_set: int = Field(ge=1, le=LARGEST)
    """The id of the runner scale set."""

    most: int = Field(default=100, ge=1, le=10_000)
    """The most jobs that the scale set may assign at a time."""

    listen: float = Field(default=5, ge=0, le=50)
    """Seconds for which each question waits for messages."""

    timeout: float = Field(default=30, gt=0, le=60)
    """Seconds that an answer may take."""

    counts: DemandCounts = DemandCounts.JOBS
    """What the number counts: jobs that are open, as GitHub means it; more; total; or ever."""

    def objection(self) -> str | None:
        """Return why the scale set is not asked with these options, or another objection."""
        if self.listen >= self.timeout:
            return "listen must be below timeout"
        return super().objection()


GITHUB = Source(
    name="github",
    about="The jobs that are assigned to a runner scale set of GitHub.",
    options=GithubOptions,
    ask=on_first_use("worker.demand.scale_set", "ask"),
)
