"""A reverse proxy: it keeps the prefix of the path or removes it, and names have a slash."""

from typing import Any

import pytest

from tests.web.apps import app_on
from tests.web.client import Client, problem_of
from tests.web.requests import CHANGING, LOOKING, address
from tests.web.site import SLASHED, Site
from tests.web.test_access import operations

NAME = SLASHED.replace("/", "%2F")


@pytest.fixture
def behind(sqlite_site: Site) -> Client:
    """The application under the prefix of a proxy."""
    return Client(app_on(sqlite_site.world.runtime(), prefix="/pilotage"), sqlite_site)


@pytest.mark.parametrize("prefix", ["", "/pilotage"])
def test_a_prefix_may_be_there_or_be_taken_away(behind: Client, prefix: str) -> None:
    for path in ("/health/live", "/api/status", f"/api/ces/{NAME}", "/metrics"):
        assert behind("GET", f"{prefix}{path}").status_code == 200, path
    problem_of(behind("GET", f"{prefix}/api/status", None), 401)
    problem_of(behind("GET", f"{prefix}/api/nothing"), 404)
    problem = problem_of(behind("GET", f"{prefix}/api/ces/nowhere"), 404)

    assert problem["type"] == "/pilotage/api/problems/unknown-ce"
    assert behind.get(problem["type"])["type"] == problem["type"]
    document = behind.get(f"{prefix}/api/openapi.json")
    assert document["servers"] == [{"url": "/pilotage"}]


@pytest.mark.parametrize("path", ["/pilotagex/api/status", "/pilotage/pilotage/api/status"])
def test_another_prefix_is_no_prefix(behind: Client, path: str) -> None:
    problem_of(behind("GET", path), 404)


def test_life_alone_is_open_behind_a_prefix(behind: Client) -> None:
    for path in ("/pilotage/health/live/", "/health/live/../ready", "/health/live%2F..%2Fready"):
        assert behind("GET", path, None).status_code in (401, 404), path


OF_A_CE = [
    name
    for name in sorted({*CHANGING, *LOOKING})
    if "ces/{" in operations()[name].path or "submit/{ce}" in operations()[name].path
]


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
@pytest.mark.parametrize("name", OF_A_CE)
def test_a_name_with_a_slash_stands_in_every_path(
    sqlite_client: Client, name: str, slash: str
) -> None:
    client, request = sqlite_client, {**CHANGING, **LOOKING}[name]
    operation = operations()[name]
    path = address(operation.path, request, client.site)
    word = request.path.split()[0]
    body: Any = {} if request.body is None else {"json": request.body}
    answer = client(
        operation.method, path.replace(f"/{word}", f"/{SLASHED.replace('/', slash)}"), **body
    )

    statuses = {"ces_resume": 422, "ces_remove_ce": 409, "ces_remove_maintenance": 404}
    if name in statuses:
        assert SLASHED in problem_of(answer, statuses[name])["detail"]
    else:
        assert answer.is_success, answer.text


@pytest.mark.parametrize("mark", ["%252F", "%25", "+", "@", "%3A", "~x", "%C3%A9", "%00", "%FF"])
def test_an_odd_name_is_unknown_and_no_mistake(sqlite_client: Client, mark: str) -> None:
    answer = sqlite_client("GET", f"/api/ces/a{mark}b")

    assert answer.status_code in (404, 422), answer.text
    problem_of(answer, answer.status_code)
