"""Cases with a second CE at the same place, for example another partition of the same cluster."""

from collections.abc import Sequence

import pytest

from worker.backends.conformance.looks import (
    connect,
    look,
    send_by,
    stamps_of,
    until_final,
    until_status,
)
from worker.backends.conformance.site import Life, Site
from worker.backends.guard import Guard
from worker.domain.ce_answers import Job, Listing
from worker.domain.pilot import FINAL, Status


def connect_both(site: Site) -> tuple[Guard, Guard]:
    """Make guarded drivers of two CEs, or skip the case if there can be only one CE."""
    if site.alone:
        pytest.skip(f"no second CE: {site.alone}")
    return connect(site), Guard(site.connect_second(Life.LONG), site.now)


def listing_of_both(site: Site, *drivers: Guard) -> list[Listing]:
    """List the jobs of each CE, after the CE certainly lists all of them."""
    site.wait(site.visibility_delay)
    return [driver.find() for driver in drivers]


def keeps_out(site: Site, listing: Listing, others: Sequence[Job]) -> bool:
    """Return whether a listing presents no job of the other CE as a job of its own CE."""
    stamps = stamps_of(others)
    claims = [job for job in listing.jobs if job.stamp in stamps]
    if not site.tells_ce:
        return all(job.ce is None for job in claims)
    own = {job.ce for job in listing.jobs if job.stamp not in stamps}
    return all(job.ce is not None and job.ce not in own for job in claims)


class Neighbours:
    """The cases with two CEs."""

    def test_the_listing_of_a_ce_gives_no_job_of_its_neighbour_out_as_its_own(
        self, site: Site
    ) -> None:
        """The listing still has every job of the CE itself."""
        first, second = connect_both(site)
        jobs, others = send_by(site, first, 3), send_by(site, second, 2)
        here, there = listing_of_both(site, first, second)
        assert here.complete
        assert there.complete
        assert stamps_of(jobs) <= {job.stamp for job in here.jobs}
        assert stamps_of(others) <= {job.stamp for job in there.jobs}
        assert keeps_out(site, here, others)
        assert keeps_out(site, there, jobs)

    def test_a_new_driver_knows_the_jobs_of_its_ce_from_those_of_its_neighbour(
        self, site: Site
    ) -> None:
        """What distinguishes the jobs is stored at the CE, not in the memory of a process."""
        first, second = connect_both(site)
        jobs, others = send_by(site, first, 1), send_by(site, second, 1)
        here, there = listing_of_both(site, *connect_both(site))
        assert stamps_of(jobs) <= {job.stamp for job in here.jobs}
        assert stamps_of(others) <= {job.stamp for job in there.jobs}
        assert keeps_out(site, here, others)
        assert keeps_out(site, there, jobs)

    def test_cancelling_all_that_a_ce_has_leaves_its_neighbour_alone(self, site: Site) -> None:
        """Each job is cancelled by its own handle."""
        first, second = connect_both(site)
        jobs, [other] = send_by(site, first, 2), send_by(site, second, 1)
        until_status(site, second, other, Status.RUNNING)
        assert all(answer.accepted for answer in first.cancel(jobs))
        for job in jobs:
            assert until_final(site, first, job).status is Status.CANCELLED
        assert look(second, [other])[other.stamp].status not in (None, *FINAL)
