"""Whether an ARC CE may have received a submission whose call failed."""

import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.backends.arc_impostor import Impostor, as_json, impostor
from worker.backends.arc import session
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Order
from worker.domain.errors import BackendError, NotSent, Unavailable, Unreadable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

ORDERS = [Order(stamp=f"{number:032x}", vo="default") for number in range(2)]


@pytest.fixture
def ce(tmp_path: Path) -> Iterator[Impostor]:
    session._agreed = type(session._agreed)(session.AGREED_FOR)
    with impostor(tmp_path) as server:
        yield server


def error_of(ce: Impostor, uow: UnitOfWork) -> BackendError:
    with pytest.raises(BackendError) as caught:
        ce.connect(uow, call_timeout=5).submit(ORDERS)
    return caught.value


def test_a_ce_that_nobody_reaches_was_not_asked(ce: Impostor, sqlite: UnitOfWork) -> None:
    ce.port = 1

    assert type(error_of(ce, sqlite)) is NotSent


def test_a_ce_that_does_not_say_what_it_speaks_was_not_asked(
    ce: Impostor, sqlite: UnitOfWork
) -> None:
    ce.answers["/rest"] = as_json("no", status=500)
    assert type(error_of(ce, sqlite)) is NotSent

    ce.answers["/rest"] = as_json({"version": ["9.9"]})
    assert type(error_of(ce, sqlite)) is NotSent


def test_a_ce_that_answers_no_submission_may_have_got_it(ce: Impostor, sqlite: UnitOfWork) -> None:
    ce.answers["action=new"] = as_json("no", status=500)
    assert type(error_of(ce, sqlite)) is Unavailable

    ce.answers["action=new"] = as_json("no", status=207)
    assert type(error_of(ce, sqlite)) is Unreadable


def test_a_ce_that_goes_away_after_a_submission_has_got_it(
    ce: Impostor, sqlite: UnitOfWork
) -> None:
    def take_one(handler: BaseHTTPRequestHandler) -> None:
        # One answer for two orders: the driver asks the CE which of them it accepted.
        ce.hang_up()
        handler.close_connection = True
        as_json({"job": {"status-code": "201", "id": "abc", "state": "ACCEPTING"}})(handler)

    ce.answers["action=new"] = take_one

    assert type(error_of(ce, sqlite)) is Unavailable
