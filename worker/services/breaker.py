"""Pausing a CE by hand, and letting it go on; and the history of its pauses."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from worker.db import breakers, ces, health
from worker.db.breakers import BreakerChange
from worker.db.database import Database
from worker.db.health import Lesson
from worker.db.pages import Asked, Page
from worker.domain.breaker import Breaker
from worker.domain.calls import trouble
from worker.domain.errors import Invalid
from worker.policy.learning import judge, reopen
from worker.services.facts import QUEUE
from worker.services.parts import Parts


def pause(parts: Parts, ce: str, reason: str, until: datetime | None = None) -> None:
    """Send nothing to a CE, not even a probe, until somebody says so or a moment comes."""
    now = parts.now()
    if not reason.strip():
        raise Invalid("reason", "say why, for whoever comes next")
    if until is not None and until <= now:
        raise Invalid("until", f"{until:%Y-%m-%d %H:%M}Z is over")
    with parts.database.uow() as tx:
        was = health.get(tx, ce)
        breakers.put(tx, ce, Breaker.HELD, reason, now, until)
        change = BreakerChange(
            ce=ce,
            was=was.breaker,
            became=Breaker.HELD,
            reason=reason,
            by_hand=True,
            until=until,
            at=now,
        )
        breakers.add(tx, [change])


def resume(parts: Parts, ce: str, reason: str = "resumed by hand") -> None:
    """End a pause, whoever made it; what was held against the CE weighs less."""
    now = parts.now()
    with parts.database.uow() as tx:
        was, configured = health.get(tx, ce), ces.get(tx, ce).success_rate
        if was.breaker is Breaker.CLOSED:
            raise Invalid(f"CE {ce}", "it is not paused")
        given = parts.parameters
        if judge(was.rates, now=now, configured=configured, parameters=given).pause is not None:
            queue = {QUEUE: was.rates[QUEUE]} if QUEUE in was.rates else {}
            open_again = reopen(was.rates, reason, now=now, configured=configured, parameters=given)
            state = {**open_again.state, **queue}
            health.save_lessons(tx, [Lesson(ce=ce, rates=state)], now)
        breakers.put(tx, ce, Breaker.CLOSED, None, None)
        change = BreakerChange(
            ce=ce,
            was=was.breaker,
            became=Breaker.CLOSED,
            reason=reason,
            by_hand=True,
            until=None,
            at=now,
        )
        breakers.add(tx, [change])


def state(parts: Parts, ce: str) -> dict[str, Any]:
    """Tell the breaker of a CE, why it is as it is, its calls, and the chances that were learnt."""
    with parts.database.uow() as tx:
        known, configured = health.get(tx, ce), ces.get(tx, ce).success_rate
    now = parts.now()
    judged = judge(known.rates, now=now, configured=configured, parameters=parts.parameters)
    chances = judged.chances
    return {
        "calls": trouble(known, now),
        "failed_calls": known.failed_calls,
        "answered_at": known.last_answered_at,
        "unanswered_since": known.unanswered_since,
        "last_error": known.last_error,
        "retry_at": known.retry_at,
        "breaker": known.breaker,
        "breaker_reason": known.breaker_reason,
        "breaker_since": known.breaker_since,
        "held_until": known.held_until,
        "chances": {name: round(value, 2) for name, value in asdict(chances).items()},
    }


def history(database: Database, ce: str, **asked: Any) -> Page[BreakerChange]:
    """List the pauses and reopenings of a CE."""
    with database.uow() as tx:
        return breakers.find(tx, ce, asked=Asked(**asked))
