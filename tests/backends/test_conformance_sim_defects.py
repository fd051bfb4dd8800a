"""The suite can fail: each driver here has one defect, and its case fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile

import pytest

from tests.backends.sim_site import SimSite
from worker.backends.conformance import Conformance, Life, Trouble, never
from worker.backends.contract import Driver
from worker.backends.sim import memory, replies
from worker.backends.sim.driver import SimDriver
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    DatabaseBusy,
    Refused,
    Unavailable,
)
from worker.domain.pilot import Cause, Status

pytestmark = pytest.mark.slow


class Defective:
    """A driver that changes nothing. Each defect changes one thing."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        return self.driver.submit(orders)

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return self.driver.poll(jobs)

    def find(self) -> Listing:
        return self.driver.find()

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        return self.driver.cancel(jobs)

    def output(self, job: Job) -> Output:
        return self.driver.output(job)

    def hello(self) -> str:
        return self.driver.hello()


class Forgetful(Defective):
    """Knows only the jobs that it submitted itself."""

    handles: frozenset[str | None] = frozenset()

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        receipts = self.driver.submit(orders)
        self.handles |= {receipt.handle for receipt in receipts}
        return receipts

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return self.driver.poll([job for job in jobs if job.handle in self.handles])


class SilenceIsAbsence(Defective):
    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        by_stamp = {one.stamp: one for one in self.driver.poll(jobs)}
        absences = [Observed(stamp=j.stamp, handle=j.handle, absent=True) for j in jobs]
        return [by_stamp.get(one.stamp, one) for one in absences]


class ChokesOnUnknown(Defective):
    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        observations = self.driver.poll(jobs)
        if any(one.absent for one in observations):
            raise KeyError("no such job")
        return observations


class UnknownWordFails(Defective):
    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        observations = self.driver.poll(jobs)
        return [
            o if o.status else o._replace(status=Status.FAILED, cause=Cause.UNKNOWN)
            for o in observations
        ]


class AlwaysComplete(Defective):
    def find(self) -> Listing:
        return replace(self.driver.find(), complete=True)


class FromTheFuture(Defective):
    def find(self) -> Listing:
        listing = self.driver.find()
        return replace(listing, as_of=listing.as_of + timedelta(hours=1))


class HidesDuplicates(Defective):
    def find(self) -> Listing:
        listing = self.driver.find()
        return replace(listing, jobs=list({job.stamp: job for job in listing.jobs}.values()))


class OneRefusedAllRefused(Defective):
    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        receipts = self.driver.submit(orders)
        if any(receipt.refused for receipt in receipts):
            raise Refused(Cause.REFUSED, "one of them is bad")
        return receipts


class SendsAgain(Defective):
    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        try:
            return self.driver.submit(orders)
        except Unavailable:
            return self.driver.submit(orders)


class CannotCancelTheDead(Defective):
    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        return [answer._replace(accepted=False) for answer in self.driver.cancel(jobs)]


class DoesNotCancel(Defective):
    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        return [Cancelled(stamp=job.stamp, accepted=True) for job in jobs]


class LeaksErrors(Defective):
    def find(self) -> Listing:
        try:
            return self.driver.find()
        except BackendError as error:
            raise DatabaseBusy("the world") from error


class CredentialIsWeather(Defective):
    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        try:
            return self.driver.submit(orders)
        except CredentialProblem as error:
            raise Unavailable("401") from error


class PassesOnGarbage(Defective):
    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return [one._replace(reason=replies.BROKEN_TEXT) for one in self.driver.poll(jobs)]


class PrintsItAll(Defective):
    def output(self, job: Job) -> Output:
        return Output(text="x" * 2_000_000, truncated=True)


class NeverGivesUp(Defective):
    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        time.sleep(1.1)
        return self.driver.poll(jobs)


class OwnsThePlace(Defective):
    def find(self) -> Listing:
        listing = self.driver.find()
        return replace(listing, jobs=[job._replace(ce="ce1") for job in listing.jobs])


class EndsThePlace(Defective):
    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        self.driver.cancel([Job(stamp=j.stamp, handle=j.handle) for j in self.driver.find().jobs])
        return self.driver.cancel(jobs)


class HidesItsNameFromOthers(Defective):
    def find(self) -> Listing:
        listing = self.driver.find()
        return replace(listing, jobs=[job._replace(ce=None) for job in listing.jobs])


class TidiesWhenAsked(Defective):
    def find(self) -> Listing:
        listing = self.driver.find()
        assert isinstance(self.driver, SimDriver)
        with self.driver.means.uow() as tx:
            memory.clear(tx, self.driver.ce.name, self.driver.means.now())
        return listing


class TidiesWhatLives(Defective):
    def tidy(self) -> None:
        listing = self.driver.find()
        self.driver.cancel([Job(stamp=job.stamp, handle=job.handle) for job in listing.jobs])


class BelievesNobodyOnceOneLies(Defective):
    """Reads all answers at once, so that one bad answer spoils all."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return _refuse_lies(self.driver.poll(jobs))

    def find(self) -> Listing:
        listing = self.driver.find()
        return replace(listing, jobs=_refuse_lies(listing.jobs))


class StopsAtALie(Defective):
    """Returns the observations before the lie, and none of those after it."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return list(takewhile(_is_true, self.driver.poll(jobs)))


class ListsNobodyOnceOneLies(Defective):
    def find(self) -> Listing:
        listing = self.driver.find()
        return listing if all(map(_is_true, listing.jobs)) else replace(listing, jobs=[])


def _is_true(one: Observed) -> bool:
    return one.exit_code is None or 0 <= one.exit_code < 256


