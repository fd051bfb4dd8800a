"""The identities for a CE: a bad credential of a VO harms only this VO."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from worker.backends.contract import Means
from worker.backends.identities import Identities, Identity, Shares, gravest, identities
from worker.domain.ce_answers import Job, Order
from worker.domain.credential import CredentialKind
from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    NotSent,
    Refused,
    Unavailable,
    Unreadable,
)
from worker.domain.pilot import Cause

KEY = CredentialKind.KEY
ONE, TWO = Path("/keys/one"), Path("/keys/two")


def means(credentials: Mapping[str, Path | CredentialProblem]) -> Means:
    no_uow: Any = None
    return Means(
        uow=no_uow,
        home=Path("/nowhere"),
        now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        credentials=lambda kind: credentials,
    )


def order(vo: str) -> Order:
    return Order(stamp=f"of {vo}", vo=vo)


def test_without_a_kind_all_vos_are_one() -> None:
    who = identities(means({}), None)
    assert who.ask(lambda identity: identity.vos).by_identity == {Identity(): None}
    assert who.ask(lambda identity: 1).vos() is None
    jobs = [Job(stamp="1", handle="", vo="a"), Job(stamp="2", handle="", vo="b")]
    assert Shares(jobs).of(Identity()) == jobs


def test_vos_with_one_file_and_one_login_are_one() -> None:
    credentials = {"a": ONE, "b": TWO, "c": ONE, "d": ONE}
    who = identities(means(credentials), KEY, login={"d": "me"}.get)
    assert list(who.usable) == [
        Identity(("a", "c"), ONE),
        Identity(("b",), TWO),
        Identity(("d",), ONE),
    ]
    assert Shares([order("c"), order("b"), order("a")]).of(who.usable[0]) == [
        order("a"),
        order("c"),
    ]


def test_what_is_wrong_with_one_harms_no_other() -> None:
    credentials: dict[str, Path | CredentialProblem] = {"a": ONE, "c": TWO}
    credentials["b"] = CredentialProblem("VO b", "it is over")

    def work(identity: Identity) -> str:
        if identity.path == TWO:
            raise Unavailable("it hangs")
        return "done"

    answers = identities(means(credentials), KEY, ["a", "b", "c", "d"]).ask(work)
    assert answers.or_raise() == ["done"]
    assert answers.vos() == frozenset({"a"})
    assert {vo: type(problem) for vo, problem in answers.problems.items()} == {
        "b": CredentialProblem,
        "c": Unavailable,
        "d": CredentialProblem,
    }
    # Nobody knows what happened to the orders of c.
    refusals = answers.refusals(map(order, "abcd"))
    assert {receipt.stamp: receipt.refused for receipt in refusals} == {
        "of b": Cause.CREDENTIAL,
        "of d": Cause.CREDENTIAL,
    }
    assert [receipt.reason for receipt in refusals] == [
        "VO b: it is over",
        "VO d has no key for this CE",
    ]


def test_a_submission_that_was_refused_as_a_whole_is_refused_for_each_order() -> None:
    def work(identity: Identity) -> None:
        if identity.path == TWO:
            raise Refused(Cause.QUOTA, "no more jobs")

    answers = identities(means({"a": ONE, "b": TWO}), KEY).ask(work)
    [receipt] = answers.refusals(map(order, "ab"))
    assert (receipt.stamp, receipt.refused, receipt.reason) == ("of b", Cause.QUOTA, "no more jobs")


def test_where_nobody_is_answered_the_trouble_of_the_ce_says_more() -> None:
    who = Identities(
        usable=[Identity(("a",), ONE)], problems={"b": CredentialProblem("VO b", "it is over")}
    )

    def away(identity: Identity) -> None:
        raise Unavailable("it is away")

    with pytest.raises(Unavailable, match="it is away"):
        who.ask(away).or_raise()
    with pytest.raises(CredentialProblem, match="it is over"):
        Identities(usable=[], problems=who.problems).ask(away).or_raise()


def test_where_no_vo_has_a_credential_that_is_the_problem() -> None:
    with pytest.raises(CredentialProblem, match="no VO has a key"):
        identities(means({}), KEY).ask(lambda identity: 1).or_raise()


@pytest.mark.parametrize(
    ("met", "counts"),
    [
        ([NotSent("x"), Unavailable("x")], Unavailable),
        ([Refused(Cause.QUOTA), Unavailable("x")], Unavailable),
        ([CredentialProblem("x"), Refused(Cause.QUOTA), Unreadable("?")], Unreadable),
        ([CredentialProblem("x"), NotSent("x")], NotSent),
        ([CredentialProblem("x"), Refused(Cause.QUOTA)], Refused),
    ],
)
def test_what_leaves_it_open_whether_something_was_sent_counts_for_all(
    met: list[BackendError], counts: type[BackendError]
) -> None:
    for errors in (met, met[::-1]):
        assert type(gravest(errors)) is counts


def test_who_was_not_asked_for_one_vo_did_not_get_its_orders() -> None:
    def work(identity: Identity) -> None:
        if identity.path == TWO:
            raise NotSent("it is not installed")

    answers = identities(means({"a": ONE, "b": TWO}), KEY).ask(work)
    [receipt] = answers.refusals(map(order, "ab"))
    assert (receipt.stamp, receipt.refused, receipt.not_sent) == ("of b", None, True)
