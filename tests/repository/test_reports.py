"""Reports: the summaries that were stored."""

from tests.factories import MINUTE, NOW
from tests.records import a_report
from worker.db import reports, retention
from worker.db.pages import PageRequest
from worker.db.uow import UnitOfWork


def test_a_report_is_read_back_as_it_was_stored(uow: UnitOfWork) -> None:
    with uow() as tx:
        report = a_report().of(pilots={"running": 3, "täglich": "🚀"}, ces=[None, 0.5]).create(tx)
    with uow() as tx:
        assert reports.find(tx).items == [report]

    assert report.summary == {"pilots": {"running": 3, "täglich": "🚀"}, "ces": [None, 0.5]}
    assert report.at == NOW


def test_they_are_listed_in_order_by_pages(uow: UnitOfWork) -> None:
    with uow() as tx:
        batch = [a_report().at(NOW - n * MINUTE).create(tx) for n in range(3)]
    with uow() as tx:
        first = reports.find(tx, asked=PageRequest(limit=2))
        rest = reports.find(tx, asked=PageRequest(limit=2, after=first.next))
        by_time = reports.find(tx, asked=PageRequest(sort="at"))

    assert [*first.items, *rest.items] == batch
    assert by_time.items == batch[::-1]


def test_the_old_ones_are_removed_a_handful_at_a_time(uow: UnitOfWork) -> None:
    with uow() as tx:
        batch = [a_report().at(NOW + n * MINUTE).create(tx) for n in range(4)]
    with uow() as tx:
        assert retention.remove(tx, "reports", before=NOW + 3 * MINUTE, limit=2) == 2
    with uow() as tx:
        assert reports.find(tx).items == batch[2:]
        assert retention.remove(tx, "reports", before=NOW + 3 * MINUTE, limit=2) == 1
