"""A request with a key has its effect once, however often it is sent."""

import threading
from typing import Any

import pytest

from tests.patience import wait_for
from tests.web.client import Client, problem_of

PATH = "/api/ces/lyon/pilots"


def send(
    client: Client, key: str | bytes, token: str = "operate", path: str = PATH, body: Any = None
) -> Any:
    body = body or {"count": 3}
    return client("POST", path, token, json=body, headers={"Idempotency-Key": key})


def test_a_repeat_gets_the_answer_and_makes_nothing(client: Client) -> None:
    before = client.site.numbers()
    first, second = send(client, "k1"), send(client, "k1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert sorted(first.json()["pilots"]) == sorted(set(client.site.numbers()) - set(before))
    assert len(client.site.changes()) == 1


def test_another_key_is_another_request(client: Client) -> None:
    first, second = send(client, "k1"), send(client, "k2")

    assert not set(first.json()["pilots"]) & set(second.json()["pilots"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, {"count": 4}),
        (PATH, {"count": 3, "vo": "lhcb"}),
        ("/api/ces/bari/pilots", {"count": 3}),
    ],
)
def test_a_key_of_another_request_is_refused(
    client: Client, path: str, body: dict[str, Any]
) -> None:
    send(client, "k1")
    before = client.site.numbers()
    other = send(client, "k1", path=path, body=body)

    problem_of(other, 422, "other-request")
    assert client.site.numbers() == before


def test_a_key_belongs_to_its_token(client: Client) -> None:
    first, second = send(client, "k1", "operate"), send(client, "k1", "admin")

    assert (first.status_code, second.status_code) == (201, 201)
    assert not set(first.json()["pilots"]) & set(second.json()["pilots"])


def test_what_was_refused_is_tried_again(client: Client) -> None:
    client("POST", "/api/ces/lyon/pause", json={"reason": "disks"})
    first = send(client, "k1")
    client("POST", "/api/ces/lyon/resume", json={})
    second = send(client, "k1")

    problem_of(first, 409, "in-use")
    assert second.status_code == 201
    assert "Idempotency-Replayed" not in second.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\x80"])
def test_a_key_that_cannot_be_one_is_refused(client: Client, key: str) -> None:
    before = client.site.numbers()
    answer = send(client, key.encode("latin-1"))

    problem_of(answer, 422, "invalid")
    assert client.site.numbers() == before


MAKING = [
    ("/api/ces", {"name": "x", "backend": "sim", "capacity": 3}, "/api/ce_names"),
    ("/api/vos", {"name": "x"}, "/api/vo_names"),
    (
        "/api/credentials",
        {"backend": "arc", "kind": "token", "path": "/nowhere", "vo": "lhcb"},
        "/api/credentials",
    ),
    (
        "/api/ces/lyon/maintenances",
        {"reason": "disks", "ends_at": "2026-05-01T12:00:00Z"},
        "/api/maintenances",
    ),
]


@pytest.mark.parametrize(("path", "body", "listing"), MAKING)
def test_everything_that_makes_something_takes_a_key(
    client: Client, path: str, body: dict[str, Any], listing: str
) -> None:
    before = len(client.get(listing))
    first = send(client, "k1", "admin", path, body)
    second = send(client, "k1", "admin", path, body)

    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(client.get(listing)) == before + 1


def at_once(client: Client, key: str) -> list[Any]:
    """Send one request twice at the same moment; return both answers."""
    start, answers = threading.Barrier(2), []

    def work() -> None:
        start.wait()
        answers.append(send(client, key))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(*threads)
    return answers


def test_of_two_at_the_same_moment_one_is_done(client: Client) -> None:
    """The second waits for the first, and gets its answer."""
    before = client.site.numbers()
    for number in range(10):
        first, second = at_once(client, f"k{number}")
        headers = [one.headers.get("Idempotency-Replayed") for one in (first, second)]

        assert [first.status_code, second.status_code] == [201, 201], (first.text, second.text)
        assert first.json() == second.json()
        assert sorted(headers, key=str) == [None, "true"]
    assert len(client.site.numbers()) == len(before) + 30
