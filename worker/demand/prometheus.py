"""The demand as the result of an instant query of Prometheus."""

from math import ceil, isfinite
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import Field

from worker.demand.answers import value_at
from worker.demand.contract import Source
from worker.demand.endpoints import EndpointOptions, EndpointQuestion, fetch
from worker.domain.errors import DemandUnknown

LONGEST_QUERY = 8_192
"""The longest query, in characters. It is sent in the address."""


class PrometheusOptions(EndpointOptions):
    """A server that answers PromQL; `url` is its address, without /api."""

    query: str = Field(min_length=1, max_length=LONGEST_QUERY)
    """A query that answers one number, which is rounded up. '{vo}' becomes the VO's name."""


def ask(vo: str, options: PrometheusOptions) -> int:
    """Ask for the value of the query now."""
    url = options.url.replace("{vo}", quote(vo, safe="")).rstrip("/")
    query = urlencode({"query": options.query.replace("{vo}", vo)})
    try:
        answer = fetch(EndpointQuestion(url=f"{url}/api/v1/query?{query}"), options)
    except DemandUnknown as error:
        if "it answered 400" in error.details:
            why = "it does not understand the query: try it in the console of Prometheus"
            raise DemandUnknown(error.details[0], why) from error
        raise
    return _number(_sample(value_at(answer, "data")))


def _sample(data: Any) -> Any:
    """Return the one sample of an answer: a moment and a value."""
    kind = data.get("resultType") if isinstance(data, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if kind == "scalar":
        return result
    if kind != "vector" or not isinstance(result, list):
        raise DemandUnknown(
            f"the query answers a {str(kind)[:20]}, no number: ask for its last value"
        )
    if len(result) != 1:
        raise DemandUnknown(
            f"the query answers {len(result)} numbers, not one: add them with sum()"
        )
    return result[0].get("value") if isinstance(result[0], dict) else None


def _number(sample: Any) -> int:
    text = sample[1] if isinstance(sample, list) and len(sample) == 2 else None
    try:
        value = float(str(text))
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise DemandUnknown(f"the query answers {str(text)[:40]!r}, no number")
    return ceil(value)


PROMETHEUS = Source(
    name="prometheus",
    about="An instant query of Prometheus.",
    options=PrometheusOptions,
    ask=ask,
)
