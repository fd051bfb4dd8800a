"""Who may do what: each operation of the OpenAPI document, for each kind of token."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tests.cli.command import contents
from tests.web.client import Client, paths_of, problem_of
from tests.web.requests import CHANGING, FOR_LHCB, LOOKING, Request, address, fill
from tests.web.site import ROLES
from worker import wiring
from worker.domain.access import RANKS, Role
from worker.domain.change import Door
from worker.web.app import make_app
from worker.web.callers import OPEN, SIGNING_IN
from worker.web.console import pages as console

WITHOUT_A_ROLE = {"/api/openapi.json", "/sign-out", "/api/pilots/me"}
"""Operations for everybody with a token, and those for pilots only."""

ELSEWHERE = {"diracx_change"}
"""Its body consists of stamps of pilots; the tests with DiracX's client cover it."""

PAGES = {route.path for route in console.router().routes if isinstance(route, APIRoute)}
"""The pages for people, which have tests of their own."""

HELD = {
    "admin": Role.ADMIN,
    "operate": Role.OPERATE,
    "operate-lhcb": Role.OPERATE,
    "read": Role.READ,
}


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    name: str
    method: str
    path: str
    role: Role
    for_one_vo: bool
    statuses: frozenset[str]

    def lets_in(self, token: str) -> bool:
        """Return whether its role and scope let a token in."""
        may = RANKS[HELD[token]] >= RANKS[self.role]
        return may and (self.for_one_vo or token != "operate-lhcb")


@cache
def operations() -> dict[str, Operation]:
    """Return the operations of the document that need a role, by name."""
    document = make_app(wiring.runtime(), checks={}).openapi()
    return {
        values["operationId"]: Operation(
            values["operationId"],
            method.upper(),
            path,
            Role(values["x-role"]),
            values["x-for-one-vo"],
            frozenset(values["responses"]),
        )
        for path, methods in document["paths"].items()
        for method, values in methods.items()
        if path not in OPEN and values["x-role"] != "pilot"
        if values["operationId"] not in ELSEWHERE
    }


NAMES = sorted({*CHANGING, *LOOKING})


def send(
    client: Client, name: str, token: str | None, request: Request | None = None, **more: Any
) -> Any:
    """Send the request for an operation."""
    operation = operations()[name]
    request = request or {**CHANGING, **LOOKING}[name]
    body = {} if request.body is None else {"json": fill(request.body, client.site)}
    path = address(operation.path, request, client.site)
    return client(operation.method, path, token, **{**body, **more})


def wrong(name: str) -> Request:
    """Return a request for an operation with values that cannot be used."""
    usual = {**CHANGING, **LOOKING}[name]
    return replace(usual, query="after=nonsense&nonsense=1")


def test_each_operation_of_the_document_has_its_request() -> None:
    assert set(NAMES) == operations().keys()
    assert not CHANGING.keys() & LOOKING.keys()
    assert FOR_LHCB.keys() == {n for n in CHANGING if operations()[n].for_one_vo}


def test_each_path_that_is_served_is_in_the_document_or_named_here(sqlite_client: Client) -> None:
    paths = paths_of(sqlite_client.app)
    api = {(one.method, one.path) for one in operations().values()}

    exceptions = OPEN | WITHOUT_A_ROLE | SIGNING_IN | PAGES | {"/api/pilots/metadata"}
    assert {path for method, path in paths if (method, path) not in api} <= exceptions
    assert api <= paths


def test_only_life_and_a_style_are_open(sqlite_client: Client) -> None:
    # The second says that it issues no token; DiracX's client reads it first.
    style = "/sign-in/style.css"  # of the page for those who have to wait
    assert set(OPEN) == {"/health/live", "/.well-known/openid-configuration", style}
    assert sqlite_client.get("/health/live", None) == {"is_alive": True}
    for method, path in paths_of(sqlite_client.app):
        if path not in OPEN | SIGNING_IN:
            problem_of(sqlite_client(method, path, None), 401, "not-signed-in")


@pytest.mark.parametrize("name", NAMES)
def test_who_is_not_known_gets_no_further(sqlite_client: Client, name: str) -> None:
    """The request is not read, whatever else is wrong with it."""
    client, before = sqlite_client, contents(sqlite_client.site.world.database)
    for token in (None, "expired", "revoked"):
        answer = send(client, name, token, content=b"{nonsense")

        problem_of(answer, 401, "not-signed-in")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert contents(client.site.world.database) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_role_lets_in_or_not(sqlite_client: Client, name: str) -> None:
    """The refusal does not say what else is wrong with the request."""
    client, operation, request = sqlite_client, operations()[name], wrong(name)
    before = contents(client.site.world.database)
    for token in [one for one in ROLES if not operation.lets_in(one)]:
        problem_of(send(client, name, token, request, content=b"{nonsense"), 403, "not-allowed")
        problem_of(send(client, name, token), 403, "not-allowed")
    after = contents(client.site.world.database)

    assert client.site.changes() == []
    assert {**after, "tokens": []} == {**before, "tokens": []}  # its last use changes
    for token in [one for one in ROLES if operation.lets_in(one)]:
        answer = send(client, name, token, request, content=b"{nonsense")
        is_of_another_vo = token == "operate-lhcb" and name in FOR_LHCB
        assert answer.status_code not in (401, 403) or is_of_another_vo


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_a_change_has_the_name_of_its_token(client: Client, name: str) -> None:
    answer = send(client, name, "admin")

    assert answer.is_success, answer.text
    [row] = client.site.changes()
    assert (row.who, row.door) == ("admin (token)", Door.API)
    assert f"{row.kind} {row.name}".startswith(fill(CHANGING[name].of, client.site))
    assert row.before != row.after


