"""Trials: the CEs that refused pilots of a VO."""

from dataclasses import replace

from tests.factories import MINUTE, NOW, a_ce, a_vo
from worker.db import ces, trials
from worker.db.uow import UnitOfWork
from worker.domain.trial import Trial


def test_a_trial_is_stored_replaced_and_ended(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, other, ce = a_vo().create(tx), a_vo().create(tx), a_ce().create(tx)
        one = _trial(vo.name, ce.name)
        trials.save(tx, [one, _trial(other.name, ce.name)])
        trials.save(tx, [replace(one, most=2, failures=0, reason="täglich 🚀")])
    with uow() as tx:
        assert trials.find(tx, vo=vo.name) == [
            replace(one, most=2, failures=0, reason="täglich 🚀")
        ]
        assert {trial.vo for trial in trials.find(tx, ce=ce.name)} == {vo.name, other.name}
        trials.end(tx, ce.name, [vo.name])
        trials.end(tx, ce.name, [])
        assert [trial.vo for trial in trials.find(tx)] == [other.name]


def test_a_trial_ends_with_its_ce_and_is_not_stored_for_one_that_was_removed(
    uow: UnitOfWork,
) -> None:
    with uow() as tx:
        vo, ce = a_vo().create(tx), a_ce().create(tx)
        trials.save(tx, [_trial(vo.name, ce.name)])
        ces.remove(tx, ce.name)
        trials.save(tx, [_trial(vo.name, ce.name), _trial("nobody", ce.name)])
        assert trials.find(tx) == []


def _trial(vo: str, ce: str) -> Trial:
    return Trial(
        vo=vo, ce=ce, most=1, failures=1, retry_at=NOW + MINUTE, refused_at=NOW, reason="no room"
    )
