"""Every error is a problem document, and shows nothing secret."""

import json
import re
from typing import Any

import pytest

from tests.unit.test_errors import KINDS
from tests.web.client import PROBLEM, Client, problem_of
from worker.db import vos
from worker.domain.errors import PilotageError, word_of
from worker.web import problems
from worker.web.problems import status_of, type_of

SECRET = "S3cr3tS3cr3tS3cr3t"
OURS = {
    "PilotageError",
    "TaskFailed",
    "CETestFailed",
    "AlreadyUp",
    "NestedUnitOfWork",
    "ServerUnavailable",
    "ServerUnreadable",
}
"""The status of an error of ours, with which no request may end."""


def test_every_kind_of_error_has_a_status_of_its_own_or_of_its_family() -> None:
    assert {kind.__name__ for kind in KINDS if status_of(kind) == 500} == OURS
    assert len({type_of(kind) for kind in KINDS}) == len(KINDS)
    assert set(problems.STATUSES) <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_of_a_problem_is_a_page(sqlite_client: Client, kind: type[PilotageError]) -> None:
    page = sqlite_client.get(type_of(kind), "read")

    assert page["type"] == type_of(kind)
    assert page["title"] == str(kind.__doc__).strip().rstrip(".")
    assert page["status"] == status_of(kind)
    assert page["advice"] or kind.__name__ in ("PilotageError", "DatabaseError")


def test_a_page_of_nothing_is_not_found(sqlite_client: Client) -> None:
    problem_of(sqlite_client("GET", "/api/problems/nonsense"), 404, "not-found")
    problem_of(sqlite_client("GET", "/api/problems/unknown-ce", None), 401)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_an_action_is_its_problem(
    sqlite_client: Client, monkeypatch: pytest.MonkeyPatch, kind: type[PilotageError]
) -> None:
    def fail(*_: object) -> Any:
        error = kind.__new__(kind)
        PilotageError.__init__(error, "what", f"postgresql://me:{SECRET}@host/db failed")
        raise error

    monkeypatch.setattr(vos, "names", fail)
    values = problem_of(sqlite_client("GET", "/api/vo_names"), status_of(kind), word_of(kind))

    assert values["detail"].startswith(values["title"])
    assert values["details"][0] == "what"
    assert SECRET not in str(values)


def test_a_mistake_of_ours_says_nothing(
    sqlite_client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(vos, "names", fail)
    values = problem_of(sqlite_client("GET", "/api/vo_names"), 500)

    assert values["type"] == "about:blank"
    assert SECRET not in str(values)
    assert "GET /api/vo_names" in caplog.text


BODY = {"json": {"name": SECRET}}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "method", "path", "more"),
    [
        (404, "GET", f"/api/{SECRET}", {}),
        (404, "GET", "/nothing", {}),
        (405, "PUT", "/api/ces", BODY),
        (405, "POST", "/health/live", {}),
        (413, "POST", "/api/ces", {"content": b" " * (1 << 20) + b"{}", "headers": JSON}),
        (413, "POST", "/api/ces", {"content": iter([b" " * 70_000] * 16), "headers": JSON}),
        (413, "POST", "/api/ces", {"content": b"{}", "headers": {"Content-Length": "9" * 30}}),
        (414, "GET", f"/api/ces?search={'x' * 9000}", {}),
        (422, "POST", "/api/ces", {"content": f'{{"{SECRET}'.encode(), "headers": JSON}),
        (422, "POST", "/api/ces", {"content": b"\xff\xfe", "headers": JSON}),
        (422, "POST", "/api/ces", {"content": b"[" * 100_000, "headers": JSON}),
        (422, "POST", "/api/ces", {"content": b'{"name": ' + b"9" * 5000 + b"}", "headers": JSON}),
        (422, "POST", "/api/ces", {"data": {"name": SECRET}}),
        (422, "POST", "/api/ces", {"content": b"a,b", "headers": {"Content-Type": "text/csv"}}),
        (422, "POST", "/api/ces", {}),
        (422, "POST", "/api/ces", BODY),
        (422, "GET", f"/api/ces?limit={SECRET}", {}),
        (422, "GET", "/api/ces?search=%00", {}),
        (422, "POST", "/api/my_pilots/submit/lyon?vo=%00", {}),
        (422, "GET", "/pilots?ce=%00", {}),
        (422, "GET", "/api/ces/%00", {}),
        (422, "GET", f"/api/pilots?status={SECRET}", {}),
        (422, "DELETE", f"/api/ces/lyon/maintenances/{SECRET}", {}),
        (422, "PATCH", "/api/ces/lyon", {"json": {"capacity": SECRET}}),
        (422, "PUT", "/api/vos/lhcb/payload", {"json": {"script": [SECRET]}}),
    ],
)
def test_what_is_wrong_with_a_request_is_a_problem_without_its_values(
    sqlite_client: Client, status: int, method: str, path: str, more: Any
) -> None:
    answer = sqlite_client(method, path, **more)

    values = problem_of(answer, status)
    assert SECRET not in answer.text
    assert len(answer.text) < 4000
    assert values["detail"]


def test_the_document_says_what_a_problem_is(document: Any) -> None:
    schemas = document["components"]["schemas"]
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert "Problem" in names
    assert names <= schemas.keys()


def test_what_takes_one_value_is_not_given_two(sqlite_client: Client) -> None:
    query = "/api/pilots?ce=lyon&ce=rome"
    problem = problem_of(sqlite_client("GET", query, "read"), 422)
    assert "ce: it is given twice: give it once" in problem["detail"]


def test_who_has_to_wait_is_told_for_how_long(sqlite_client: Client) -> None:
    stranger = sqlite_client.at("10.3.3.3")
    for _ in range(11):
        answer = stranger.get("/api/me", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 429
    assert f"try again in {answer.headers['Retry-After']} s" in answer.json()["detail"]


@pytest.mark.parametrize("token", ["expired", "revoked"])
def test_what_was_a_token_once_is_no_guess(sqlite_client: Client, token: str) -> None:
    """An open page goes on asking after its session is over; others may share its address."""
    for _ in range(30):
        problem_of(sqlite_client("GET", "/api/me", token), 401)
    assert sqlite_client.get("/api/me", "read")["role"] == "read"


def test_an_answer_is_for_its_reader_alone(sqlite_client: Client) -> None:
    for path in ("/api/status", "/api/nothing", "/health/live", "/metrics"):
        headers = sqlite_client("GET", path).headers

        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    assert sqlite_client("GET", "/api/nothing").headers["content-type"] == PROBLEM
