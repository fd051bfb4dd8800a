"""Demands: what the source of each VO answered last."""

from tests.expectations import refused
from tests.factories import MINUTE, NOW, a_vo
from worker.db import demands, vos
from worker.db.demands import Answer
from worker.db.uow import UnitOfWork
from worker.domain.errors import UnknownVO

LATER = NOW + MINUTE


def test_an_answer_is_read_back_and_replaced(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        assert demands.get_all(tx) == {}
        demands.answered(tx, vo.name, 7, NOW)
    with uow() as tx:
        first = Answer(demand=7, asked_at=NOW, answered_at=NOW)
        assert demands.get_all(tx) == {vo.name: first}
        demands.answered(tx, vo.name, 0, LATER)
    with uow() as tx:
        assert demands.get_all(tx)[vo.name] == Answer(demand=0, asked_at=LATER, answered_at=LATER)


def test_a_failure_leaves_the_answer_and_an_answer_ends_the_failure(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        demands.answered(tx, vo.name, 7, NOW)
        demands.failed(tx, vo.name, "täglich 🚀", LATER)
    with uow() as tx:
        assert demands.get_all(tx)[vo.name] == Answer(
            demand=7, asked_at=LATER, answered_at=NOW, problem="täglich 🚀"
        )
        demands.answered(tx, vo.name, 8, LATER)
    with uow() as tx:
        assert demands.get_all(tx)[vo.name].problem is None


def test_a_source_may_fail_before_it_ever_answered(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        demands.failed(tx, vo.name, "no route", NOW)
    with uow() as tx:
        assert demands.get_all(tx) == {vo.name: Answer(asked_at=NOW, problem="no route")}


def test_a_surplus_is_noted_beside_the_answer(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        demands.answered(tx, vo.name, 7, NOW)
        demands.surplus_since(tx, vo.name, LATER)
    with uow() as tx:
        result = demands.get_all(tx)[vo.name]
        assert (result.demand, result.surplus_since) == (7, LATER)
        demands.surplus_since(tx, vo.name, None)
    with uow() as tx:
        assert demands.get_all(tx)[vo.name].surplus_since is None


def test_an_answer_is_forgotten_by_itself_or_with_its_vo(uow: UnitOfWork) -> None:
    with uow() as tx:
        one, two, three = (a_vo().create(tx) for _ in range(3))
        for vo in (one, two, three):
            demands.answered(tx, vo.name, 1, NOW)
    with uow() as tx:
        demands.forget(tx, one.name)
        vos.remove(tx, two.name)
    with uow() as tx:
        assert list(demands.get_all(tx)) == [three.name]


def test_an_answer_is_forgotten_with_its_source(uow: UnitOfWork) -> None:
    first, second = ({"kind": "http", "url": f"https://{host}"} for host in ("a", "b"))
    with uow() as tx:
        vo = a_vo().create(tx)
        vos.change(tx, vo.name, source=first)
        demands.answered(tx, vo.name, 7, NOW)
        vos.change(tx, vo.name, source=dict(first), share=2.0)
        assert list(demands.get_all(tx)) == [vo.name]
        vos.change(tx, vo.name, source=second)
        assert demands.get_all(tx) == {}
        demands.answered(tx, vo.name, 7, NOW)
        vos.change(tx, vo.name, source=None)
        assert demands.get_all(tx) == {}


def test_an_unknown_vo_is_named(uow: UnitOfWork) -> None:
    with refused(UnknownVO, "nobody"), uow() as tx:
        demands.answered(tx, "nobody", 1, NOW)
    with refused(UnknownVO, "nobody"), uow() as tx:
        demands.failed(tx, "nobody", "why", NOW)
    with refused(UnknownVO, "nobody"), uow() as tx:
        demands.forget(tx, "nobody")