@pytest.mark.parametrize("name", sorted(LOOKING.keys() - {"events_events"}))
def test_what_looks_leaves_no_name(sqlite_client: Client, name: str) -> None:
    answer = send(sqlite_client, name, "read" if "tokens" not in name else "admin")

    assert answer.status_code == (503 if name == "health_ready" else 200), answer.text
    assert sqlite_client.site.changes() == []


@pytest.mark.parametrize("name", sorted(FOR_LHCB))
def test_who_operates_for_a_vo_does_so_for_this_one_alone(client: Client, name: str) -> None:
    """The usual requests are about other VOs."""
    usual = CHANGING[name] if name != "vos_clear" else Request("cms")
    before = contents(client.site.world.database)
    problem_of(send(client, name, "operate-lhcb", usual), 403, "not-allowed")
    after = contents(client.site.world.database)
    answer = send(client, name, "operate-lhcb", FOR_LHCB[name])

    assert {**after, "tokens": []} == {**before, "tokens": []}
    assert answer.is_success, answer.text
    [row] = client.site.changes()
    assert (row.who, row.door) == ("operate-lhcb (token)", Door.API)
    assert f"{row.kind} {row.name}".startswith(fill(FOR_LHCB[name].of, client.site))


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("ces_change_ce", Request("lyon", {"capacity": 1})),
        ("ces_change_ce", Request("lyon", {"enabled": False, "capacity": 1})),
        ("vos_change_vo", Request("cms", {"share": 9})),
        ("vos_change_vo", Request("lhcb", {"limit": None})),
    ],
)
def test_who_operates_changes_no_settings(client: Client, name: str, request_: Request) -> None:
    for token in ("operate", "operate-lhcb"):
        problem_of(send(client, name, token, request_), 403, "not-allowed")

    assert client.site.changes() == []


def test_a_token_that_is_revoked_is_out_at_once(client: Client) -> None:
    assert client("DELETE", "/api/tokens/operate").status_code == 200

    problem_of(client("GET", "/api/status", "operate"), 401, "not-signed-in")


def test_a_token_that_is_made_is_in_at_once(client: Client) -> None:
    body = {"name": "new", "role": "operate", "vo": "lhcb"}
    new_token = client("POST", "/api/tokens", json=body).json()
    client.site.secrets["new"] = new_token["secret"]

    assert client("POST", "/api/ces/lyon/pilots", "new", json={"vo": "lhcb"}).status_code == 201
    items = client.get("/api/tokens")["items"]
    assert new_token["token"]["name"] in [one["name"] for one in items]
    assert new_token["secret"] not in str(items) + str(contents(client.site.world.database))


def test_who_guesses_waits_and_nobody_else_does(sqlite_client: Client) -> None:
    """A request without a token is no guess; a valid token from another address is not slowed."""
    guesser = sqlite_client.at("10.3.3.3")
    for _ in range(30):
        answer = guesser.get("/api/status")
        assert answer.status_code == 401
    guess = {"Authorization": "Bearer pilotage_guess"}
    statuses = [guesser.get("/api/status", headers=guess).status_code for _ in range(30)]

    assert set(statuses) == {401, 429}
    assert statuses == sorted(statuses)
    assert sqlite_client.at("10.4.4.4").get("/api/status", headers=guess).status_code == 401


@pytest.mark.parametrize(
    "line",
    ["", "Bearer", "Bearer ", "Basic cm9vdDpyb290", "Bearer \xff\xfe", "Bearer a b", "x" * 9000],
)
def test_a_line_of_nonsense_lets_nobody_in(sqlite_client: Client, line: str) -> None:
    headers = {"Authorization": line.encode("latin-1")}

    problem_of(sqlite_client("GET", "/api/status", None, headers=headers), 401, "not-signed-in")


def test_a_session_changes_things_from_its_own_pages_alone(client: Client) -> None:
    """A browser sends the cookie also with the requests of another site."""
    cookie = {"Cookie": f"pilotage_session={client.site.secrets['admin']}"}
    change = ("POST", "/api/ces/lyon/pause", None)

    def status_with(**headers: str) -> int:
        answer = client(*change, json={"reason": "disks"}, headers={**cookie, **headers})
        return int(answer.status_code)

    assert client("GET", "/api/status", None, headers=cookie).status_code == 200
    assert (
        status_with()
        == status_with(Origin="https://elsewhere")
        == status_with(Origin="null")
        == 403
    )
    assert client.site.changes() == []
    assert status_with(Origin="http://testserver") == 204
