"""Cases of cancelling, and of fetching what a pilot wrote."""

from uuid import uuid4

from worker.backends.conformance.looks import (
    connect,
    find_all,
    look,
    send,
    trouble_at,
    until_final,
    until_status,
)
from worker.backends.conformance.site import Life, Site, Trouble
from worker.domain.ce_answers import Job
from worker.domain.pilot import FINAL, Status


class Cancelling:
    """The cases of cancelling and of output."""

    def test_cancelling_what_has_ended_is_accepted(self, site: Site) -> None:
        """The cancellation changes nothing."""
        driver, [job] = send(site, 1, Life.SHORT)
        until_final(site, driver, job)
        [answer] = driver.cancel([job])
        assert answer.accepted
        assert look(driver, [job])[job.stamp].status is Status.DONE

    def test_cancelling_ends_a_running_pilot(self, site: Site) -> None:
        """Only that pilot ends, and the CE then reports it as cancelled."""
        driver, [job, kept] = send(site, 2)
        until_status(site, driver, job, Status.RUNNING)
        [answer] = driver.cancel([job])
        assert answer.accepted
        assert until_final(site, driver, job).status is Status.CANCELLED
        assert look(driver, [kept])[kept.stamp].status not in (None, *FINAL)

    def test_cancelling_ends_a_waiting_pilot(self, site: Site) -> None:
        """It never starts."""
        driver = connect(site)
        with trouble_at(site, Trouble.NEVER_STARTS):
            _, [job] = send(site, 1)
        assert driver.cancel([job])[0].accepted
        assert until_final(site, driver, job).status is Status.CANCELLED

    def test_cancelling_what_the_ce_never_had_is_no_crash(self, site: Site) -> None:
        """Another job of the same call is cancelled nevertheless."""
        driver, [job] = send(site, 1)
        stranger = Job(stamp=uuid4().hex, handle=site.unknown_handle(1))
        answers = {answer.stamp: answer for answer in driver.cancel([stranger, job])}
        assert answers[job.stamp].accepted
        assert until_final(site, driver, job).status is Status.CANCELLED

    def test_each_of_a_waiting_batch_is_told_apart(self, site: Site) -> None:
        """This holds although a CE may show a whole batch in one line."""
        driver = connect(site)
        with trouble_at(site, Trouble.NEVER_STARTS):
            _, jobs = send(site, 10)
        answers = look(driver, jobs)
        assert {answers[job.stamp].status for job in jobs} == {Status.SUBMITTED}
        assert find_all(site, driver) == {job.stamp: [job.handle] for job in jobs}

    def test_the_output_of_a_chatty_pilot_is_bounded(self, site: Site) -> None:
        """Its middle is left out, and the output is marked as truncated."""
        driver, [job] = send(site, 1, Life.CHATTY)
        until_final(site, driver, job)
        output = driver.output(job)
        assert 0 < len(output.text) <= site.output_limit
        assert output.truncated

    def test_the_output_of_a_running_pilot_can_be_asked_for(self, site: Site) -> None:
        """There may be none yet."""
        driver, [job] = send(site, 1)
        until_status(site, driver, job, Status.RUNNING)
        assert not driver.output(job).truncated
