"""Secrets of pilots: they are derived, bound to one pilot, and recognised as secrets."""

import re
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.pilot_secret import NO_KEYS, PilotKeys, is_pilot_secret, read_keys
from worker.domain.secrets import without_secrets
from worker.domain.token import is_secret

ONE, OTHER = "1" * 32, "another key of 32 characters, or more"
STAMP, FOREIGN = "ab" * 16, "cd" * 16
KEYS = PilotKeys((ONE,))


def test_a_secret_is_known_for_its_pilot_and_is_the_same_each_time() -> None:
    secret = KEYS.secret_of(STAMP)

    assert KEYS.stamp_of(secret) == STAMP
    assert PilotKeys((ONE,)).secret_of(STAMP) == secret
    assert is_pilot_secret(secret)
    assert not is_secret(secret)
    assert ONE not in secret
    assert ONE not in repr(KEYS)


def test_the_secret_of_one_pilot_is_none_of_another() -> None:
    forgery = KEYS.secret_of(STAMP).replace(STAMP, FOREIGN)

    assert is_pilot_secret(forgery)
    assert KEYS.stamp_of(forgery) is None
    assert KEYS.secret_of(FOREIGN)[-43:] != KEYS.secret_of(STAMP)[-43:]


@given(st.integers(0, 200), st.characters())
def test_a_secret_with_another_character_is_nobodys(place: int, other: str) -> None:
    secret = KEYS.secret_of(STAMP)
    place %= len(secret)
    altered_secret = secret[:place] + other + secret[place + 1 :]

    assert altered_secret == secret or KEYS.stamp_of(altered_secret) is None


def test_the_last_character_has_one_form_alone() -> None:
    """Base64 has unused bits at its end; a text that differs there is not the secret."""
    secret = KEYS.secret_of(STAMP)
    twins = [secret[:-1] + end for end in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij0123456789_-"]

    assert [one for one in twins if KEYS.stamp_of(one)] in ([], [secret])


@pytest.mark.parametrize("text", ["", "x", "pilotage_", f"pilotage_pilot_{STAMP}", "ü" * 100])
def test_what_is_no_secret_is_nobodys(text: str) -> None:
    assert not is_pilot_secret(text)
    assert KEYS.stamp_of(text) is None


def test_of_several_keys_the_first_makes_secrets_and_each_knows_its_own() -> None:
    old, new = PilotKeys((ONE,)), PilotKeys((OTHER, ONE))

    assert new.secret_of(STAMP) != old.secret_of(STAMP)
    assert new.stamp_of(old.secret_of(STAMP)) == new.stamp_of(new.secret_of(STAMP)) == STAMP
    assert PilotKeys((OTHER,)).stamp_of(old.secret_of(STAMP)) is None
    assert NO_KEYS.stamp_of(old.secret_of(STAMP)) is None
    assert not NO_KEYS


def test_keys_are_read_one_a_line() -> None:
    assert read_keys(f"  {ONE}\n\n{'2' * 32}\n") == PilotKeys((ONE, "2" * 32))
    with pytest.raises(ValueError, match="32 characters"):
        read_keys(f"{ONE}\nshort")


def test_it_is_taken_out_of_whatever_is_kept_or_shown() -> None:
    secret = KEYS.secret_of(STAMP)
    for text in (secret, f"got {secret}.", f"curl -H 'x: {secret}'", f"secret={secret}\n"):
        assert secret[-43:] not in without_secrets(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret[-43:])
    assert len(urlsafe_b64encode(b"\0" * 32).rstrip(b"=")) == 43
