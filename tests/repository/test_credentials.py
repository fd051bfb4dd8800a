"""Credentials: where their files are, and what was observed of them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import MINUTE, NOW, a_vo
from tests.records import a_credential
from worker.db import credentials, vos
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import AlreadyExists, UnknownCredential, UnknownVO

SEEN: dict[str, Any] = {
    "issued_at": NOW - MINUTE,
    "expires_at": NOW + MINUTE,
    "checked_at": NOW,
    "problem": "täglich 🚀 'it' is \"so\"",
    "renewed_at": NOW,
    "retry_at": NOW + MINUTE,
    "failures": 3,
}
UNSEEN = {**dict.fromkeys(SEEN), "failures": 0}
KEY, TOKEN = CredentialKind.KEY, CredentialKind.TOKEN


def observations(credential: Credential) -> dict[str, object]:
    """Return the values that a comparison of two credentials ignores."""
    return {name: getattr(credential, name) for name in SEEN}


def read_again(tx: Transaction, like: Credential) -> Credential:
    return credentials.get(tx, like.vo, like.backend, like.kind)


def test_a_credential_is_read_back_as_it_was_added(uow: UnitOfWork) -> None:
    builder = a_credential().renewed_by("/usr/bin/renew", "two words", "'quoted'")
    with uow() as tx:
        credential = builder.for_vo(a_vo().create(tx)).create(tx)
    with uow() as tx:
        result = read_again(tx, credential)

    assert result == replace(builder.credential, vo=credential.vo)
    assert isinstance(result.kind, CredentialKind)
    assert observations(result) == UNSEEN


def test_what_was_seen_is_read_back(uow: UnitOfWork) -> None:
    with uow() as tx:
        first, second = a_credential().create(tx), a_credential().of_kind(KEY).create(tx)
    with uow() as tx, statements(uow.engine) as sql:
        credentials.save_looks(tx, [replace(first, **SEEN), second])
    with uow() as tx:
        assert observations(read_again(tx, first)) == SEEN
        assert observations(read_again(tx, second)) == UNSEEN

    assert len(sql) == 1


def test_what_was_seen_of_another_file_is_not_written(uow: UnitOfWork) -> None:
    with uow() as tx:
        before = a_credential().create(tx)
        credentials.save_looks(tx, [replace(before, **SEEN)])
    with uow() as tx:
        credentials.change(tx, replace(before, renew=("renew",)))
        assert observations(read_again(tx, before)) == {**SEEN, "retry_at": None}
    with uow() as tx:
        credentials.change(tx, replace(before, path="/another"))
        assert observations(read_again(tx, before)) == UNSEEN
    with uow() as tx:
        credentials.save_looks(tx, [replace(before, **SEEN)])
        assert observations(read_again(tx, before)) == UNSEEN
        credentials.save_looks(tx, [])


def test_a_vo_has_one_of_a_kind_for_a_backend(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        for owner in (a_credential(), a_credential().for_vo(vo)):
            for one in (owner, owner.of_kind(TOKEN), owner.for_backend("slurm")):
                one.create(tx)
    for again in (a_credential(), a_credential().for_vo(vo)):
        with refused(AlreadyExists, "proxy of", "'pilotage credential set'"), uow() as tx:
            again.at_path("/other").create(tx)
    with uow() as tx:
        assert len(credentials.get_all(tx)) == 6
        assert {one.backend for one in credentials.get_all(tx, ["slurm"])} == {"slurm"}
        assert credentials.get_all(tx, []) == []


def test_each_vo_uses_its_own_or_the_one_for_all(uow: UnitOfWork) -> None:
    with uow() as tx:
        rich, poor = a_vo().named("rich").create(tx), a_vo().named("poor").create(tx)
        own = a_credential().for_vo(rich).create(tx)
        common = a_credential().create(tx)
        a_credential().of_kind(TOKEN).for_vo(poor).create(tx)
    with uow() as tx:
        by_vo = credentials.of_each_vo(tx, "arc", CredentialKind.PROXY)
        assert by_vo == {"default": common, poor.name: common, rich.name: own}
        assert set(credentials.of_each_vo(tx, "arc", KEY).values()) == {None}


def test_one_that_is_not_there_is_answered_with_what_is_near(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_credential().create(tx)
        a_credential().of_kind(TOKEN).create(tx)
        with refused(UnknownCredential, "of all for arc", "give the kind: proxy, token"):
            credentials.get(tx, None, "arc")
        with refused(UnknownCredential, "known: proxy, token"):
            credentials.get(tx, None, "arc", KEY)
        with refused(UnknownCredential, "did you mean 'arc'?"):
            credentials.get(tx, None, "arcc")
    with refused(UnknownVO, "nobody"), uow() as tx:
        credentials.get(tx, "nobody", "arc")


def test_one_is_forgotten_by_itself_or_with_its_vo(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        common, _ = a_credential().create(tx), a_credential().for_vo(vo).create(tx)
    with uow() as tx:
        vos.remove(tx, vo.name)
    with uow() as tx:
        assert credentials.get_all(tx) == [common]
        credentials.remove(tx, common)
    with uow() as tx:
        assert credentials.get_all(tx) == []


@pytest.mark.parametrize("kind", CredentialKind)
def test_every_kind_can_be_stored(uow: UnitOfWork, kind: CredentialKind) -> None:
    with uow() as tx:
        assert a_credential().of_kind(kind).create(tx).kind is kind
