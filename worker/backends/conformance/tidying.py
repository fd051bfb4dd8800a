"""Tidying: a question changes nothing at the CE, and what lives is never cleared away."""

from worker.backends.conformance.looks import find_all, look, send, until_final, until_status
from worker.backends.conformance.site import Life, Site
from worker.domain.pilot import FINAL, Status


class Tidying:
    """The cases."""

    def test_a_question_changes_nothing_at_the_ce(self, site: Site) -> None:
        """However often it is asked, and whatever the CE kept for long enough."""
        driver, [job] = send(site, 1, Life.SHORT)
        until_final(site, driver, job)
        find_all(site, driver)
        site.grow_old()
        before = site.contents()
        assert before
        for _ in range(3):
            site.wait(site.step)
            driver.poll([job])
            driver.find()
        assert site.contents() == before

    def test_tidying_leaves_alone_what_lives(self, site: Site) -> None:
        """And what has just ended can be asked after."""
        driver, [job] = send(site, 1)
        _, [short] = send(site, 1, Life.SHORT)
        until_status(site, driver, job, Status.RUNNING)
        until_final(site, driver, short)
        driver.tidy()
        assert look(driver, [job])[job.stamp].status not in (None, *FINAL)
        assert look(driver, [short])[short.stamp].status is Status.DONE
        assert job.stamp in find_all(site, driver)
