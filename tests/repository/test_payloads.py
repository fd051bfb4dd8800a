"""Payloads: what the pilots of each VO run."""

from typing import Any

import pytest

from tests.expectations import refused
from tests.factories import a_vo
from worker.db import payloads
from worker.db.uow import UnitOfWork
from worker.domain.errors import UnknownVO

PAYLOADS: list[dict[str, Any]] = [
    {"script": "#!/bin/sh\necho täglich 🚀\r\n"},
    {"script": "x", "arguments": ["it's", '"so"', "\\"], "at": {"lyon": {"n": 1, "b": [None]}}},
    {},
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=["a script", "nested", "empty"])
def test_a_payload_is_read_back_as_it_was_stored(uow: UnitOfWork, payload: dict[str, Any]) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        payloads.put(tx, vo.name, payload)
    with uow() as tx:
        assert payloads.get(tx, vo.name) == payload
        assert payloads.of_vos(tx, [vo.name]) == {vo.name: payload}


def test_it_is_replaced_and_taken_away(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        assert payloads.get(tx, vo.name) is None
        payloads.put(tx, vo.name, PAYLOADS[1])
        payloads.put(tx, vo.name, PAYLOADS[0])
    with uow() as tx:
        assert payloads.get(tx, vo.name) == PAYLOADS[0]
        payloads.put(tx, vo.name, None)
    with uow() as tx:
        assert payloads.get(tx, vo.name) is None


def test_a_vo_without_one_or_that_was_not_asked_after_is_left_out(uow: UnitOfWork) -> None:
    with uow() as tx:
        one, two, none = (a_vo().create(tx) for _ in range(3))
        for vo in (one, two):
            payloads.put(tx, vo.name, PAYLOADS[0])
    with uow() as tx:
        assert list(payloads.of_vos(tx, [one.name, none.name, "nobody"])) == [one.name]
        assert payloads.of_vos(tx, []) == {}


def test_an_unknown_vo_is_named(uow: UnitOfWork) -> None:
    with refused(UnknownVO, "nobody"), uow() as tx:
        payloads.put(tx, "nobody", PAYLOADS[0])
    with refused(UnknownVO, "nobody"), uow() as tx:
        payloads.get(tx, "nobody")
