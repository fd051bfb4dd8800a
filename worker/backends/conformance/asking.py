"""Cases of polling: the driver returns what the CE says, and nothing else. A poll changes nothing
at the CE, and a pilot that lies about itself does not affect other pilots.
"""

from contextlib import suppress
from uuid import uuid4

import pytest

from worker.backends.conformance.looks import (
    answers_of,
    find_all,
    is_harmless,
    is_over,
    listing_of,
    look,
    look_for,
    raises_only_backend_errors,
    send,
    trouble_at,
    until,
    until_final,
    until_status,
)
from worker.backends.conformance.site import Lie, Life, Site, Trouble
from worker.domain import bounds
from worker.domain.ce_answers import Job, Observed, Receipt
from worker.domain.errors import BackendError
from worker.domain.pilot import FINAL, Cause, Status


class Asking:
    """The cases of polling and cleaning up."""

    def test_a_good_pilot_ends_as_done(self, site: Site) -> None:
        """Its times, where the CE gives them, have a time zone."""
        driver, [job] = send(site, 1, Life.SHORT)
        answer = until_final(site, driver, job)
        assert answer.status is Status.DONE
        assert answer.cause is None
        assert answer.exit_code in (0, None)
        assert answer.raw
        for moment in (answer.started_at, answer.ended_at):
            assert moment is None or moment.tzinfo is not None

    def test_a_bad_pilot_ends_as_failed(self, site: Site) -> None:
        """It has a cause, and its exit code if the CE gives one."""
        driver, [job] = send(site, 1, Life.FAILING)
        answer = until_final(site, driver, job)
        assert answer.status is Status.FAILED
        assert isinstance(answer.cause, Cause)
        assert answer.exit_code != 0
        assert answer.raw

    def test_a_long_pilot_runs(self, site: Site) -> None:
        """It runs after it waited, if the wait is seen at all, and it stays running."""
        driver, [job] = send(site, 1)
        assert look(driver, [job])[job.stamp].status in (Status.SUBMITTED, Status.RUNNING)
        until_status(site, driver, job, Status.RUNNING)
        site.wait(site.step)
        assert look(driver, [job])[job.stamp].status is Status.RUNNING

    def test_one_unknown_job_spoils_no_answer(self, site: Site) -> None:
        """The unknown job is absent; the answers about the other jobs are as usual."""
        driver, jobs = send(site, 9)
        stranger = Job(stamp=uuid4().hex, handle=site.unknown_handle(0))
        gone = [Job(stamp=uuid4().hex, handle=site.unknown_handle(n)) for n in range(1, 491)]
        answers = look(driver, [*jobs[:4], stranger, *gone, *jobs[4:]])
        assert answers[stranger.stamp].absent
        assert answers[stranger.stamp].status is None
        for job in jobs:
            assert not answers[job.stamp].absent
            assert answers[job.stamp].status is not None

    def test_any_number_of_jobs_is_one_question(self, site: Site) -> None:
        """The jobs are more than a command line or a request could hold."""
        driver, jobs = send(site, 3)
        numbers = range(site.many_ids - len(jobs))
        gone = [Job(stamp=f"{n:032x}", handle=site.unknown_handle(n)) for n in numbers]
        answers = look(driver, [*gone, *jobs])
        assert all(answers[job.stamp].status for job in jobs)
        assert all(answers[job.stamp].absent for job in gone)

    def test_a_handle_without_meaning_is_no_crash(self, site: Site) -> None:
        """Another version may have written the handle, or a person."""
        driver, [job] = send(site, 1)
        odd = ["", " ", "no such handle", "-1", "'; --", "../x", "9" * 40, "ü" * 300]
        jobs = [Job(stamp=uuid4().hex, handle=handle) for handle in odd]
        answers = look(driver, [*jobs, job])
        assert not any(answers[one.stamp].status for one in jobs if one.stamp in answers)
        assert answers[job.stamp].status is not None
        assert raises_only_backend_errors(lambda: driver.cancel(jobs))
        assert raises_only_backend_errors(lambda: driver.output(jobs[1]))

    def test_an_unknown_word_is_kept_and_is_no_status(self, site: Site) -> None:
        """It is neither an error nor an absence."""
        driver, [job] = send(site, 1)
        with trouble_at(site, Trouble.STRANGE_WORD, job.stamp):
            answer = look(driver, [job])[job.stamp]
        assert answer.status is None
        assert not answer.absent
        assert answer.raw

    def test_what_left_the_listing_is_looked_up_in_the_history(self, site: Site) -> None:
        """A job that ended long ago still has its status."""
        driver, [job] = send(site, 1, Life.SHORT)
        until_final(site, driver, job)
        with trouble_at(site, Trouble.LEFT_LISTING, job.stamp):
            answer = look(driver, [job])[job.stamp]
        assert answer.status is Status.DONE
        assert not answer.absent

    def test_what_is_known_nowhere_is_absent(self, site: Site) -> None:
        """A job that the CE still knows is not absent."""
        driver, [gone, kept] = send(site, 2)
        with trouble_at(site, Trouble.FORGOTTEN, gone.stamp):
            answers = look(driver, [gone, kept])
            listed = find_all(site, driver)
        assert answers[gone.stamp].absent
        assert answers[gone.stamp].status is None
        assert answers[kept.stamp].status is not None
        assert set(listed) == {kept.stamp}

    def test_an_empty_answer_says_nothing(self, site: Site) -> None:
        """No pilot becomes absent because the CE returned nothing."""
        driver, jobs = send(site, 3)
        with trouble_at(site, Trouble.EMPTY):
            answers = answers_of(lambda: driver.poll(jobs))
            listing = listing_of(driver)
        assert not any(one.absent or one.status for one in answers)
        assert listing is None or not listing.complete

    def test_a_requeued_pilot_waits_and_runs_again(self, site: Site) -> None:
        """It remains one job with one handle."""
        driver, [job] = send(site, 1)
        until_status(site, driver, job, Status.RUNNING)
        with trouble_at(site, Trouble.REQUEUED, job.stamp):
            until_status(site, driver, job, Status.SUBMITTED)
        until_status(site, driver, job, Status.RUNNING)
        assert find_all(site, driver) == {job.stamp: [job.handle]}

    def test_a_pilot_that_somebody_removed_is_over(self, site: Site) -> None:
        """The CE says that it is over, or does not know it any longer."""
        driver, [job, kept] = send(site, 2)
        until_status(site, driver, job, Status.RUNNING)
        with trouble_at(site, Trouble.REMOVED, job.stamp):
            answer = until(
                site, lambda: look_for(is_over, driver, job), "the removed pilot to be over"
            )
        assert answer.absent or answer.status in (Status.CANCELLED, Status.FAILED)
        assert look(driver, [kept])[kept.stamp].status not in (None, *FINAL)

    def test_broken_text_is_made_harmless(self, site: Site) -> None:
        """The returned text can be stored, sent and shown."""
        driver, [job] = send(site, 1)
        orders = site.orders(1)
        with trouble_at(site, Trouble.GARBAGE, job.stamp, orders[0].stamp):
            answers: list[Receipt | Observed] = [*driver.submit(orders), *driver.poll([job])]
        texts = [text for one in answers for text in (one.raw, one.reason) if text is not None]
        assert texts
        for text in texts:
            assert is_harmless(text), repr(text)

    def test_a_question_changes_nothing_at_the_ce(self, site: Site) -> None:
        """This holds for repeated polls, and for files and jobs that are old enough to remove."""
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
        """A pilot that has just ended can still be polled."""
        driver, [job] = send(site, 1)
        _, [short] = send(site, 1, Life.SHORT)
        until_status(site, driver, job, Status.RUNNING)
        until_final(site, driver, short)
        driver.tidy()
        assert look(driver, [job])[job.stamp].status not in (None, *FINAL)
        assert look(driver, [short])[short.stamp].status is Status.DONE
        assert job.stamp in find_all(site, driver)


class Lying:
    """The cases of a pilot that lies about itself."""

    def test_a_pilot_that_lies_hurts_no_other(self, site: Site) -> None:
        """Whatever its own record holds, the others are answered, and each answer can be stored."""
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
            assert raises_only_backend_errors(lambda: driver.cancel([liar])), lie
            assert raises_only_backend_errors(lambda: driver.output(liar)), lie
            assert raises_only_backend_errors(driver.tidy), lie
