"""Work: what pilots were for, by their beginning, and what is known of the work of a VO."""

from datetime import timedelta

from tests.factories import NOW, a_ce, a_vo
from worker.db import ces, payloads, vos, work
from worker.db.uow import UnitOfWork
from worker.db.work import NOTHING_KNOWN, WorkRecord
from worker.domain.vo import DEFAULT_VO
from worker.policy.work import Cohort, NoWork

MINUTE = NOW.replace(second=0, microsecond=0)
NO_WORK = NoWork(reason="its last 7 pilots in a row found no work, at 2 CEs", since=MINUTE)


def test_what_pilots_were_for_is_added_up_by_the_minute(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        later = MINUTE + timedelta(minutes=1)
        work.count(tx, [Cohort(DEFAULT_VO, ce, MINUTE, useful=2, served=1)])
        work.count(
            tx,
            [Cohort(DEFAULT_VO, ce, MINUTE, useful=-1, short=1), Cohort(DEFAULT_VO, ce, later, 1)],
        )
        assert sorted(work.cohorts(tx)) == [
            Cohort(DEFAULT_VO, ce, MINUTE, useful=1, short=1, served=1),
            Cohort(DEFAULT_VO, ce, later, useful=1),
        ]

        work.forget(tx, later, later)
        assert [one.minute for one in work.cohorts(tx)] == [later]
        work.forget(tx, MINUTE, MINUTE)
        assert work.cohorts(tx) == []


def test_of_what_was_removed_nothing_is_counted(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        work.count(tx, [Cohort(DEFAULT_VO, ce, MINUTE, 1), Cohort("gone", ce, MINUTE, 1)])
        work.count(tx, [Cohort(DEFAULT_VO, "gone", MINUTE, 1)])
        assert len(work.cohorts(tx)) == 1
        ces.remove(tx, ce)
        assert work.cohorts(tx) == []


def test_what_is_known_of_a_vo_is_kept_until_it_changes(uow: UnitOfWork) -> None:
    with uow() as tx:
        assert work.get_all(tx) == {DEFAULT_VO: NOTHING_KNOWN}
        work.save(tx, {DEFAULT_VO: WorkRecord(lives={"weight": 1.5}, without_work=NO_WORK)})
        assert work.get_all(tx)[DEFAULT_VO].lives == {"weight": 1.5}
        assert work.without_work(tx) == {DEFAULT_VO: NO_WORK}

        work.save(tx, {DEFAULT_VO: WorkRecord(lives={"weight": 2.0})})
        assert work.get_all(tx)[DEFAULT_VO] == WorkRecord(lives={"weight": 2.0})
        assert work.without_work(tx) == {}


def test_the_payload_says_what_counts_as_use(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx).name
        payloads.put(tx, vo, {"script": "x", "exit_codes": {"77": "empty"}, "useful_after": 90.5})
        record = work.get_all(tx)[vo]
        assert (record.exit_codes, record.useful_after) == ({"77": "empty"}, 90.5)
        work.save(tx, {vo: record})
        vos.remove(tx, vo)
        assert vo not in work.get_all(tx)
