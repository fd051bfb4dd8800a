"""No call goes to a CE whose certificate is in a list of revoked ones, if there are lists."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.backends.arc_impostor import Impostor, impostor
from tests.expectations import refused
from worker.backends import registry
from worker.backends.arc import session
from worker.db.uow import UnitOfWork
from worker.domain.errors import Invalid, NotSent

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture
def ce(tmp_path: Path) -> Iterator[Impostor]:
    session._agreed = type(session._agreed)(session.AGREED_FOR)
    with impostor(tmp_path) as server:
        yield server


def test_without_lists_no_certificate_is_asked_for(ce: Impostor, sqlite: UnitOfWork) -> None:
    assert "REST 1.1" in ce.connect(sqlite).hello()


@pytest.mark.finding("L11")
def test_l11_a_certificate_that_its_authority_revoked_is_refused(
    ce: Impostor, sqlite: UnitOfWork
) -> None:
    ce.authority.revoke(ce.certificate)

    with refused(NotSent, "its certificate was revoked by its authority"):
        ce.connect(sqlite).hello()


def test_a_certificate_that_is_in_no_list_is_believed(ce: Impostor, sqlite: UnitOfWork) -> None:
    ce.authority.revoke(ce.authority.holder("another").certificate)

    assert "REST 1.1" in ce.connect(sqlite).hello()


def test_a_list_that_is_out_of_date_is_none(ce: Impostor, sqlite: UnitOfWork) -> None:
    ce.authority.revoke(lasts=-timedelta(hours=1))

    with refused(NotSent, "out of date: fetch it anew"):
        ce.connect(sqlite).hello()
    assert "REST 1.1" in ce.connect(sqlite, check_revocation=False).hello()


def test_whoever_wants_lists_is_told_that_there_is_none(ce: Impostor, sqlite: UnitOfWork) -> None:
    with refused(NotSent, "its authority has no list"):
        ce.connect(sqlite, check_revocation=True).hello()
    with refused(Invalid, "check_revocation needs the option ca"):
        options = {"url": "https://ce.example.org", "check_revocation": True}
        registry.check_options(registry.discover(), "arc", options)