def _refuse_lies(observations: Sequence[Observed]) -> Sequence[Observed]:
    if not all(map(_is_true, observations)):
        raise ValueError("no exit code has so many bits")
    return observations


CASES: list[tuple[type[Defective], str]] = [
    (Forgetful, "another_driver_carries_on"),
    (SilenceIsAbsence, "an_empty_answer_says_nothing"),
    (ChokesOnUnknown, "one_unknown_job_spoils_no_answer"),
    (UnknownWordFails, "an_unknown_word_is_kept_and_is_no_status"),
    (AlwaysComplete, "a_listing_cut_short_says_so"),
    (AlwaysComplete, "an_empty_answer_says_nothing"),
    (FromTheFuture, "the_listing_has_every_job_and_no_other"),
    (FromTheFuture, "another_clock_at_the_ce_changes_nothing"),
    (HidesDuplicates, "a_second_job_of_a_stamp_is_not_hidden"),
    (OneRefusedAllRefused, "one_refused_order_harms_no_other"),
    (SendsAgain, "a_lost_reply_leaves_one_job_for_each_order"),
    (CannotCancelTheDead, "cancelling_what_has_ended_is_accepted"),
    (DoesNotCancel, "cancelling_ends_a_running_pilot"),
    (DoesNotCancel, "cancelling_ends_a_waiting_pilot"),
    (CredentialIsWeather, "an_expired_credential_is_called_by_its_name"),
    (PassesOnGarbage, "broken_text_is_made_harmless"),
    (BelievesNobodyOnceOneLies, "a_pilot_that_lies_hurts_no_other"),
    (StopsAtALie, "a_pilot_that_lies_hurts_no_other"),
    (ListsNobodyOnceOneLies, "a_pilot_that_lies_hurts_no_other"),
    (PrintsItAll, "the_output_of_a_chatty_pilot_is_bounded"),
    (NeverGivesUp, "a_slow_ce_is_left_in_time"),
    (TidiesWhenAsked, "a_question_changes_nothing_at_the_ce"),
    (TidiesWhatLives, "tidying_leaves_alone_what_lives"),
    (OwnsThePlace, "the_listing_of_a_ce_gives_no_job_of_its_neighbour_out_as_its_own"),
    (HidesItsNameFromOthers, "a_new_driver_knows_the_jobs_of_its_ce_from_those_of_its_neighbour"),
    (EndsThePlace, "cancelling_all_that_a_ce_has_leaves_its_neighbour_alone"),
]


class DefectiveSite(SimSite):
    defect: Callable[[Driver], Driver] = Defective
    margin = 1
    many_ids = 1000
    patience = 5

    def connect(self, life: Life = Life.LONG) -> Driver:  # type: ignore[override]
        return type(self).defect(super().connect(life))

    def connect_second(self, life: Life = Life.LONG) -> Driver:  # type: ignore[override]
        return type(self).defect(super().connect_second(life))


def site_with(uow: UnitOfWork, defect: type[Defective]) -> DefectiveSite:
    return type("Site", (DefectiveSite,), {"defect": defect})(uow)  # type: ignore[no-any-return]


def run_case(case: str, site: DefectiveSite) -> None:
    getattr(Conformance(), f"test_{case}")(site)


@pytest.mark.parametrize(("defect", "case"), CASES)
def test_the_case_for_a_defect_sees_it(
    sqlite: UnitOfWork, defect: type[Defective], case: str
) -> None:
    with pytest.raises((AssertionError, BackendError, pytest.fail.Exception)):
        run_case(case, site_with(sqlite, defect))


@pytest.mark.parametrize("case", sorted({case for _, case in CASES}))
def test_without_a_defect_it_passes(sqlite: UnitOfWork, case: str) -> None:
    run_case(case, site_with(sqlite, Defective))


def test_an_error_that_is_no_backend_error_does_not_come_out(sqlite: UnitOfWork) -> None:
    Conformance().test_nothing_but_a_backend_error_comes_out(
        site_with(sqlite, LeaksErrors), Trouble.DOWN
    )


class Helpless(DefectiveSite):
    provoke = SimSite.__base__.provoke  # type: ignore[union-attr]
    plant = SimSite.__base__.plant  # type: ignore[union-attr]


def test_nothing_is_skipped_by_accident(sqlite: UnitOfWork) -> None:
    with pytest.raises(NotImplementedError, match="provoke down, or name it in `cannot`"):
        run_case("a_ce_that_is_down_is_unavailable_and_comes_back", Helpless(sqlite))


def test_no_lie_is_left_out_by_accident(sqlite: UnitOfWork) -> None:
    site = Helpless(sqlite)
    with pytest.raises(NotImplementedError, match="plant huge, or name it in `cannot_lie`"):
        run_case("a_pilot_that_lies_hurts_no_other", site)
    site.cannot_lie = never("pilots are honest here")
    with pytest.raises(pytest.skip.Exception, match="pilots are honest here"):
        run_case("a_pilot_that_lies_hurts_no_other", site)


def test_what_is_declared_is_skipped_with_its_reason(sqlite: UnitOfWork) -> None:
    site = Helpless(sqlite)
    site.cannot = {Trouble.DOWN: "it is this host"}
    run_case("what_cannot_be_provoked_is_declared_with_a_reason", site)
    with pytest.raises(pytest.skip.Exception, match="down: it is this host"):
        run_case("a_ce_that_is_down_is_unavailable_and_comes_back", site)


def test_a_declaration_without_a_reason_is_refused(sqlite: UnitOfWork) -> None:
    site = Helpless(sqlite)
    site.cannot = {Trouble.DOWN: " "}
    with pytest.raises(AssertionError, match="say why down cannot be provoked"):
        run_case("what_cannot_be_provoked_is_declared_with_a_reason", site)
