"""Real jobs of a real CE: their scripts, their variables, and their ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from cryptography import x509
from sqlalchemy import select

from tests.backends.arc_site import ArcSite
from tests.backends.arc_tap import Answer, Request
from tests.backends.arc_tap import Trouble as Mischief
from tests.testbeds.arc.jobs import jobs_by_stamp, local_pid
from tests.testbeds.arc.pki import write_secret
from worker.backends.arc.description import LONGEST_ARGUMENT
from worker.backends.arc.memory import arc_identities, arc_jobs
from worker.backends.guard import Guard
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Job, Observed, Order
from worker.domain.pilot import FINAL, Cause, Status

Value = TypeVar("Value")
HOSTILE = "a'b\"c $HOME `touch broken` ; & | <x> \\ \n -- ü"
PROXY_ENDS = 'openssl x509 -noout -enddate -in "$X509_USER_PROXY"'


def send(driver: Guard, *orders: Order) -> list[Job]:
    handles = {receipt.stamp: receipt.handle for receipt in driver.submit(orders)}
    return [Job(stamp=one.stamp, handle=str(handles[one.stamp])) for one in orders]


def until(site: ArcSite, look: Callable[[], Value | None], what: str) -> Value:
    for _ in range(site.patience):
        value = look()
        if value is not None:
            return value
        site.wait(site.step)
    raise AssertionError(f"waited in vain for {what}")


def until_status(
    site: ArcSite, driver: Guard, jobs: list[Job], *statuses: Status
) -> list[Observed]:
    def look() -> list[Observed] | None:
        by_stamp = {one.stamp: one for one in driver.poll(jobs)}
        observations = [by_stamp[job.stamp] for job in jobs]
        return observations if all(one.status in statuses for one in observations) else None

    return until(site, look, " or ".join(statuses))


def test_pilots_of_every_fate(arc_site: ArcSite) -> None:
    """Scripts arrive unchanged, and the observations name the ends."""
    driver = Guard(arc_site.driver(environment={"SITE": 'it\'s "$HOME" \\ `id`'}))
    batch = arc_site.orders(6)
    payload = 'printf \'[%s]\' "$PILOTAGE_STAMP" "$SITE" "$@"; echo err >&2\n'
    bash = '#!/bin/bash\nx=(a b); echo "${x[1]} $0"; exit 7\n'
    long = f'# {"x" * LONGEST_ARGUMENT}\necho "long $1"\n'
    orders = [
        batch[0]._replace(script=payload, arguments=[HOSTILE, ""]),
        batch[1]._replace(script=bash),
        batch[2]._replace(script=long, arguments=["a b"]),
        batch[3]._replace(script="kill -9 $$\n"),
        batch[4]._replace(script="exec sleep 1000\n"),
        batch[5]._replace(script=f"{PROXY_ENDS}\n"),
    ]
    jobs = send(driver, *orders)
    until_status(arc_site, driver, jobs[4:5], Status.RUNNING)
    pid = local_pid(arc_site.testbed.control, jobs[4].handle)
    assert pid is not None
    subprocess.run(["pkill", "-KILL", "--parent", str(pid)], check=True)
    os.kill(pid, signal.SIGKILL)
    good, seven, with_upload, victim, shot, with_proxy = until_status(
        arc_site, driver, jobs, *FINAL
    )
    text = driver.output(jobs[0]).text
    assert text == f'[{jobs[0].stamp}][it\'s "$HOME" \\ `id`][{HOSTILE}][]err\n'
    assert (good.status, good.exit_code, with_upload.status) == (Status.DONE, 0, Status.DONE)
    assert (seven.status, seven.cause, seven.exit_code) == (Status.FAILED, Cause.EXIT_CODE, 7)
    assert driver.output(jobs[1]).text == "b ./pilot\n"
    assert driver.output(jobs[2]).text == "long a b\n"
    assert (victim.cause, victim.exit_code) == (Cause.SIGNAL, 137)
    assert (shot.status, shot.cause) == (Status.FAILED, Cause.SIGNAL)
    assert with_proxy.status is Status.DONE
    assert driver.output(jobs[5]).text.startswith("notAfter=")
    for one in (good, seven, with_upload):
        assert one.started_at is not None
        assert one.ended_at is not None
        assert abs(one.ended_at - datetime.now(UTC)) < timedelta(minutes=5)


class UploadsFail(Mischief):
    def change_request(self, request: Request) -> Request | Answer:
        if request.method != "PUT" or "session" not in request.path:
            return request
        return Answer(status=500, headers={}, body=b"")


def test_a_job_whose_upload_fails_is_taken_back(arc_site: ArcSite) -> None:
    driver, batch = Guard(arc_site.driver()), arc_site.orders(2)
    orders = [batch[0], batch[1]._replace(script="#" * LONGEST_ARGUMENT)]
    with arc_site.mischief(UploadsFail()):
        receipts = {receipt.stamp: receipt for receipt in driver.submit(orders)}
    assert receipts[batch[0].stamp].handle
    bad = receipts[batch[1].stamp]
    assert (bad.refused, bad.raw) == (Cause.REFUSED, "upload")
    [existing] = jobs_by_stamp(arc_site.testbed.control)[bad.stamp]
    job = Job(stamp=bad.stamp, handle=existing.id)
    until_status(arc_site, driver, [job], Status.CANCELLED)


def test_jobs_are_cleaned_away_after_a_while(arc_site: ArcSite) -> None:
    driver, [order] = Guard(arc_site.driver(keep_output=3600, command="exit 0")), arc_site.orders(1)
    [job] = send(driver, order)
    until_status(arc_site, driver, [job], Status.DONE)
    driver.find()
    driver.tidy()
    assert driver.poll([job])[0].status is Status.DONE
    arc_site.clock_ahead = timedelta(seconds=3700)
    for _ in range(2):
        assert [one.stamp for one in driver.find().jobs] == [job.stamp], "asking removes nothing"
    driver.tidy()
    until(arc_site, lambda: driver.poll([job])[0].absent or None, "the job to be cleaned away")
    listing = driver.find()
    assert (listing.jobs, listing.complete) == ([], True)
    assert rows(arc_site, arc_jobs) == []


def test_jobs_of_another_installation_are_left_alone(arc_site: ArcSite, sqlite: UnitOfWork) -> None:
    """Jobs of the same user, too; the listing does not have them."""
    ours, theirs = Guard(arc_site.driver()), arc_site.driver()
    means = replace(theirs.session.means, prefix="other", uow=sqlite)
    theirs.session = replace(theirs.session, means=means)
    [job] = send(ours, *arc_site.orders(1))
    [other] = send(Guard(theirs), *arc_site.orders(1))
    assert [one.stamp for one in ours.find().jobs] == [job.stamp]
    assert [one.stamp for one in Guard(theirs).find().jobs] == [other.stamp]
    assert {row.job: row.stamp for row in rows(arc_site, arc_jobs)} == {
        job.handle: job.stamp,
        other.handle: None,
    }


def test_a_delegation_serves_all_jobs_and_is_renewed(arc_site: ArcSite) -> None:
    arc_site.proxy.write_bytes(arc_site.user.proxy(lifetime=timedelta(hours=1)))
    driver = Guard(arc_site.driver())
    jobs = [*send(driver, *arc_site.orders(1)), *send(driver, *arc_site.orders(1))]
    [first] = rows(arc_site, arc_identities)
    driver.tidy()
    assert rows(arc_site, arc_identities) == [first]
    longer = write_secret(arc_site.folder / "new.pem", arc_site.user.proxy(timedelta(hours=20)))
    longer.rename(arc_site.proxy)
    driver.poll(jobs)
    assert rows(arc_site, arc_identities) == [first], "asking renews nothing"
    driver.tidy()
    [new] = rows(arc_site, arc_identities)
    assert new.delegation == first.delegation
    assert new.delegated_until - first.delegated_until > timedelta(hours=18)
    parts = [first.delegation[n : n + 3] for n in range(0, len(first.delegation), 3)]
    certificate = arc_site.testbed.control.joinpath("delegations", *parts).read_bytes()
    end = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    assert end == new.delegated_until


def test_a_delegation_that_the_ce_has_lost_is_made_anew(arc_site: ArcSite) -> None:
    driver = Guard(arc_site.driver())
    with arc_site.uow() as tx:
        values = {"ce": "ce1", "vo": "default", "owner": arc_site.owner, "used_at": arc_site.now()}
        more = {"delegation": "nosuch", "delegated_until": arc_site.now() + timedelta(hours=23)}
        tx.execute(arc_identities.insert().values(**values, **more))
    [job] = send(driver, *arc_site.orders(1))
    [row] = rows(arc_site, arc_identities)
    assert row.delegation not in (None, "nosuch")
    assert driver.poll([job])[0].status is Status.SUBMITTED


def test_a_queue_that_is_not_there_is_a_refusal(arc_site: ArcSite) -> None:
    driver = Guard(arc_site.driver(queue="nosuch"))
    [receipt] = driver.submit(arc_site.orders(1))
    assert (receipt.refused, receipt.raw) == (Cause.REFUSED, "500")
    assert receipt.reason == "Requested queue nosuch is not allowed for this user"


class Full(Mischief):
    def __init__(self, *, whole: bool) -> None:
        self.whole = whole

    def change_request(self, request: Request) -> Request | Answer:
        if not request.is_about("new"):
            return request
        if self.whole:
            return Answer(status=500, headers={}, body=b"", reason="No more jobs allowed")
        body = b'{"job":{"status-code":"500","reason":"No more jobs allowed"}}'
        return Answer(status=201, headers={"Content-Type": "application/json"}, body=body)


@pytest.mark.parametrize("whole", [True, False])
def test_a_ce_that_is_full_is_no_fault(arc_site: ArcSite, whole: bool) -> None:
    with arc_site.mischief(Full(whole=whole)):
        [receipt] = Guard(arc_site.driver()).submit(arc_site.orders(1))
    assert (receipt.refused, receipt.reason) == (Cause.QUOTA, "No more jobs allowed")


class Kills(Mischief):
    """Kills the process that submits after the CE has accepted its jobs; the answer is lost."""

    pid = 0

    def change_answer(self, request: Request, answer: Answer) -> Answer:
        if not request.is_about("new"):
            return answer
        os.kill(self.pid, signal.SIGKILL)
        return replace(answer, is_lost=True)


CRASHING = """
import sys, json
from datetime import UTC, datetime
from pathlib import Path
from worker.backends.arc.driver import ArcDriver
from worker.backends.arc.options import ArcOptions
from worker.backends.contract import Means, Order
from worker.db.engine import make_engine, parse_url
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
options, proxy, database, *stamps = json.loads(sys.argv[1])
means = Means(uow=UnitOfWork(make_engine(parse_url(database))), home=Path("/"),
              now=lambda: datetime.now(UTC), credentials=lambda kind: {"default": Path(proxy)})
