"""Cases of submission: every order becomes exactly one job, even if the reply is lost, and
whichever of several drivers sends the order.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.backends.conformance.looks import (
    Spy,
    answers_of,
    are_same,
    connect,
    find_all,
    handles_of,
    look,
    send,
    stamps_of,
    trouble_at,
    until_final,
)
from worker.backends.conformance.site import Site, Trouble
from worker.backends.guard import Guard
from worker.domain.ce_answers import Job
from worker.domain.errors import (
    Invalid,
)
from worker.domain.pilot import STAMP_LENGTH, Cause, Status

HOSTILE = (
    "", " ", "../../etc/passwd", "$(touch broken)", "a b", "-rf", "a,b", "'", "\n", "é" * 32,
    "A" * STAMP_LENGTH, "a" * (STAMP_LENGTH - 1), "a" * STAMP_LENGTH + "\n",
)  # fmt: skip
"""Words that a driver must never get as a stamp."""


class Submitting:
    """The cases of submission."""

    def test_every_order_gets_one_receipt_and_one_job(self, site: Site) -> None:
        """This holds for the largest submission, and all its jobs can be polled and cancelled."""
        driver, orders = connect(site), site.orders(site.many)
        handles = handles_of(driver.submit(orders))
        assert set(handles) == stamps_of(orders)
        assert len(set(handles.values())) == len(orders), "two jobs share a handle"
        assert find_all(site, driver) == {stamp: [handle] for stamp, handle in handles.items()}
        jobs = [Job(stamp=stamp, handle=handle) for stamp, handle in handles.items()]
        assert all(answer.status for answer in look(driver, jobs).values())
        assert {answer.stamp for answer in driver.cancel(jobs) if answer.accepted} == set(handles)

    def test_a_lost_reply_leaves_one_job_for_each_order(self, site: Site) -> None:
        """Jobs that were accepted without a reply can be found and polled."""
        driver, orders = connect(site), site.orders(3)
        with trouble_at(site, Trouble.REPLY_LOST):
            assert answers_of(lambda: driver.submit(orders)) == []
        listed = find_all(site, driver)
        assert set(listed) == stamps_of(orders)
        assert all(len(handles) == 1 for handles in listed.values()), "an order was sent twice"
        jobs = [Job(stamp=stamp, handle=handles[0]) for stamp, handles in listed.items()]
        assert all(answer.status for answer in look(driver, jobs).values())

    def test_half_an_answer_leaves_one_job_for_each_order(self, site: Site) -> None:
        """A receipt that came is correct; a missing receipt is not a refusal."""
        driver, orders = connect(site), site.orders(10)
        with trouble_at(site, Trouble.HALF):
            receipts = answers_of(lambda: driver.submit(orders))
        assert 0 < len(receipts) < len(orders)
        assert not any(receipt.refused for receipt in receipts)
        listed = find_all(site, driver)
        assert set(listed) == stamps_of(orders)
        assert all(len(handles) == 1 for handles in listed.values())
        assert all(listed[receipt.stamp] == [receipt.handle] for receipt in receipts)

    def test_one_refused_order_harms_no_other(self, site: Site) -> None:
        """Of ten receipts, nine have a handle and one has a cause."""
        driver, orders = connect(site), site.orders(10)
        bad = orders[3].stamp
        with trouble_at(site, Trouble.REFUSAL, bad):
            receipts = {receipt.stamp: receipt for receipt in driver.submit(orders)}
        assert set(receipts) == stamps_of(orders)
        assert isinstance(receipts[bad].refused, Cause)
        assert receipts[bad].handle is None
        del receipts[bad]
        assert not any(receipt.refused for receipt in receipts.values())
        assert set(find_all(site, driver)) == set(handles_of(list(receipts.values())))

    def test_a_second_job_of_a_stamp_is_not_hidden(self, site: Site) -> None:
        """If a CE runs a stamp twice, both jobs are listed."""
        driver, orders = connect(site), site.orders(1)
        handles = {receipt.handle for receipt in driver.submit(orders)}
        handles |= {receipt.handle for receipt in answers_of(lambda: driver.submit(orders))}
        [listed] = find_all(site, driver).values()
        assert set(listed) == handles - {None}
        assert len(listed) == len(set(listed))

    def test_a_hostile_stamp_never_reaches_the_driver(self, site: Site) -> None:
        """The whole set is rejected because of it, and nothing is sent."""
        spy = Spy(site.connect())
        guard, orders = Guard(spy), site.orders(2)
        for stamp in HOSTILE:
            bad = [orders[0], orders[1]._replace(stamp=stamp)]
            job = Job(stamp=stamp, handle=site.unknown_handle(1))
            with pytest.raises(Invalid):
                guard.submit(bad)
            for call in (guard.poll, guard.cancel):
                with pytest.raises(Invalid):
                    call([job])
            with pytest.raises(Invalid):
                guard.output(job)
        assert spy.calls == []

    def test_another_driver_carries_on(self, site: Site) -> None:
        """A new driver finds, polls and cancels jobs that another driver submitted."""
        _, jobs = send(site, 3)
        assert are_same(connect(site).find().jobs, jobs)
        assert all(answer.status for answer in look(connect(site), jobs).values())
        assert all(answer.accepted for answer in connect(site).cancel(jobs))
        for job in jobs:
            assert until_final(site, connect(site), job).status is Status.CANCELLED
        assert not connect(site).output(jobs[0]).truncated

    def test_drivers_work_side_by_side(self, site: Site) -> None:
        """Several drivers submit to one CE and list it at the same time."""
        batches = [site.orders(10) for _ in range(4)]
        with ThreadPoolExecutor(len(batches)) as pool:
            sent = list(pool.map(lambda orders: connect(site).submit(orders), batches))
            lists = list(pool.map(lambda _: connect(site).find(), batches))
        handles = [handles_of(receipts) for receipts in sent]
        everything = {stamp: [handle] for some in handles for stamp, handle in some.items()}
        assert [set(some) for some in handles] == [stamps_of(orders) for orders in batches]
        assert find_all(site, connect(site)) == everything
        for listing in lists:
            assert {job.stamp for job in listing.jobs} <= set(everything)
