"""A reading request costs the same number of statements, however large the site is."""

from typing import Any

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_decision, a_pilot
from tests.web.client import Client
from tests.web.requests import LOOKING, address
from tests.web.test_access import operations
from worker.domain.pilot import Status

pytestmark = pytest.mark.slow

LOOKS = sorted(
    name
    for name in LOOKING
    if operations()[name].method == "GET" and name not in ("events_events", "problems_page")
)


def grow(client: Client, places: int, pilots: int) -> None:
    """Add CEs, and pilots in every status to them."""
    now = client.site.world.now()
    with client.site.world.database.uow() as tx:
        for number in range(places):
            ce = a_ce().with_capacity(pilots).tagged("eu").create(tx)
            a_decision().on(ce).at(now).create(tx)
            for status in (Status.RUNNING, Status.FAILED) if number % 2 else (Status.SUBMITTED,):
                builder = a_pilot().on(ce).at(now).that_is(status)
                builder.create_many(tx, pilots // places // 2)


def cost(client: Client, name: str) -> list[str]:
    """Return the statements that a request takes."""
    path: Any = address(operations()[name].path, LOOKING[name], client.site)
    client("GET", path)  # the first use of the token is recorded
    with statements(client.site.world.database.engine) as log:
        answer = client("GET", path)
    assert answer.status_code in (200, 503), answer.text
    return log


def test_what_looks_costs_the_same_for_many_as_for_few(client: Client) -> None:
    grow(client, 5, 100)
    few = {name: cost(client, name) for name in LOOKS}
    grow(client, 45, 900)
    many = {name: cost(client, name) for name in LOOKS}

    assert {n: len(many[n]) for n in LOOKS} == {n: len(few[n]) for n in LOOKS}
    assert max(len(log) for log in many.values()) <= MOST, {n: len(s) for n, s in many.items()}


MOST = 25
"""Statements of one request, with the one for the token."""
