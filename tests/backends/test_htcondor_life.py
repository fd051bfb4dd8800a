"""Pilots of a real HTCondor: their ends, their credentials and their files."""

import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from shlex import quote

import pytest

from tests.backends.htcondor_site import CondorSite
from tests.testbeds.condor import OTHER_USER, Condor
from tests.testbeds.condor.configuration import QUOTA
from tests.testbeds.condor.credentials import ISSUER
from tests.testbeds.users import JOB_USER
from worker.backends.conformance import Trouble
from worker.backends.htcondor.driver import HTCondorDriver
from worker.backends.htcondor.options import HTCondorOptions
from worker.db.database import Database
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import CredentialProblem, Refused, Unavailable, Unreadable
from worker.domain.pilot import FINAL, Cause, Status
from worker.domain.pilot_secret import PilotKeys
from worker.domain.vo import DEFAULT_VO

EAT = "exec python3 -c 'x = b\"a\" * 200_000_000; import time; time.sleep(1000)'"
FOREVER = "exec sleep 1000"


@pytest.fixture
def site(condor: Condor, sqlite_database: Database) -> Iterator[CondorSite]:
    site = CondorSite(condor, sqlite_database.uow)
    yield site
    site.close()


def until(
    site: CondorSite, driver: HTCondorDriver, jobs: list[Job], is_so: Callable[[Observed], object]
) -> list[Observed]:
    """Poll jobs until all fulfil a condition; return their observations in order."""
    by_stamp: dict[str, Observed] = {}

    def look() -> bool:
        by_stamp.update((one.stamp, one) for one in driver.poll(jobs))
        return all(job.stamp in by_stamp and is_so(by_stamp[job.stamp]) for job in jobs)

    site.until(look, "the condition of all jobs")
    return [by_stamp[job.stamp] for job in jobs]


def is_final(observation: Observed) -> bool:
    return observation.status in FINAL


def is_running(observation: Observed) -> bool:
    return observation.status is Status.RUNNING


def is_held(observation: Observed) -> bool:
    return str(observation.raw).startswith("Held")


def tell(site: CondorSite, tool: str, job: Job, *words: str) -> None:
    assert site._tell(tool, f'PilotageStamp == "{job.stamp}"', *words)


def test_limits_end_a_pilot_and_say_which(site: CondorSite) -> None:
    [long] = site.send(site.orders(1), command=FOREVER, walltime=2)
    [large] = site.send(site.orders(1), command=EAT)
    driver = site.driver()
    until(site, driver, [large], is_held)
    driver.tidy()
    slow, fat = until(site, driver, [long, large], is_final)
    assert (slow.status, slow.cause) == (Status.FAILED, Cause.WALLTIME)
    assert (fat.status, fat.cause) == (Status.FAILED, Cause.OUT_OF_MEMORY)
    assert "memory usage exceeded" in str(fat.reason)


def test_a_pilot_on_hold_waits_to_be_released(site: CondorSite) -> None:
    [job] = site.send(site.orders(1), command=FOREVER)
    driver = site.driver(held_patience=1000)
    until(site, driver, [job], is_running)
    tell(site, "hold", job, "-reason", "the operator looks into it")
    [observation] = until(site, driver, [job], is_held)
    assert (observation.status, observation.raw) == (Status.SUBMITTED, "Held UserRequest")
    assert "looks into it" in str(observation.reason)
    tell(site, "release", job)
    until(site, driver, [job], is_running)


def test_a_pilot_on_hold_is_given_up_in_the_end(site: CondorSite) -> None:
    [job, other] = site.send(site.orders(2), command=FOREVER)
    patient, driver = site.driver(), site.driver(held_patience=0)
    until(site, patient, [job, other], is_running)
    tell(site, "hold", job, "-reason", "nobody comes")
    until(site, patient, [job], is_held)
    # The schedd counts in whole seconds.
    site.until(
        lambda: time.time() > site.ads("JobStatus == 5")[0]["EnteredCurrentStatus"] + 1,
        "the hold to last a second",
    )
    assert is_held(driver.poll([job])[0])
    driver.find()
    assert is_held(driver.poll([job])[0]), "asking removes nothing"
    driver.tidy()
    [observation] = until(site, patient, [job], is_final)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.HELD)
    assert "nobody comes" in str(observation.reason)
    assert is_running(patient.poll([other])[0])


def test_a_hold_that_cannot_be_ended_is_told(site: CondorSite) -> None:
    [job] = site.send(site.orders(1), command=FOREVER, submit={"hold": "true"})
    site.until(
        lambda: time.time() > site.ads("JobStatus == 5")[0]["EnteredCurrentStatus"] + 1,
        "the hold to last a second",
    )
    driver = site.driver(held_patience=0)
    with site.replacing(rm="exit 1"), pytest.raises(Unavailable):
        driver.tidy()
    assert is_held(driver.poll([job])[0])


