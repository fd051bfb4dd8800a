"""A listed job belongs to the CE of its pilot, or to the CE that it names; no other CE ends it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.factories import NOW, a_ce, a_pilot
from worker.db.database import Database
from worker.domain.ce_answers import Listing, Observed
from worker.domain.pilot import FINAL, Pilot, Status
from worker.policy.comparison import Comparison, compare

HERE, OTHER = "main", "gpu"
LATER = NOW + timedelta(hours=1)
LIVING = [status for status in Status if status not in FINAL]


def a_pilot_of(database: Database, ce: str, status: Status) -> Pilot:
    with database.uow() as tx:
        return a_pilot().on(a_ce().named(ce).create(tx)).that_is(status).at(NOW).create(tx)


def a_job(stamp: str = "a" * 32, ce: str | None = None, **more: object) -> Observed:
    job = Observed(stamp=stamp, handle="7", ce=ce, status=Status.RUNNING)
    return job._replace(**more)  # type: ignore[arg-type]


def compare_job(job: Observed, *pilots: Pilot) -> Comparison:
    listing = Listing(jobs=[job], complete=True, as_of=LATER)
    return compare(HERE, listing, {pilot.stamp: pilot for pilot in pilots})


@pytest.mark.parametrize("status", LIVING)
@pytest.mark.parametrize("label", [None, OTHER, HERE])
def test_the_job_of_a_living_pilot_of_another_ce_is_nobody_else_s(
    sqlite_database: Database, status: Status, label: str | None
) -> None:
    pilot = a_pilot_of(sqlite_database, OTHER, status)
    comparison = compare_job(a_job(pilot.stamp, label), pilot)

    assert comparison == Comparison(listed=frozenset({pilot.stamp}))
    assert comparison.unwanted() == []


@pytest.mark.parametrize("status", sorted(FINAL))
@pytest.mark.parametrize("label", [None, OTHER])
def test_what_another_ce_has_recorded_as_over_is_shown_and_left_to_it(
    sqlite_database: Database, status: Status, label: str | None
) -> None:
    pilot = a_pilot_of(sqlite_database, OTHER, status)
    job = a_job(pilot.stamp, label)
    comparison = compare_job(job, pilot)

    assert comparison.foreign == [(pilot, job)]
    assert (comparison.leftovers, comparison.returning, comparison.unwanted()) == ([], [], [])


@pytest.mark.parametrize("status", LIVING)
def test_the_job_of_a_living_pilot_of_this_ce_is_wanted(
    sqlite_database: Database, status: Status
) -> None:
    pilot = a_pilot_of(sqlite_database, HERE, status)
    assert compare_job(a_job(pilot.stamp), pilot).unwanted() == []


def test_what_this_ce_has_recorded_as_over_is_a_leftover_whatever_its_job_says(
    sqlite_database: Database,
) -> None:
    pilot = a_pilot_of(sqlite_database, HERE, Status.DONE)
    for label in (None, HERE, OTHER):
        job = a_job(pilot.stamp, label)
        assert compare_job(job, pilot).leftovers == [(pilot, job)]


def test_a_lost_pilot_is_taken_back_by_its_own_ce_only(sqlite_database: Database) -> None:
    pilot = a_pilot_of(sqlite_database, HERE, Status.LOST)
    assert compare_job(a_job(pilot.stamp), pilot).returning == [(pilot, a_job(pilot.stamp))]
    elsewhere = pilot._replace(ce=OTHER)
    assert compare_job(a_job(pilot.stamp), elsewhere).returning == []


def test_a_stranger_that_names_another_ce_is_that_ce_s() -> None:
    job = a_job(ce=OTHER)
    assert compare_job(job).foreign == [(None, job)]
    assert compare_job(job).strangers == []
    assert compare_job(job).unwanted() == []


@pytest.mark.parametrize("label", [None, HERE])
def test_a_stranger_that_names_no_ce_or_this_one_is_this_ce_s(label: str | None) -> None:
    job = a_job(ce=label)
    assert compare_job(job).strangers == [job]
    assert [one.handle for one in compare_job(job).unwanted()] == ["7"]


@pytest.mark.parametrize("status", [Status.DONE, None])
def test_what_has_ended_or_cannot_be_read_is_not_shown(status: Status | None) -> None:
    assert compare_job(a_job(ce=OTHER, status=status)).foreign == []
    assert compare_job(a_job(status=status)).strangers == []


@pytest.mark.parametrize(
    ("ce", "handle", "doubles"), [(HERE, "7", 1), (HERE, None, 0), (OTHER, "7", 0)]
)
def test_a_double_is_ended_by_its_own_ce_once_it_is_recorded_which_job_is_the_pilot(
    sqlite_database: Database, ce: str, handle: str | None, doubles: int
) -> None:
    pilot = a_pilot_of(sqlite_database, ce, Status.SUBMITTING)._replace(handle=handle)
    listing = Listing(jobs=[a_job(pilot.stamp)], complete=True, as_of=LATER)
    listing = replace(listing, jobs=[*listing.jobs, a_job(pilot.stamp, handle="8")])
    comparison = compare(HERE, listing, {pilot.stamp: pilot})

    assert [job.handle for job in comparison.doubles] == ["8"] * doubles
    assert len(comparison.unwanted()) == doubles
