"""learn: fold what became of pilots into what is known of each CE."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from worker.db import ces, health, locks, outcomes
from worker.db.uow import Transaction
from worker.policy.learning import SUCCESS_RATE, fold
from worker.services.parts import Done, Parts, busy


def learn(parts: Parts) -> Done:
    """Bring the learnt success rate of every CE up to date."""
    with parts.database.uow() as tx:
        if not locks.try_lock(tx, "learn"):
            return busy("another execution learns")
        now = parts.now()
        rates, counted = _learned(tx, parts)
        health.save_rates(tx, rates, now)
    return Done(counts={"outcomes": counted, "CEs": len(rates)}, lines=_lines(rates))


def plan(parts: Parts) -> Done:
    """Say what `learn` would fold in now, and change nothing."""
    with parts.database.uow() as tx:
        rates, counted = _learned(tx, parts)
    return Done(counts={"would fold in": counted}, lines=_lines(rates))


def _learned(tx: Transaction, parts: Parts) -> tuple[dict[str, Mapping[str, Any]], int]:
    now = parts.now()
    known = health.get_all(tx)
    configured = ces.success_rates(tx)
    new = outcomes.since_learned(tx, now)
    rates: dict[str, Mapping[str, Any]] = {}
    for ce, was in known.items():
        good, bad = new.get(ce, (0, 0))
        rates[ce] = fold(
            was.rates,
            configured=configured[ce],
            good=good,
            bad=bad,
            elapsed=max(now - was.learned_at, timedelta()),
        )
    return rates, sum(good + bad for good, bad in new.values())


def _lines(rates: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{ce}  success rate {rate[SUCCESS_RATE]:.2f}" for ce, rate in rates.items())
