"""Two people change one thing: the second is refused if the thing has changed meanwhile."""

from typing import Any

import pytest

from tests.web.client import Client, problem_of
from tests.web.site import SLASHED

THINGS = [
    ("/api/ces/lyon", {"capacity": 501}, {"capacity": 502}),
    (f"/api/ces/{SLASHED.replace('/', '%2F')}", {"enabled": False}, {"draining": True}),
    ("/api/vos/lhcb", {"limit": 7}, {"share": 3.5}),
]


@pytest.mark.parametrize(("path", "first", "second"), THINGS)
def test_the_second_of_two_who_change_one_thing_is_refused(
    client: Client, path: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    versions = [client("GET", path).headers["ETag"] for _ in range(2)]
    change = client("PATCH", path, json=first, headers={"If-Match": versions[0]})
    before = client.site.changes()
    refusal = client("PATCH", path, json=second, headers={"If-Match": versions[1]})
    now = client("GET", path)

    assert versions[0] == versions[1]
    assert change.status_code == 200
    problem_of(refusal, 412, "changed-meanwhile")
    assert now.json() == change.json()
    assert change.headers["ETag"] == now.headers["ETag"] != versions[0]
    assert client.site.changes() == before
    again = client("PATCH", path, json=second, headers={"If-Match": now.headers["ETag"]})
    assert again.status_code == 200
    assert again.json() == client.get(path)


@pytest.mark.parametrize(("path", "first", "second"), THINGS)
def test_without_a_version_the_last_change_stands(
    client: Client, path: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    client("GET", path)
    for values in (first, second):
        assert client("PATCH", path, json=values).status_code == 200
    now = client.get(path)

    assert now.items() >= {**first, **second}.items()


@pytest.mark.parametrize("word", ["", "nonsense", '"nonsense"', "W/"])
def test_a_version_that_never_was_is_refused(client: Client, word: str) -> None:
    before = client.get("/api/ces/lyon")
    answer = client("PATCH", "/api/ces/lyon", json={"capacity": 9}, headers={"If-Match": word})

    problem_of(answer, 412, "changed-meanwhile")
    assert client.get("/api/ces/lyon") == before


def test_a_star_is_any_version(client: Client) -> None:
    """HTTP says so of If-Match."""
    answer = client("PATCH", "/api/ces/lyon", json={"capacity": 9}, headers={"If-Match": "*"})

    assert answer.status_code == 200


def test_several_versions_are_refused(client: Client) -> None:
    before = client.site.changes()
    tag = client("GET", "/api/vos/lhcb").headers["ETag"]
    headers = {"If-Match": f'"old", {tag}'}
    answer = client("PATCH", "/api/vos/lhcb", json={"limit": 9}, headers=headers)

    problem_of(answer, 422, "invalid")
    assert client.site.changes() == before


def test_a_version_that_a_proxy_called_weak_is_the_same(client: Client) -> None:
    tag = client("GET", "/api/vos/lhcb").headers["ETag"]
    headers = {"If-Match": f"W/{tag}"}

    assert client("PATCH", "/api/vos/lhcb", json={"limit": 9}, headers=headers).status_code == 200


def test_what_was_learnt_of_a_ce_is_no_new_version(client: Client) -> None:
    tag = client("GET", "/api/ces/lyon").headers["ETag"]
    answer = client("POST", "/api/ces/lyon/pause", json={"reason": "disks"})

    assert answer.status_code == 204
    assert client("GET", "/api/ces/lyon").headers["ETag"] == tag
