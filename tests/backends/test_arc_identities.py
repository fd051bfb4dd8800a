"""The users whom a CE accepts; jobs of one user are not absent because another one asks."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.backends.arc_site import ArcSite
from tests.testbeds.arc.pki import write_secret
from tests.testbeds.arc.tokens import Issuer, issuing
from worker.backends.arc import driver as arc_driver
from worker.backends.arc.client import Rest
from worker.backends.arc.driver import ArcDriver
from worker.backends.arc.session import Session
from worker.backends.conformance import Trouble
from worker.backends.guard import Guard
from worker.domain.ce_answers import Job, Order, Receipt
from worker.domain.errors import CredentialProblem, Unavailable, Unreadable
from worker.domain.pilot import Cause


def guard_of(site: ArcSite, **options: object) -> Guard:
    return Guard(site.driver(**options))


def jobs_of(receipts: list[Receipt], orders: list[Order]) -> list[Job]:
    vos = {order.stamp: order.vo for order in orders}
    return [Job(stamp=r.stamp, handle=str(r.handle), vo=vos[r.stamp]) for r in receipts]


def orders(site: ArcSite, *vos: str) -> list[Order]:
    return [one._replace(vo=vo) for one, vo in zip(site.orders(len(vos)), vos, strict=True)]


def another(site: ArcSite, name: str) -> Path:
    """Let the CE accept another user; return the proxy of the user."""
    user = site.testbed.authority.holder(f"{name} {site.user.subject[-16:]}")
    site.testbed.admit(user.subject)
    return write_secret(site.folder / f"{name}.pem", user.proxy())


def test_one_bad_credential_harms_its_own_vo_only(arc_site: ArcSite) -> None:
    old_proxy = arc_site.user.proxy(lifetime=-timedelta(hours=1), age=timedelta(hours=2))
    arc_site.credentials = {
        "good": arc_site.proxy,
        "late": write_secret(arc_site.folder / "late.pem", old_proxy),
        "none": CredentialProblem("VO none has no proxy"),
        "odd": write_secret(arc_site.folder / "odd.pem", b"nonsense"),
    }
    driver, batch = guard_of(arc_site), orders(arc_site, "good", "late", "none", "odd", "good")
    receipts = driver.submit(batch)
    causes = {r.stamp: r.refused for r in receipts}
    expected_causes = [None, *[Cause.CREDENTIAL] * 3, None]
    assert [causes[order.stamp] for order in batch] == expected_causes
    good = {r.stamp for r in receipts if r.handle}
    assert {one.stamp for one in driver.poll(jobs_of(receipts, batch))} == good
    listing = driver.find()
    assert {job.stamp for job in listing.jobs} == good
    assert {job.vo for job in listing.jobs} == {"good"}
    assert (listing.vos, listing.complete) == (frozenset({"good"}), True)
    assert driver.hello().endswith("access for good")


def test_vos_of_two_identities_see_their_own(arc_site: ArcSite) -> None:
    arc_site.credentials = {"one": arc_site.proxy, "two": another(arc_site, "Second")}
    driver, batch = guard_of(arc_site), orders(arc_site, "one", "two", "two")
    jobs = jobs_of(driver.submit(batch), batch)
    assert {job.stamp for job in driver.find().jobs} == {order.stamp for order in batch}
    jobs_of_others = [job._replace(vo="one" if job.vo == "two" else "two") for job in jobs]
    assert driver.poll(jobs_of_others) == []
    assert all(answer.accepted for answer in driver.cancel(jobs))


def test_a_vo_that_is_answered_late_harms_no_other(
    arc_site: ArcSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    arc_site.credentials = {"one": arc_site.proxy, "two": another(arc_site, "Late")}
    batch = orders(arc_site, "one", "two")
    all_jobs = jobs_of(guard_of(arc_site).submit(batch), batch)
    jobs = sorted(all_jobs, key=lambda job: job.stamp)

    def slowly(work: Any) -> Any:
        async def late(session: Session, rest: Rest, *more: Any) -> Any:
            if rest.access.vos == ("two",):
                await asyncio.sleep(100)
            return await work(session, rest, *more)

        return late

    for name in ("look_at", "list_all", "send"):
        monkeypatch.setattr(arc_driver, name, slowly(getattr(arc_driver, name)))
    driver = guard_of(arc_site, call_timeout=4)
    assert [one.stamp for one in driver.poll(jobs)] == [jobs[0].stamp]
    listing = driver.find()
    assert [job.stamp for job in listing.jobs] == [jobs[0].stamp]
    assert listing.vos == frozenset({"one"})
    more = orders(arc_site, "two", "one")
    [receipt] = driver.submit(more)
    assert (receipt.stamp, receipt.refused) == (more[1].stamp, None)
    with pytest.raises(Unavailable, match="no answer within 4 s"):
        driver.poll(jobs[1:])


def test_one_identity_behind_two_credentials_is_listed_once(arc_site: ArcSite) -> None:
    second = write_secret(arc_site.folder / "second.pem", arc_site.user.proxy())
    arc_site.credentials = {"one": arc_site.proxy, "two": second, "three": second}
    driver, batch = guard_of(arc_site), orders(arc_site, "one", "two", "three")
    driver.submit(batch)
    listing = driver.find()
    assert sorted(job.stamp for job in listing.jobs) == sorted(order.stamp for order in batch)
    assert listing.vos == frozenset({"one", "two", "three"})


def test_without_any_credential_nobody_asks(arc_site: ArcSite) -> None:
    arc_site.credentials = {}
    driver, [order] = guard_of(arc_site), orders(arc_site, "lhcb")
    with pytest.raises(CredentialProblem, match="VO lhcb has no proxy"):
        driver.submit([order])
    for call in (driver.find, driver.hello):
        with pytest.raises(CredentialProblem, match="no VO"):
            call()


def test_jobs_of_who_we_were_before_are_not_absent(
    arc_site: ArcSite, caplog: pytest.LogCaptureFixture
) -> None:
    driver, batch = guard_of(arc_site), orders(arc_site, "default", "default")
    jobs = jobs_of(driver.submit(batch), batch)
    before = dict(arc_site.credentials)
    arc_site.credentials = {"default": another(arc_site, "New")}
    assert driver.poll(jobs) == []
    assert "no longer shows 2 jobs of VO default: another identity sent them" in caplog.text
    listing = driver.find()
    assert (listing.jobs, listing.vos) == ([], frozenset())
    arc_site.clock_ahead = timedelta(days=2)
    assert driver.find().vos == frozenset({"default"})
    arc_site.credentials = before
    assert {one.stamp for one in driver.poll(jobs)} == {job.stamp for job in jobs}


def test_a_ce_that_we_do_not_trust_gets_no_credential(arc_site: ArcSite) -> None:
    driver = guard_of(arc_site, ca=None)
    with pytest.raises(Unavailable, match="its certificate is not from an authority"):
        driver.hello()
    with pytest.raises(Unavailable, match="cannot be read"):
        guard_of(arc_site, ca="/no/such/folder").hello()


def test_a_folder_of_authorities(arc_site: ArcSite) -> None:
    folder = str(arc_site.testbed.authority.certificates)
    assert "REST 1.0 of 1.0" in guard_of(arc_site, ca=folder).hello()


def test_a_version_that_the_ce_does_not_speak(arc_site: ArcSite) -> None:
    with pytest.raises(Unreadable, match=r"no version of REST in common: 1\.0"):
        guard_of(arc_site, version="1.1").hello()


@pytest.fixture
def issuer(arc_site: ArcSite) -> Iterator[Issuer]:
    if not arc_site.testbed.takes_tokens:
        pytest.skip("needs mount namespaces, for the CE to trust the issuer")
    with issuing(arc_site.testbed) as issuer:
        yield issuer


def with_token(site: ArcSite, token: str) -> ArcDriver:
    path = write_secret(site.folder / "token", token.encode())
    site.credentials = {"default": path}
    return site.driver(authentication="token")


def test_pilots_of_a_token(arc_site: ArcSite, issuer: Issuer) -> None:
    robot = f"robot {arc_site.user.subject[-16:]}"
    driver = Guard(with_token(arc_site, issuer.token(robot)))
    batch = arc_site.orders(3)
    jobs = jobs_of(driver.submit(batch), batch)
    assert {job.stamp for job in driver.find().jobs} == {job.stamp for job in jobs}
    assert all(one.status for one in driver.poll(jobs))
    with_token(arc_site, issuer.token(f"another {robot}"))
    assert driver.poll(jobs) == []
    with_token(arc_site, issuer.token(robot))
    assert all(answer.accepted for answer in driver.cancel(jobs))


def test_no_secret_is_in_an_error_or_a_log(
    arc_site: ArcSite, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = issuer.token("robot", lifetime=-100)
    bad = [secret, f"{secret}\nX-Header: {secret}", f"{secret}\x01", "ü" + secret, ""]
    for token in bad:
        driver = Guard(with_token(arc_site, token))
        for call in (driver.hello, driver.find, partial(driver.submit, arc_site.orders(1))):
            with pytest.raises(CredentialProblem) as error:
                call()
            text = f"{error.value!r} {error.value} {error.value.__context__!r}"
            assert secret[-20:] not in text
            assert error.value.__cause__ is None
    with arc_site.provoke(Trouble.DOWN, ()), pytest.raises(Unavailable) as down:
        Guard(with_token(arc_site, secret)).hello()
    assert secret[-20:] not in repr(down.value)
    assert secret[-20:] not in caplog.text
    assert repr(arc_site.drivers[-1].session).count(secret[-20:]) == 0
