"""A browser gets an error as a page: what is wrong, what to do, and when to try again."""

from typing import Any

import pytest

from tests.web.client import PROBLEM, Client
from tests.web.explaining import read
from worker.db import vos

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


def guess(client: Client, headers: dict[str, str]) -> Any:
    """Guess until the address has to wait; return the last answer."""
    stranger = client.at("10.4.4.4")
    for _ in range(11):
        stranger.get("/api/ces", headers={"Authorization": "Bearer x"})
    return stranger.get("/ces", headers=headers)


def test_who_has_to_wait_gets_a_page_and_a_program_a_problem(sqlite_client: Client) -> None:
    answer = guess(sqlite_client, HTML)
    assert answer.status_code == 429
    assert answer.headers["Content-Type"].startswith("text/html")
    wait = int(answer.headers["Retry-After"])
    page = read(answer.text)
    assert f"Wait {wait} s" in page.one("main").text
    assert page.one("h1").text
    style = page.one("link", rel="stylesheet").attributes["href"]
    assert sqlite_client("GET", style, None).status_code == 200
    assert guess(sqlite_client, JSON).headers["Content-Type"] == PROBLEM


def test_a_mistake_of_ours_is_a_page(
    sqlite_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise ZeroDivisionError("inner words")

    monkeypatch.setattr(vos, "names", fail)
    answer = sqlite_client("GET", "/explain?vo=lhcb", headers=HTML)
    assert answer.status_code == 500
    assert "This is a mistake in Pilotage" in read(answer.text).one("h1").text
    assert "inner words" not in answer.text
    again = sqlite_client("GET", "/explain?vo=lhcb", headers=JSON)
    assert again.headers["Content-Type"] == PROBLEM


def test_what_the_server_does_not_do_is_a_page(sqlite_client: Client) -> None:
    for method, path, status in (("DELETE", "/ces", 405), ("GET", "/ces?x=%00", 422)):
        answer = sqlite_client(method, path, headers=HTML)
        assert answer.status_code == status
        assert read(answer.text).one("h1").text