def test_payloads_get_their_words_and_variables_whole(site: CondorSite) -> None:
    hostile = ["a b", "'\"$HOME\\", "two\nlines", "$$(OpSys) $(Cluster)", "é", ""]
    payload = '#!/bin/sh\nprintf "%s|" "$PILOTAGE_STAMP" "$PILOTAGE_VO" "$WORDS" "$@"\n'
    orders = [order._replace(script=payload, arguments=hostile) for order in site.orders(2)]
    jobs = site.send(orders, environment={"WORDS": "A='b c' \"d\"\ne; f"})
    driver = site.driver()
    for one in until(site, driver, jobs, is_final):
        assert one.status is Status.DONE
    for job in jobs:
        words = [job.stamp, job.vo, "A='b c' \"d\"\ne; f", *hostile]
        assert driver.output(job).text == "".join(f"{word}|" for word in words)


def test_secrets_need_the_spool() -> None:
    assert HTCondorOptions(spool=True).objection_to_secrets() is None
    assert "spool=true" in str(HTCondorOptions().objection_to_secrets())


def test_each_pilot_of_a_cluster_gets_its_own_secret(site: CondorSite) -> None:
    script = 'sha256sum <"$PILOTAGE_SECRET_FILE"; stat -c %a "$PILOTAGE_SECRET_FILE"; ls -a'
    keys, url = PilotKeys(("k" * 40,)), "https://pilotage.example.org"
    some = [
        one._replace(script=script, secret=keys.secret_of(one.stamp), url=url)
        for one in site.orders(2)
    ]
    jobs = site.send(some, spool=True)
    driver = site.driver(spool=True)
    until(site, driver, jobs, is_final)
    for one, job in zip(some, jobs, strict=True):
        digest = sha256(f"{one.secret}\n".encode()).hexdigest()
        text = driver.output(job).text
        assert text.startswith(f"{digest}  -\n600\n")
        assert text.count(".secret") == 1


def test_more_than_the_schedd_allows_is_a_matter_of_quota(site: CondorSite) -> None:
    with pytest.raises(Refused, match="MAX_JOBS_PER_SUBMISSION") as error:
        site.driver().submit(site.orders(QUOTA + 1))
    assert error.value.cause == Cause.QUOTA
    assert site.driver().find().jobs == []


def test_a_description_that_the_client_refuses_is_refused(site: CondorSite) -> None:
    driver = site.driver(submit={"requirements": "((("})
    with pytest.raises(Refused, match="Parse error") as error:
        driver.submit(site.orders(2))
    assert error.value.cause == Cause.REFUSED


def test_jobs_whose_files_did_not_arrive_are_not_refused(site: CondorSite) -> None:
    no_file = "transfer_input_files = /nowhere/Invalid"
    with (
        site.replacing(submit=f'sed "/^queue/i {no_file}" | "$real" "$@"'),
        pytest.raises(Unavailable, match="Failed to spool"),
    ):
        site.driver(spool=True).submit(site.orders(2))
    jobs = site.driver().find().jobs
    assert [job.raw for job in jobs] == ["Held SpoolingInput"] * 2


def test_one_order_that_cannot_be_written_harms_no_other(site: CondorSite) -> None:
    good, bad = site.orders(2)
    bad = bad._replace(arguments=["zero \0 byte"])
    receipts = {one.stamp: one for one in site.driver().submit([bad, good])}
    assert receipts[bad.stamp].refused is Cause.REFUSED
    assert receipts[good.stamp].handle
    assert [one.stamp for one in site.driver().find().jobs] == [good.stamp]


def test_each_vo_shows_its_own_credential(site: CondorSite) -> None:
    site.credentials = {
        "one": site.condor.token(),
        "two": site.condor.token(OTHER_USER),
        "three": CredentialProblem("it has expired"),
    }
    vos = ["one", "two", "three", "four"]
    orders = [order._replace(vo=vo) for order, vo in zip(site.orders(4), vos, strict=True)]
    receipts = {one.stamp: one for one in site.driver().submit(orders)}
    assert [receipts[order.stamp].refused for order in orders[2:]] == [Cause.CREDENTIAL] * 2
    jobs = [
        Job(stamp=order.stamp, handle=receipts[order.stamp].handle or "9999.0", vo=order.vo)
        for order in orders
    ]
    owners = {ad["PilotageVO"]: ad["Owner"] for ad in site.ads("true")}
    assert owners == {"one": "griduser", "two": OTHER_USER}
    driver = site.driver()
    assert {one.vo for one in driver.poll(jobs)} == {"one", "two"}
    assert driver.find().vos == frozenset({"one", "two"})

    site.credentials["two"] = CredentialProblem("it has expired")
    listing = driver.find()
    assert listing.vos == frozenset({"one"})
    assert {one.vo for one in listing.jobs} == {"one"}
    assert [one.stamp for one in driver.poll(jobs)] == [jobs[0].stamp]
    assert [one.stamp for one in driver.cancel(jobs)] == [jobs[0].stamp]

    site.credentials["one"] = CredentialProblem("it has expired")
    for call in (driver.find, driver.hello, lambda: driver.poll(jobs)):
        with pytest.raises(CredentialProblem, match="expired"):
            call()
    site.credentials = {"two": site.condor.token(OTHER_USER)}
    driver.cancel(jobs)


