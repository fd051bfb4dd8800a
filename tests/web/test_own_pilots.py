"""The requests of the pilot system that Pilotage grew from: submit, summary, and no access."""

import pytest

from tests.web.client import Client, problem_of
from worker.domain.pilot import Status

pytestmark = pytest.mark.usefixtures("site")


def test_a_pilot_is_submitted_and_counted(client: Client) -> None:
    before = client.get("/api/my_pilots/summary").get(Status.RESERVED, 0)
    answer = client("POST", "/api/my_pilots/submit/lyon", "operate")
    assert answer.status_code == 200
    shown = client.get(f"/api/pilots/{answer.json()}")
    assert (shown["ce"], shown["vo"], shown["status"]) == ("lyon", "default", "reserved")
    assert client.get("/api/my_pilots/summary")[Status.RESERVED] == before + 1


def test_the_summary_of_no_pilots_is_empty(client: Client) -> None:
    for pilot in client.get("/api/pilots", token="read")["items"]:
        assert pilot["status"] in client.get("/api/my_pilots/summary", token="read")


def test_nobody_submits_without_the_role(client: Client) -> None:
    before = client.get("/api/my_pilots/summary")
    problem_of(client("POST", "/api/my_pilots/submit/lyon", None), 401)
    problem_of(client("POST", "/api/my_pilots/submit/lyon", "read"), 403)
    problem_of(client("GET", "/api/my_pilots/summary", None), 401)
    assert client.get("/api/my_pilots/summary") == before


def test_a_ce_that_is_not_there_is_a_problem(client: Client) -> None:
    problem_of(client("POST", "/api/my_pilots/submit/nowhere", "operate"), 404, "unknown-ce")
