"""The tables of the back-end arc, on both databases."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from worker.backends.arc import memory
from worker.backends.arc.memory import JobRecord, OwnerRecord
from worker.db.uow import UnitOfWork

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ODD = "CN=Zoë \"'; --,O=x\ny"


def job(number: int, owner: str = "me", **more: object) -> JobRecord:
    values = {"job": f"job{number}", "stamp": f"{number:032x}", "owner": owner, **more}
    return JobRecord(**values)  # type: ignore[arg-type]


def test_what_is_learnt_is_known(uow: UnitOfWork) -> None:
    learnt = [job(1), job(2, running_at=NOW), job(3, ODD, stamp=None)]
    with uow() as tx:
        memory.learn(tx, "ce1", learnt)
        memory.learn(tx, "ce2", [job(1, ended_at=NOW)])
        memory.learn(tx, "ce1", [])
    with uow() as tx:
        records = memory.records(tx, "ce1", ["job1", "job2", "job3", "nobody", "x'); --"])
        assert records == {one.job: one for one in learnt}
        assert memory.records(tx, "ce1", []) == {}
        assert memory.of_owner(tx, "ce1", ODD) == {"job3": learnt[2]}


def test_a_job_begins_and_ends_once(uow: UnitOfWork) -> None:
    with uow() as tx:
        memory.learn(tx, "ce1", [job(1, running_at=NOW)])
        memory.learn(tx, "ce1", [job(1, running_at=LATER, started_at=LATER)])
        memory.learn(tx, "ce1", [job(1, ended_at=LATER)])
        memory.learn(tx, "ce1", [job(1, ended_at=LATER + timedelta(hours=1))])
        assert memory.records(tx, "ce1", ["job1"])["job1"] == job(
            1, running_at=NOW, started_at=LATER, ended_at=LATER
        )


def test_only_what_ended_long_ago_and_is_ours_is_cleaned(uow: UnitOfWork) -> None:
    with uow() as tx:
        ended_jobs = [
            job(1, ended_at=LATER),
            job(2, ended_at=NOW),
            job(3),
            job(4, "you", ended_at=NOW),
        ]
        memory.learn(tx, "ce1", [*ended_jobs, job(5, stamp=None, ended_at=NOW)])
        memory.learn(tx, "ce2", [job(6, ended_at=NOW)])
        assert memory.kept_long_enough(tx, "ce1", "me", NOW) == []
        after = NOW + timedelta(seconds=1)
        assert memory.kept_long_enough(tx, "ce1", "me", after) == ["job2"]
        assert memory.kept_long_enough(tx, "ce1", "me", LATER + timedelta(1)) == ["job2", "job1"]


def test_what_is_gone_is_forgotten(uow: UnitOfWork) -> None:
    with uow() as tx:
        memory.learn(tx, "ce1", [job(1), job(2)])
        memory.learn(tx, "ce2", [job(1)])
        memory.forget(tx, "ce1", ["job1", "nobody"])
        memory.forget(tx, "ce1", [])
        assert set(memory.of_owner(tx, "ce1", "me")) == {"job2"}
        assert set(memory.of_owner(tx, "ce2", "me")) == {"job1"}


def test_the_identities_of_a_vo(uow: UnitOfWork) -> None:
    before = OwnerRecord(owner=ODD, used_at=NOW)
    after = OwnerRecord(owner="me", used_at=LATER, delegation="d1", delegated_until=LATER)
    new_record = OwnerRecord(owner="me", used_at=LATER, delegation="d2", delegated_until=NOW)
    with uow() as tx:
        memory.used(tx, "ce1", "lhcb", before)
        memory.used(tx, "ce1", "lhcb", after)
        memory.used(tx, "ce1", "lhcb", new_record)
        memory.used(tx, "ce1", "atlas", before)
        assert memory.identities(tx, "ce1", "lhcb") == [new_record, before]
        assert memory.identities(tx, "ce2", "lhcb") == []


def test_a_thousand_jobs_are_one_statement(uow: UnitOfWork) -> None:
    queries: list[str] = []
    thousand = [job(number) for number in range(1000)]
    names = [one.job for one in thousand]
    with uow() as tx:
        event.listen(
            tx.connection,
            "before_cursor_execute",
            lambda *arguments: queries.append(str(arguments[2])),
        )
        memory.learn(tx, "ce1", thousand)
        assert len(memory.records(tx, "ce1", names)) == 1000
        memory.forget(tx, "ce1", names)
        assert memory.of_owner(tx, "ce1", "me") == {}
        assert len(queries) == 4
