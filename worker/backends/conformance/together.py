"""Several drivers: what a crash or a second worker makes of one CE."""

from concurrent.futures import ThreadPoolExecutor

from worker.backends.conformance.looks import (
    are_same,
    connect,
    find_all,
    handles_of,
    look,
    send,
    stamps_of,
    until_final,
)
from worker.backends.conformance.site import Site
from worker.domain.pilot import Status


class Together:
    """The cases."""

    def test_another_driver_carries_on(self, site: Site) -> None:
        """What one submitted, another that never saw it finds, asks after and cancels."""
        _, jobs = send(site, 3)
        assert are_same(connect(site).find().jobs, jobs)
        assert all(answer.status for answer in look(connect(site), jobs).values())
        assert all(answer.accepted for answer in connect(site).cancel(jobs))
        for job in jobs:
            assert until_final(site, connect(site), job).status is Status.CANCELLED
        assert not connect(site).output(jobs[0]).truncated

    def test_drivers_work_side_by_side(self, site: Site) -> None:
        """At the same time, on one CE."""
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
