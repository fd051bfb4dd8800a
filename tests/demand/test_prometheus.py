"""The value of a query that a real Prometheus answers."""

from collections.abc import Iterator

import pytest

from tests.demand.servers import prometheus
from tests.expectations import refused
from tests.monitoring.prometheus import require_prometheus
from tests.patience import until
from tests.session import PLAN
from worker.demand import registry
from worker.domain.errors import DemandUnknown

pytestmark = [pytest.mark.testbed, pytest.mark.processes]


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require_prometheus(request.config.stash[PLAN])
    with prometheus(tmp_path_factory.mktemp("prometheus")) as address:
        yield address


def ask(url: str, query: str) -> int:
    return registry.ask("lhcb", {"kind": "prometheus", "url": url, "query": query})


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("7", 7),
        ("vector(40)", 40),
        ("scalar(vector(3))", 3),
        ("2.2", 3),
    ],
)
def test_a_scalar_or_one_element_is_the_demand(url: str, query: str, number: int) -> None:
    assert ask(url, query) == number


def test_what_it_has_scraped_is_asked(url: str) -> None:
    def is_scraped() -> bool:
        try:
            return ask(url, 'count(up{job="own"})') == 1
        except DemandUnknown:
            return False

    until(is_scraped, "Prometheus to read itself")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('no_such_metric{vo="{vo}"}', "0 numbers, not one"),
        ('label_replace(vector(1), "a", "b", "", "") or vector(2)', "2 numbers, not one"),
        ("0/0", "no number"),
        ("1/0", "no number"),
        ("vector(1)[5m:1m]", "matrix"),
        ('"text"', "a string"),
        ("sum(", "does not understand the query"),
        ("-1", "not a whole number from 0"),
    ],
)
def test_any_other_answer_is_unknown(url: str, query: str, why: str) -> None:
    with refused(DemandUnknown, why):
        ask(url, query)
