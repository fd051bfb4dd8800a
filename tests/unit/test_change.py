"""The stored form of a change: the differences, compact, and never a secret."""

import json
import os
import pwd
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.db.account import account
from worker.domain.change import DEEPEST, LONGEST, MOST, ObjectChange

HERE = socket.gethostname()
NAMES = (
    *("password", "db_passwd", "token", "api_key", "client_secret", "AWS_SECRET_ACCESS_KEY"),
    *("passphrase", "auth-token", "private_key", "pin"),
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
secrets = st.text(LETTERS + "/+=.-_", min_size=12, max_size=60).map(lambda word: f"S3{word}")
shapes = st.sampled_from(
    [
        "https://me:{}@host/x",
        "https://host/x?token={}",
        "https://host/x?api_key={}&y=1",
        "password={}",
        "export DB_PASSWORD={}",
        "run --password {} --fast",
        "Authorization: Bearer {}",
        "curl -u me:{} x",
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    ]
)
ordinary = st.none() | st.booleans() | st.integers() | st.text(max_size=20)


@st.composite
def hidden(draw: st.DrawFn, secret: str) -> tuple[str, Any]:
    """Draw a value that holds a secret, and its name; one of them shows that it is a secret."""
    text = st.just(secret) | st.just([secret, "more"]) | st.just({"value": {"deep": secret}})
    words = st.sampled_from(NAMES).map(lambda name: ["run", f"{name}=the {secret}", f"--{name}"])
    by_word = st.tuples(st.just("command"), words.map(lambda one: [*one, f"my {secret}"]))
    by_name = st.tuples(st.sampled_from(NAMES), text)
    by_shape = st.tuples(
        st.sampled_from(("url", "setup", "environment", "command", "reason")),
        shapes.map(lambda shape: shape.format(secret)),
    )
    entry: tuple[str, Any] = draw(by_name | by_word | by_shape)
    name, value = entry
    for _ in range(draw(st.integers(0, DEEPEST))):
        name, value = draw(st.sampled_from(("options", "source"))), {name: value}
    return name, value


@given(data=st.data(), secret=secrets, other=secrets, beside=st.dictionaries(st.text(), ordinary))
def test_no_secret_is_kept_wherever_it_stands(
    data: st.DataObject, secret: str, other: str, beside: dict[str, Any]
) -> None:
    name, value = data.draw(hidden(secret))
    other_name, other_value = data.draw(hidden(other))
    for before, after in (
        (None, {**beside, name: value}),
        ({name: value}, None),
        ({name: value}, {**beside, other_name: other_value}),
    ):
        change = ObjectChange(kind="ce", name="lyon", verb="set", before=before, after=after)
        stored = json.dumps(change.difference())
        assert secret not in stored
        # Nor is the part of it that a cut would leave.
        assert secret[:10] not in stored


@pytest.mark.parametrize("name", [*NAMES, "pass", "pwd"])
def test_no_secret_is_kept_that_is_a_word_after_its_option(name: str) -> None:
    words = ["run", f"--{name}", "my S3cretOfTheSite"]
    change = ObjectChange(kind="ce", name="lyon", verb="add", after={"command": words})

    assert "S3cret" not in json.dumps(change.difference())


@given(st.recursive(ordinary, lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
@example({str(n): "x" * 1000 for n in range(1000)})
def test_whatever_it_is_its_size_is_bounded_and_it_can_be_stored(value: Any) -> None:
    one = ObjectChange(kind="ce", name="lyon", verb="add", after={"options": value})
    _, after = one.difference()
    text = json.dumps(after, allow_nan=False)

    assert "\\u0000" not in text
    assert text.isascii()
    text.encode("utf-8")
    assert len(text) < (MOST + 2) * (2 * LONGEST * 6 + 10)


def test_only_what_differs_is_kept_and_of_options_only_their_keys() -> None:
    one = ObjectChange(
        kind="ce",
        name="lyon",
        verb="set",
        before={"capacity": 0, "tags": ("a",), "options": {"x": 1, "y": {"z": 1, "w": 2}}},
        after={"capacity": 7, "tags": ("a",), "options": {"y": {"z": 5, "w": 2}}},
    )

    assert one.difference() == (
        {"capacity": 0, "options": {"x": 1, "y": {"z": 1}}},
        {"capacity": 7, "options": {"x": None, "y": {"z": 5}}},
    )


def test_a_secret_that_is_changed_is_a_change_all_the_same() -> None:
    one = ObjectChange(
        kind="ce", name="lyon", verb="set", before={"token": "a"}, after={"token": "b"}
    )
    assert one.difference() == ({"token": "***"}, {"token": "***"})


def test_what_was_made_is_kept_without_what_says_nothing() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    values = {"a": None, "b": False, "c": (), "d": 0, "e": True, "f": moment, "g": ("x y", "z")}
    one = ObjectChange(kind="ce", name="lyon", verb="add", after=values)

    assert one.difference() == (
        None,
        {"d": 0, "e": True, "f": "2026-01-02T03:04:05+00:00", "g": "'x y' z"},
    )


def test_the_account_is_named_with_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert account() == f"{pwd.getpwuid(os.geteuid()).pw_name}@{HERE}"


def test_a_number_without_a_name_is_named_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_123)
    assert account() == f"uid2000000123@{HERE}"


@pytest.mark.parametrize(
    ("user", "suffix"),
    [
        ("alice", " (for alice)"),
        ("", ""),
        ("a)\n(x", " (for ax)"),
        ("b" * 99, f" (for {'b' * 64})"),
    ],
)
def test_behind_sudo_both_accounts_are_named(
    monkeypatch: pytest.MonkeyPatch, user: str, suffix: str
) -> None:
    own = f"{pwd.getpwuid(os.geteuid()).pw_name}@{HERE}"
    monkeypatch.setenv("SUDO_USER", user)
    assert account() == own + suffix


def test_somebody_who_becomes_himself_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setenv("SUDO_USER", own)
    assert account() == f"{own}@{HERE}"


def test_of_two_changes_of_one_object_the_last_verb_says_what_came_of_it() -> None:
    pause = ObjectChange(
        kind="ce",
        name="lyon",
        verb="pause",
        before={"sending": "normal"},
        after={"sending": "paused"},
    )
    resume = ObjectChange(
        kind="ce",
        name="lyon",
        verb="resume",
        before={"sending": "paused"},
        after={"sending": "held"},
    )
    change = ObjectChange(kind="ce", name="lyon", verb="add", before=None, after={"capacity": 1})

    assert pause.followed_by(resume).verb == "resume"
    assert pause.followed_by(resume).before == {"sending": "normal"}
    assert change.followed_by(pause).verb == "add"
