"""Requests of any form that the OpenAPI document allows, and some that it does not allow."""

from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

from tests.web.client import Client
from tests.web.site import ROLES
from tests.web.test_access import NAMES, operations
from worker.web.problems import MEDIA_TYPE

pytestmark = pytest.mark.slow

FEW, MANY = 5, 200
DOCUMENTED_TROUBLE = {502, 503}


def judge(operation: Any, case: Any, answer: Any) -> None:
    """Expect an answer that the document describes, and no error of ours."""
    status = answer.status_code
    assert status < 500 or status in DOCUMENTED_TROUBLE, answer.text
    if status not in (404, 405, 414):  # a path that is empty or long is another path
        assert str(status) in operation.statuses, (status, answer.text)
    if status >= 400 and operation.name != "health_ready":
        assert answer.headers["content-type"][0] == MEDIA_TYPE
    if str(status) in operation.statuses:
        case.validate_response(answer, checks=CHECKS)


CHECKS = [content_type_conformance, response_headers_conformance, response_schema_conformance]


def attack(client: Client, name: str, tokens: Iterable[str], number: int) -> None:
    """Send this number of requests for one operation, each with every one of these tokens."""
    operation = operations()[name]
    client.app.state.stopping.set()  # a stream of events ends where it would wait
    schema = schemathesis.openapi.from_asgi(
        "/api/openapi.json", client.app, headers=client.site.headers("admin")
    )
    one = schema[operation.path][operation.method]
    cases = one.as_strategy(generation_mode=GenerationMode.POSITIVE) | one.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )

    @hypothesis.settings(
        max_examples=number, suppress_health_check=list(HealthCheck), deadline=None
    )
    @hypothesis.given(case=cases)
    def attack_once(case: Any) -> None:
        for token in tokens:
            answer = case.call(headers=client.site.headers(token))
            judge(operation, case, answer)

    attack_once()


@pytest.mark.parametrize("name", NAMES)
def test_no_request_is_answered_by_a_mistake(sqlite_client: Client, name: str) -> None:
    attack(sqlite_client, name, ROLES, FEW)


@pytest.mark.harness
@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_no_request_of_many_is_answered_by_a_mistake(client: Client, name: str) -> None:
    attack(client, name, ["admin"], MANY)