ce = CE(name="ce1", backend="arc", capacity=10, options=options)
print("ready", flush=True)
sys.stdin.readline()
ArcDriver(ce, ArcOptions(**options), means).submit([Order(stamp=s, vo="default") for s in stamps])
"""


def test_jobs_of_a_process_that_was_killed_are_found_by_their_stamps(arc_site: ArcSite) -> None:
    orders, kills = arc_site.orders(3), Kills()
    stamps = [order.stamp for order in orders]
    database = arc_site.uow.engine.url.render_as_string(hide_password=False)
    arguments = [arc_site.ce_options(), str(arc_site.proxy), database, *stamps]
    with arc_site.mischief(kills):
        crashing = subprocess.Popen(
            [sys.executable, "-c", CRASHING, json.dumps(arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with crashing:
            assert crashing.stdout is not None
            assert crashing.stdout.readline() == b"ready\n"
            kills.pid = crashing.pid
            crashing.communicate(b"go\n", timeout=60)
        assert crashing.returncode == -signal.SIGKILL
    assert rows(arc_site, arc_jobs) == []
    driver = Guard(arc_site.driver())
    listing = driver.find()
    assert listing.complete
    assert sorted(job.stamp for job in listing.jobs) == sorted(stamps)
    by_stamp = jobs_by_stamp(arc_site.testbed.control)
    assert all(len(by_stamp[stamp]) == 1 for stamp in stamps)
    assert {row.stamp for row in rows(arc_site, arc_jobs)} == set(stamps)


def test_what_was_learnt_saves_asking(arc_site: ArcSite) -> None:
    """Names and versions are asked for once; a listing needs no request for each known job."""
    driver = Guard(arc_site.driver())
    send(driver, *arc_site.orders(5))
    with arc_site.mischief(Mischief()):
        driver.find()
        paths = [one.path.partition("?action=")[2] or one.path for one in arc_site.tap.requests]
    assert paths == ["/arex/rest/1.0/jobs", "status"]


def rows(site: ArcSite, table: Any) -> list[Any]:
    with site.uow() as tx:
        return list(tx.execute(select(table)))
