"""The life of a credential: the rest of it, its warnings, and its renewal."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.expectations import refused
from tests.factories import NOW
from worker.domain.credential import (
    Credential,
    CredentialKind,
    State,
    called,
    left,
    problem_of,
    renewal_due,
    state,
    used,
    warning,
)
from worker.domain.errors import Invalid
from worker.domain.lengths import in_two_units

HOUR = timedelta(hours=1)
FRESH = Credential(
    vo="lhcb",
    backend="arc",
    kind=CredentialKind.PROXY,
    path="/secrets/proxy",
    issued_at=NOW,
    expires_at=NOW + 10 * HOUR,
    checked_at=NOW,
)


def after(hours: float) -> Credential:
    """Return the credential as it was checked after some hours."""
    return replace(FRESH, checked_at=NOW + hours * HOUR)


@pytest.mark.parametrize(
    ("hours", "result"),
    [
        (0, State.GOOD),
        (4.9, State.GOOD),
        (5, State.HALF_USED),
        (7.9, State.HALF_USED),
        (8, State.SHORT),
        (9.99, State.SHORT),
        (10, State.UNUSABLE),
        (99, State.UNUSABLE),
    ],
)
def test_a_state_follows_from_the_share_of_life_that_is_used(hours: float, result: State) -> None:
    assert state(FRESH, NOW + hours * HOUR) is result


def test_what_nobody_knows_is_no_problem() -> None:
    endless = replace(FRESH, issued_at=None, expires_at=None)

    assert (left(endless, NOW), used(endless, NOW)) == (None, None)
    assert state(endless, NOW + 1000 * HOUR) is State.GOOD
    assert problem_of(endless, NOW) is None
    assert state(replace(endless, checked_at=None), NOW) is State.UNSEEN
    assert used(replace(FRESH, issued_at=FRESH.expires_at), NOW) == 1
    assert used(FRESH, NOW - HOUR) == 0
    assert left(FRESH, NOW + 11 * HOUR) == timedelta()


def test_trouble_names_whose_credential_it_is() -> None:
    credential = replace(FRESH, vo=None, problem="its file is missing")

    assert called(credential) == "the proxy of all VOs for arc"
    assert problem_of(credential, NOW, "atlas") == (
        "the proxy of VO atlas for arc cannot be used: its file is missing: /secrets/proxy"
    )
    assert problem_of(FRESH, NOW + 10.2 * HOUR) == (
        "the proxy of VO lhcb for arc expired 12 min ago: /secrets/proxy"
    )


def test_each_warning_comes_once() -> None:
    lines = []
    before = replace(FRESH, checked_at=None)
    for tenths in range(0, 120, 5):
        later = after(tenths / 10)
        lines.append(warning(before, later, NOW + tenths / 10 * HOUR))
        before = later

    assert [line for line in lines if line] == [
        "the proxy of VO lhcb for arc has used up 50% of its life and expires in 5 h",
        "the proxy of VO lhcb for arc has used up 80% of its life and expires in 2 h",
        "the proxy of VO lhcb for arc expired 0 s ago: /secrets/proxy",
    ]


def test_a_renewed_credential_is_warned_of_again() -> None:
    half = after(6)
    new = replace(half, expires_at=NOW + 20 * HOUR, issued_at=NOW + 6 * HOUR)

    assert warning(half, new, NOW + 6 * HOUR) is None
    later = replace(new, checked_at=NOW + 13 * HOUR)
    assert "50%" in str(warning(new, later, NOW + 13 * HOUR))


def test_a_problem_is_warned_of_once() -> None:
    absent = replace(FRESH, issued_at=None, expires_at=None, problem="its file is missing")

    assert "its file is missing" in str(warning(FRESH, absent, NOW))
    assert warning(absent, absent, NOW + HOUR) is None
    assert warning(absent, replace(absent, problem="its file is empty"), NOW + HOUR) is None
    assert warning(absent, FRESH, NOW) is None


@pytest.mark.parametrize(
    ("changes", "hours", "is_due"),
    [
        ({}, 4.9, False),
        ({}, 5, True),
        ({}, 11, True),
        ({"renew": None}, 11, False),
        ({"retry_at": NOW + 6 * HOUR}, 5.9, False),
        ({"retry_at": NOW + 6 * HOUR}, 6, True),
        ({"problem": "its file is missing"}, 0, True),
        ({"issued_at": None, "expires_at": None}, 999, False),
    ],
)
def test_it_is_renewed_when_half_of_it_is_used_or_it_cannot_be(
    changes: dict[str, object], hours: float, is_due: bool
) -> None:
    one = replace(FRESH, **{"renew": ("renew",), **changes})  # type: ignore[arg-type]

    assert renewal_due(one, NOW + hours * HOUR) is is_due


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "relative"}, "it is not an absolute path"),
        ({"path": "/a\nb"}, "is not an absolute path"),
        ({"renew": ()}, "it names no program"),
        ({"renew": ("",)}, "it names no program"),
        ({"renew": ("a", "b\0")}, "it is a list of words"),
        ({"backend": "a b"}, "back-end name"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], words: str) -> None:
    with refused(Invalid, words):
        replace(FRESH, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (3601, "1 h"),
        (86400, "1 day"),
        (2 * 86400 + 7200 + 59, "2 days 2 h"),
    ],
)
def test_a_length_is_said_in_two_units(seconds: float, text: str) -> None:
    assert in_two_units(timedelta(seconds=seconds)) == text
