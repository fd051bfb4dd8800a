"""Cases of errors: only `BackendError` is raised, in time, and no call in a transaction."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from worker.backends.conformance.looks import (
    Spy,
    answers_of,
    calls_of,
    find_all,
    once_in_time,
    raises_only_backend_errors,
    send,
    stamps_of,
    trouble_at,
)
from worker.backends.conformance.site import Site, Trouble
from worker.backends.guard import Guard, UnitOfWorkOpen
from worker.db.engine import make_engine, parse_url
from worker.db.uow import UnitOfWork
from worker.domain.errors import (
    CredentialProblem,
    Unavailable,
    Unreadable,
)
from worker.domain.pilot import FINAL


class Errors:
    """The cases of errors."""

    @pytest.mark.parametrize("trouble", list(Trouble))
    def test_nothing_but_a_backend_error_comes_out(self, site: Site, trouble: Trouble) -> None:
        """This holds for every trouble at the CE."""
        driver, jobs = send(site, 2)
        orders = site.orders(2)
        with trouble_at(site, trouble, *stamps_of([*jobs, *orders])):
            for call in calls_of(driver, orders, jobs):
                assert raises_only_backend_errors(call)
            assert raises_only_backend_errors(lambda: driver.output(jobs[0]))
            assert raises_only_backend_errors(driver.tidy)

    def test_a_ce_that_is_down_is_unavailable_and_comes_back(self, site: Site) -> None:
        """No earlier job is forgotten, and no new order was accepted."""
        driver, jobs = send(site, 2)
        with trouble_at(site, Trouble.DOWN):
            for call in calls_of(driver, site.orders(2), jobs):
                with pytest.raises(Unavailable):
                    call()
        assert find_all(site, driver) == {job.stamp: [job.handle] for job in jobs}

    def test_a_ce_that_can_be_reached_says_who_it_is(self, site: Site) -> None:
        """The answer is one line, and nothing is sent to get it."""
        driver, jobs = send(site, 1)
        answer = driver.hello()
        assert answer
        assert "\n" not in answer
        assert find_all(site, driver) == {job.stamp: [job.handle] for job in jobs}

    def test_a_slow_ce_is_left_in_time(self, site: Site) -> None:
        """A call takes no longer than its time limit and a small margin."""
        driver, jobs = send(site, 2)
        with trouble_at(site, Trouble.SLOW):
            for call in calls_of(driver, site.orders(2), jobs):
                assert once_in_time(partial(_is_left_in_time, site, call))

    def test_an_unreadable_answer_is_kept(self, site: Site) -> None:
        """The error holds the answer, so that a person can read it."""
        driver, jobs = send(site, 1)
        with trouble_at(site, Trouble.UNREADABLE):
            with pytest.raises(Unreadable) as poll:
                driver.poll(jobs)
            with pytest.raises(Unreadable) as find:
                driver.find()
        assert poll.value.raw
        assert find.value.raw

    def test_an_expired_credential_is_called_by_its_name(self, site: Site) -> None:
        """Nothing was accepted, and no pilot changes because of it."""
        driver, jobs = send(site, 2)
        with trouble_at(site, Trouble.CREDENTIAL):
            with pytest.raises(CredentialProblem):
                driver.submit(site.orders(2))
            answers = answers_of(lambda: driver.poll(jobs))
        assert not any(one.absent or one.status in FINAL for one in answers)
        assert set(find_all(site, driver)) == {job.stamp for job in jobs}

    def test_no_call_is_made_with_a_unit_of_work_open(self, site: Site) -> None:
        """The driver is not even called."""
        _, jobs = send(site, 1)
        spy = Spy(site.connect())
        driver, uow = Guard(spy), UnitOfWork(make_engine(parse_url("sqlite://")))
        with uow():
            for call in calls_of(driver, site.orders(1), jobs):
                with pytest.raises(UnitOfWorkOpen):
                    call()
            with pytest.raises(UnitOfWorkOpen):
                driver.output(jobs[0])
            with pytest.raises(UnitOfWorkOpen):
                driver.tidy()
        uow.engine.dispose()
        assert spy.calls == []


def _is_left_in_time(site: Site, call: Callable[[], object]) -> bool:
    """Return whether a call to a slow CE was given up within its limit and a small margin."""
    began = time.monotonic()
    with pytest.raises(Unavailable):
        call()
    return time.monotonic() - began < site.time_limit + site.margin