@pytest.mark.parametrize(("way", "file"), [("scitokens", "scitoken"), ("ssl", "proxy")])
def test_a_schedd_believes_other_credentials_too(site: CondorSite, way: str, file: str) -> None:
    site.options |= {"authentication": way}
    site.credentials = {DEFAULT_VO: site.condor.credential(file)}
    [job] = site.send(site.orders(1), command="exit 0")
    [observation] = until(site, site.driver(), [job], is_final)
    assert observation.status is Status.DONE
    [ad] = site.ads("true")
    assert (ad["Owner"], ad.get("AuthTokenIssuer")) == (
        JOB_USER,
        ISSUER if way == "scitokens" else None,
    )

    site.credentials = {DEFAULT_VO: site.config}
    with pytest.raises(CredentialProblem):
        site.driver().submit(site.orders(1))


def test_the_job_of_another_ce_is_nobody_s_to_cancel(site: CondorSite, condor: Condor) -> None:
    other = CondorSite(condor, site.uow)
    [job] = other.send(other.orders(1), command=FOREVER)
    [mine] = site.send(site.orders(1), command=FOREVER)
    site.driver().cancel([Job(stamp=mine.stamp, handle=job.handle)])
    assert not is_final(other.driver().poll([job])[0])
    assert site.driver().find().jobs[0].status is not Status.CANCELLED
    other.close()


def test_a_job_of_another_account_with_our_names_is_listed_and_not_ended(
    site: CondorSite, condor: Condor
) -> None:
    other = CondorSite(condor, site.uow)
    other.name, other.credentials = site.name, {DEFAULT_VO: condor.token(OTHER_USER)}
    [job] = other.send(other.orders(1), command=FOREVER)
    site.driver().cancel([job])
    [listed] = site.driver().find().jobs
    assert listed.handle == job.handle
    assert listed.raw != "Removed"
    other.driver().cancel([job])


def test_a_stamp_under_another_id_is_left_open(site: CondorSite) -> None:
    [job] = site.send(site.orders(1), command=FOREVER)
    assert site.driver().poll([job._replace(handle="99999.0")]) == []


def test_nothing_that_is_counted_is_believed_to_be_nothing(site: CondorSite) -> None:
    [job] = site.send(site.orders(1), command=FOREVER)
    only_counts = 'case "$*" in *-totals*) exec "$real" "$@" ;; esac'
    with (
        site.replacing(q=only_counts),
        pytest.raises(Unreadable, match="did not report a count of 0"),
    ):
        site.driver().poll([job])


def test_files_travel_both_ways_to_a_schedd_that_is_far_away(site: CondorSite) -> None:
    jobs = site.send(site.orders(3), command='echo "I am $PILOTAGE_STAMP"', spool=True)
    driver = site.driver(spool=True)
    for observation in until(site, driver, jobs, is_final):
        assert observation.status is Status.DONE
    assert not driver.place.path(jobs[0].stamp).exists()
    assert driver.output(jobs[0]).text == f"I am {jobs[0].stamp}\n"
    site.until(lambda: len(site.ads("JobStatus == 4")) == 3, "all three to be known")
    for observation in driver.poll(jobs):
        assert observation.status is Status.DONE
    with site.provoke(Trouble.CREDENTIAL, []), pytest.raises(CredentialProblem):
        driver.output(jobs[1])


def readable(programs: Path, folder: Path, new: Path) -> Path:
    """Wrap programs so that they act as another user, who may read the files to send.

    A worker submits as its own user. These tests run as root, which HTCondor refuses.
    """
    new.mkdir()
    for program in programs.iterdir():
        lines = f"chmod -R a+rX {quote(str(folder))}", f'exec {quote(str(program))} "$@"'
        (new / program.name).write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
        (new / program.name).chmod(0o755)
    return new


def test_a_schedd_of_this_host_needs_no_name_and_no_token(site: CondorSite, tmp_path: Path) -> None:
    programs = readable(site.condor.local_programs, site.folder, tmp_path / "programs")
    site.options |= {
        "schedd": None,
        "authentication": "none",
        "config": site.condor.daemons,
        "programs": programs,
    }
    driver = site.driver()
    assert "schedd@testbed" in driver.hello()
    [job] = site.send(site.orders(1), command="echo here; exit 4")
    [observation] = until(site, driver, [job], is_final)
    assert (observation.cause, observation.exit_code) == (Cause.EXIT_CODE, 4)
    assert driver.output(job).text == "here\n"
    assert driver.find().vos is None


def test_our_settings_are_not_passed_on(
    site: CondorSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", "postgresql://secret")
    with site.replacing(q=f"env > {tmp_path / 'environment'}; exit 1"), pytest.raises(Unavailable):
        site.driver().find()
    environment = (tmp_path / "environment").read_text()
    assert "CONDOR_CONFIG" in environment
    assert "PILOTAGE" not in environment


def test_a_client_that_is_not_there_is_unavailable(site: CondorSite, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is not installed on this host"):
        site.driver(programs=tmp_path).hello()
