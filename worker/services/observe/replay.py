"""Replay: another policy decides on the stored facts of a day, and the results are compared.

Each tick is decided again from its own stored facts. These do not show how earlier decisions of the
other policy would have changed them: a replay compares single decisions. `simulate` compares whole
courses of events.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from worker.db import decisions
from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.policy.contract import decide
from worker.policy.traces import Facts, facts_from
from worker.services import policies
from worker.services.runtime import Runtime

PIECE = timedelta(minutes=10)
"""The part of a day that is read in one statement."""


@dataclass(kw_only=True)
class ReplayResult:
    """What two policies gave over a day, by CE and by VO."""

    policy: str
    ticks: int = 0
    skipped: int = 0
    was: dict[str, int] = field(default_factory=dict)
    becomes: dict[str, int] = field(default_factory=dict)
    vo_was: dict[str, int] = field(default_factory=dict)
    vo_becomes: dict[str, int] = field(default_factory=dict)
    good_was: float = 0.0
    good_becomes: float = 0.0


def replay(runtime: Runtime, day: date, policy_name: str) -> ReplayResult:
    """Decide every stored tick of a day again."""
    policy = policies.find(policy_name)
    result = ReplayResult(policy=policy_name)
    for stored in _ticks(runtime, day):
        facts = _facts(stored)
        if facts is None:
            result.skipped += 1
            continue
        _count(result, facts, stored, decide(policy, facts, runtime.parameters))
    if not result.ticks:
        raise Invalid(f"day {day}", "no decision of this day is stored; see keep_decisions_days")
    return result


def _ticks(runtime: Runtime, day: date) -> Iterator[list[Decision]]:
    """Read a day in pieces, one statement each, and split it into ticks."""
    moment = datetime.combine(day, time(), tzinfo=UTC)
    end = moment + timedelta(days=1)
    while moment < end:
        with runtime.database.uow() as tx:
            stored = decisions.between(tx, moment, moment + PIECE)
        for _, tick in groupby(stored, key=lambda decision: (decision.at, decision.vo)):
            yield list(tick)
        moment += PIECE


def _facts(stored: list[Decision]) -> Facts | None:
    """Return the facts of a tick; `None` if an older version stored them or some were pruned."""
    try:
        return facts_from(stored)
    except (Invalid, KeyError, TypeError, ValueError):
        return None


def _count(
    result: ReplayResult, facts: Facts, was: list[Decision], becomes: list[Decision]
) -> None:
    chance = {ce.name: ce.chances.all if ce.chances else ce.success_rate for ce in facts.ces}
    result.ticks += 1
    for decision in was:
        _add(result.was, decision.ce, decision.granted)
        _add(result.vo_was, decision.vo, decision.granted)
        result.good_was += decision.granted * chance[decision.ce]
    for decision in becomes:
        _add(result.becomes, decision.ce, decision.granted)
        _add(result.vo_becomes, decision.vo, decision.granted)
        result.good_becomes += decision.granted * chance[decision.ce]


def _add(counts: dict[str, int], name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number
