"""The names and numbers that a VO and a CE may have."""

import math
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tests.expectations import refused
from worker.domain.ce import CE
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.vo import VO

HOSTILE = [
    "",
    " ",
    "two words",
    "-option",
    ".hidden",
    "a;b",
    "a'b",
    'a"b',
    "a\nb",
    "a\n",
    "a\0b",
    "$(reboot)",
    "a`b",
    "a*b",
    "a\\b",
    "a%b",
    "été",
    "a\u202eb",
    "a" * 129,
]
FAR_TOO_LARGE: list[Any] = [2**31, pytest.param(10**400, id="10**400")]
BELOW: list[Any] = [-1, -0.5, -(2**31)]
NOT_NUMBERS = [math.nan, math.inf, -math.inf]


def a_ce(**values: Any) -> CE:
    return CE(**{"name": "ce", "backend": "sim", "capacity": 1, **values})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_a_shell_or_a_log_could_misread_is_refused(name: str) -> None:
    with refused(Invalid, "VO name"):
        VO(name=name)
    with refused(Invalid, "CE name"):
        a_ce(name=name)
    with refused(Invalid, "back-end name"):
        a_ce(backend=name)
    with refused(Invalid, "tag name"):
        a_ce(tags=("fine", name))


@pytest.mark.parametrize(
    "name", ["a", "9", "ce-01.example.org:9619/queue", "lhcb_2+x@y", "a" * 128]
)
def test_a_name_that_sites_really_use_is_taken(name: str) -> None:
    assert VO(name=name).name == name
    assert a_ce(name=name).name == name


@pytest.mark.parametrize("number", BELOW + FAR_TOO_LARGE + NOT_NUMBERS)
@pytest.mark.parametrize("field", ["share", "limit", "demand"])
def test_a_vo_of_impossible_numbers_is_refused(field: str, number: Any) -> None:
    with refused(Invalid, field):
        VO(name="vo", **{field: number})


@pytest.mark.parametrize("number", BELOW + FAR_TOO_LARGE + NOT_NUMBERS)
@pytest.mark.parametrize("field", ["capacity", "waiting_limit"])
def test_a_ce_of_impossible_numbers_is_refused(field: str, number: Any) -> None:
    with refused(Invalid, field.replace("_", " ")):
        a_ce(**{field: number})


@pytest.mark.parametrize("rate", [-0.01, 1.01, *NOT_NUMBERS])
def test_a_success_rate_is_between_nothing_and_certain(rate: float) -> None:
    assert a_ce(success_rate=0.0).success_rate == 0
    assert a_ce(success_rate=1.0).success_rate == 1
    with refused(Invalid, "success rate"):
        a_ce(success_rate=rate)


def test_no_limit_and_no_room_are_both_possible() -> None:
    assert VO(name="vo", limit=None, demand=None, share=0).limit is None
    assert VO(name="vo", limit=0).limit == 0
    assert a_ce(capacity=0, waiting_limit=0).capacity == 0
    assert a_ce(capacity=2**31 - 1).capacity == 2**31 - 1


def test_two_are_equal_whatever_row_holds_them() -> None:
    assert VO(name="vo", id=1) == VO(name="vo", id=2)
    assert a_ce(id=1) == a_ce(id=2)


def test_what_was_read_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        VO(name="vo").name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        a_ce().options["key"] = 1  # type: ignore[index]


def test_a_wrong_word_is_told_its_nearest() -> None:
    assert nearest("databse_url", ["home", "database_url"]) == "did you mean 'database_url'?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", []) == "known: none"
