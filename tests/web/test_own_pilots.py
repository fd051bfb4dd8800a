"""The requests of the pilot system before Pilotage: submit, summary, and no access."""

from pathlib import Path

from starlette.testclient import TestClient

from tests.services.world import World
from tests.web.apps import app_on
from tests.web.client import Client, problem_of
from worker.db.database import Database
from worker.domain.access import Role
from worker.domain.pilot import Status
from worker.services.operate import tokens


def test_a_pilot_is_submitted_and_counted(client: Client) -> None:
    before = client.get("/api/my_pilots/summary").get(Status.RESERVED, 0)
    answer = client("POST", "/api/my_pilots/submit/lyon", "operate")
    assert answer.status_code == 200
    pilot = client.get(f"/api/pilots/{answer.json()}")
    assert (pilot["ce"], pilot["vo"], pilot["status"]) == ("lyon", "default", "reserved")
    assert client.get("/api/my_pilots/summary")[Status.RESERVED] == before + 1


def test_a_request_that_is_sent_again_submits_no_second_pilot(client: Client) -> None:
    before = client.site.numbers()
    key = {"headers": {"Idempotency-Key": "monday"}}
    answers = [client("POST", "/api/my_pilots/submit/lyon", "operate", **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert client.site.numbers() == [*before, answers[0].json()]
    other = client("POST", "/api/my_pilots/submit/bari", "operate", **key)
    problem_of(other, 422, "other-request")


def test_the_summary_of_no_pilots_is_empty(sqlite_database: Database, tmp_path: Path) -> None:
    runtime = World(sqlite_database, tmp_path).runtime()
    secret = tokens.create(runtime, "reader", Role.READ).secret
    headers = {"Authorization": f"Bearer {secret}"}
    answer = TestClient(app_on(runtime)).get("/api/my_pilots/summary", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})


def test_nobody_submits_without_the_role(client: Client) -> None:
    before = client.get("/api/my_pilots/summary")
    problem_of(client("POST", "/api/my_pilots/submit/lyon", None), 401)
    problem_of(client("POST", "/api/my_pilots/submit/lyon", "read"), 403)
    problem_of(client("GET", "/api/my_pilots/summary", None), 401)
    assert client.get("/api/my_pilots/summary") == before


def test_a_ce_that_is_not_there_is_a_problem(client: Client) -> None:
    problem_of(client("POST", "/api/my_pilots/submit/nowhere", "operate"), 404, "unknown-ce")
