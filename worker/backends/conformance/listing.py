"""Cases of listing: it has every job of ours and no other, and states the moment it holds for."""

from collections.abc import Callable
from datetime import timedelta

from worker.backends.conformance.looks import (
    are_same,
    find_all,
    listing_of,
    once_in_time,
    send,
    trouble_at,
    until_final,
)
from worker.backends.conformance.site import Life, Site, Trouble
from worker.domain.ce_answers import Listing
from worker.domain.pilot import Status


class Listings:
    """The cases of listing."""

    def test_the_listing_has_every_job_and_no_other(self, site: Site) -> None:
        """This holds for jobs that nobody recorded, too."""
        driver, jobs = send(site, 5)
        before = site.now()
        listing = driver.find()
        assert listing.complete
        assert before - timedelta(minutes=5) < listing.as_of <= site.now()
        assert are_same(listing.jobs, jobs)
        assert all(job.status for job in listing.jobs)

    def test_the_listing_is_as_old_as_the_question(self, site: Site) -> None:
        """A job accepted after `as_of` may be missing; a job accepted before must be listed."""
        driver, _ = send(site, 1)
        assert once_in_time(lambda: _is_as_old_as_the_question(site, driver.find))
        listing = driver.find()
        later = send(site, 1)[1][0]
        assert later.stamp not in {job.stamp for job in listing.jobs}
        assert later.stamp in find_all(site, driver)

    def test_a_listing_cut_short_says_so(self, site: Site) -> None:
        """It is marked as incomplete, or an error is raised."""
        driver, _ = send(site, 10)
        with trouble_at(site, Trouble.TRUNCATED):
            listing = listing_of(driver)
        assert listing is None or not listing.complete

    def test_another_clock_at_the_ce_changes_nothing(self, site: Site) -> None:
        """`as_of` is a time of our own clock."""
        with trouble_at(site, Trouble.SKEWED):
            driver, [job] = send(site, 1, Life.SHORT)
            assert until_final(site, driver, job).status is Status.DONE
            before = site.now()
            assert once_in_time(lambda: _is_as_old_as_the_question(site, driver.find))
            listing = driver.find()
        assert before - timedelta(minutes=5) < listing.as_of
        assert are_same(listing.jobs, [job])


def _is_as_old_as_the_question(site: Site, find: Callable[[], Listing]) -> bool:
    """Return whether a listing holds for the moment of the call, or earlier, within the margin."""
    before = site.now()
    return find().as_of <= before + timedelta(seconds=site.margin)
