"""The record of how a CE took the pilots of each VO, for the trials of CEs that refuse some."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from worker.db import trials
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.pilot import Move
from worker.domain.trial import Trial
from worker.policy.trials import after, attempts


def note(
    tx: Transaction, ce: str, claimed: Iterable[Reserved], moves: Sequence[Move], now: datetime
) -> None:
    """Begin, widen or end the trials of a CE, by what it did with the pilots of one submission."""
    by_vo = attempts(moves, {pilot.pilot_id: pilot.vo for pilot in claimed})
    before = {trial.vo: trial for trial in trials.find(tx, ce=ce)}
    new = {vo: after(before.get(vo), vo, ce, attempt, now) for vo, attempt in by_vo.items()}
    trials.save(tx, [trial for trial in new.values() if trial is not None])
    trials.end(tx, ce, [vo for vo, trial in new.items() if trial is None and vo in before])


def by_ce(some: Iterable[Trial], now: datetime) -> dict[str, dict[str, Trial]]:
    """Return the trials that go on, by CE and VO."""
    sorted_out: dict[str, dict[str, Trial]] = {}
    for trial in going_on(some, now):
        sorted_out.setdefault(trial.ce, {})[trial.vo] = trial
    return sorted_out


def going_on(some: Iterable[Trial], now: datetime) -> list[Trial]:
    """Leave out the trials that are over."""
    return [trial for trial in some if trial.is_on(now)]
