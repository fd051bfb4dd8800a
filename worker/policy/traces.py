"""Traces: the facts and the numbers of a decision, compact, and the way back to the facts.

    {"budget": 16, "vo": {"demand": 20, ...}, "ce": {"free": 58, ...}, "policy": ..., ...}

`vo` and `ce` hold the facts that are not their defaults; beside them stand the numbers that the
policy found. The rivals of the VO are in the first trace of a tick only (first by name of the CE).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.policy.facts import CEFacts, Chances, Pause, Rival, VOFacts


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one tick of a VO: what a policy is called with."""

    now: datetime
    vo: VOFacts
    budget: int
    ces: tuple[CEFacts, ...]


def writer(vo: VOFacts, budget: int) -> Callable[[CEFacts], dict[str, Any]]:
    """Return a function that begins the trace of each decision of a tick, the first CE first."""
    vo_values = of_vo(vo)
    rivals = [[_non_defaults(rival) for rival in vo.rivals]]

    def begin(ce: CEFacts) -> dict[str, Any]:
        trace = {"budget": budget, "vo": vo_values, "ce": of_ce(ce)}
        if rivals:
            trace["rivals"] = rivals.pop()
        return trace

    return begin


def of_vo(vo: VOFacts) -> dict[str, Any]:
    """Write down the facts of a VO, without its rivals."""
    return {
        name: value for name, value in _non_defaults(vo).items() if name not in ("name", "rivals")
    }


def of_ce(ce: CEFacts) -> dict[str, Any]:
    """Write down the facts of a CE."""
    values = _non_defaults(ce)
    del values["name"]
    if ce.chances is not None:
        values["chances"] = [ce.chances.accept, ce.chances.start, ce.chances.finish]
    if ce.pause is not None:
        values["pause"] = [ce.pause.reason, ce.pause.since.timestamp()]
    for name in ("oldest_waiting_since", "last_sent_at"):
        if name in values:
            values[name] = values[name].timestamp()
    if ce.vos is not None:
        values["vos"] = sorted(ce.vos)
    return values


def facts_from(decisions: Sequence[Decision]) -> Facts:
    """Rebuild the facts of one tick of one VO from all its decisions."""
    if len({(decision.vo, decision.at) for decision in decisions}) != 1:
        raise Invalid("decisions", "they are not those of one tick of one VO")
    ordered = sorted(decisions, key=lambda decision: decision.ce)
    first = ordered[0]
    if "rivals" not in first.trace:
        raise Invalid("decisions", "the first of the tick is missing")
    return Facts(
        now=first.at,
        vo=VOFacts(
            name=first.vo,
            rivals=tuple(Rival(**rival) for rival in first.trace["rivals"]),
            **first.trace["vo"],
        ),
        budget=first.trace["budget"],
        ces=tuple(_ce(decision.ce, decision.trace["ce"]) for decision in ordered),
    )


def facts_of(decision: Decision) -> tuple[VOFacts, CEFacts]:
    """Rebuild the facts of one decision, without the rivals of the VO."""
    vo = VOFacts(name=decision.vo, **decision.trace["vo"])
    return vo, _ce(decision.ce, decision.trace["ce"])


def _ce(name: str, stored: Mapping[str, Any]) -> CEFacts:
    values = dict(stored)
    if "chances" in values:
        accept, start, finish = values["chances"]
        values["chances"] = Chances(accept=accept, start=start, finish=finish)
    if "pause" in values:
        reason, since = values["pause"]
        values["pause"] = Pause(reason=reason, since=_moment(since))
    for moment in ("oldest_waiting_since", "last_sent_at"):
        if moment in values:
            values[moment] = _moment(values[moment])
    if "vos" in values:
        values["vos"] = frozenset(values["vos"])
    return CEFacts(name=name, **values)


def _non_defaults(facts: VOFacts | Rival | CEFacts) -> dict[str, Any]:
    """Return the fields that are not their defaults."""
    defaults = _DEFAULTS[type(facts)]
    # To compare a dataclass with None is slow, and there are thousands in a tick.
    return {
        name: value
        for name, value in vars(facts).items()
        if value is not (default := defaults[name]) and (default is None or value != default)
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_DEFAULTS = {
    kind: {
        field.name: None if field.default is MISSING else field.default for field in fields(kind)
    }
    for kind in (VOFacts, Rival, CEFacts)
}
