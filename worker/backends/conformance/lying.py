"""A pilot that lies: what it says of itself cannot be true, and hurts no other pilot."""

from contextlib import suppress

import pytest

from worker.backends.conformance.looks import is_tame, look, send, until_final
from worker.backends.conformance.site import Lie, Life, Site
from worker.domain import bounds
from worker.domain.errors import BackendError
from worker.domain.pilot import Status


class Lying:
    """The cases."""

    def test_a_pilot_that_lies_hurts_no_other(self, site: Site) -> None:
        """Whatever stands in its own record, the others are told, and what is told can be kept."""
        lies = [lie for lie in Lie if lie not in site.cannot_lie]
        if not lies:
            pytest.skip("; ".join(sorted(set(site.cannot_lie.values()))))
        driver, [liar, honest] = send(site, 2, Life.SHORT)
        for job in (liar, honest):
            until_final(site, driver, job)
        listed = {job.stamp for job in driver.find().jobs} - {liar.stamp}
        for lie in lies:
            site.plant(lie, liar)
            answers = look(driver, [liar, honest])
            assert honest.stamp in answers, lie
            assert answers[honest.stamp].status is Status.DONE, lie
            listing = driver.find()
            assert listed <= {job.stamp for job in listing.jobs}, lie
            for shown in (*answers.values(), *listing.jobs):
                assert bounds.observed(shown, site.now()) == shown, lie
            with suppress(BackendError):
                assert all(answer.accepted for answer in driver.cancel([honest])), lie
            assert is_tame(lambda: driver.cancel([liar])), lie
            assert is_tame(lambda: driver.output(liar)), lie
            assert is_tame(driver.tidy), lie
