"""The demand as the adaptive target that the scheduler of Dask's distributed computes."""

from urllib.parse import quote

from worker.demand.answers import value_at, whole
from worker.demand.contract import Source
from worker.demand.endpoints import EndpointOptions, EndpointQuestion, fetch
from worker.domain.demand import DemandCounts
from worker.domain.errors import DemandUnknown

ROUTE = "distributed.http.scheduler.api"
"""The HTTP route that the scheduler must serve; by default it does not."""


class DaskOptions(EndpointOptions):
    """A scheduler of Dask that serves its HTTP API; `url` is that of its dashboard."""

    counts: DemandCounts = DemandCounts.TOTAL
    """What the number counts: total, all workers, as Dask means it; more; jobs; or ever."""


def ask(vo: str, options: DaskOptions) -> int:
    """Ask the scheduler how many workers it wants."""
    url = options.url.replace("{vo}", quote(vo, safe="")).rstrip("/")
    try:
        answer = fetch(EndpointQuestion(url=f"{url}/api/v1/adaptive_target"), options)
    except DemandUnknown as error:
        if "it answered 404" in error.details:
            why = f"it serves no API: add {ROUTE} to its distributed.scheduler.http.routes"
            raise DemandUnknown(error.details[0], why) from error
        raise
    return whole(value_at(answer, "workers"))


DASK = Source(
    name="dask",
    about="The adaptive target of a Dask scheduler.",
    options=DaskOptions,
    ask=ask,
)
