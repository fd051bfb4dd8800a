"""Traces: the facts and the numbers of a decision in a compact form, and how the facts are rebuilt.

    {"budget": 16, "vo": {"demand": 20, ...}, "ce": {"free": 58, ...}, "policy": ..., ...}

`vo` and `ce` hold the facts that differ from their defaults; the numbers that the policy computed
stand beside them. The rivals of the VO are only in the first trace of a tick (first by the name of
the CE).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any

from worker.domain.closing import ClosedBy
from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.domain.lengths import moment_of
from worker.policy.facts import CEFacts, Chances, Outcomes, Pause, Rival, VOFacts

_CE_MOMENTS = ("oldest_waiting_since", "last_sent_at")
_VO_MOMENTS = ("asked_at", "answered_at")
_STEPS = ("accept", "start", "finish")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one tick of a VO, with which a policy is called."""

    now: datetime
    vo: VOFacts
    budget: int
    ces: tuple[CEFacts, ...]


def writer(vo: VOFacts, budget: int) -> Callable[[CEFacts], dict[str, Any]]:
    """Return a function that begins the trace of a decision of a tick.

    It must be called for the first CE by name first: that trace gets the rivals.
    """
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
    values = {
        name: value for name, value in _non_defaults(vo).items() if name not in ("name", "rivals")
    }
    return _written(values, _VO_MOMENTS)


def of_ce(ce: CEFacts) -> dict[str, Any]:
    """Write down the facts of a CE."""
    values = _non_defaults(ce)
    del values["name"]
    if ce.chances is not None:
        values["chances"] = [ce.chances.accept, ce.chances.start, ce.chances.finish]
    if ce.outcomes is not None:
        of = ce.outcomes
        values["outcomes"] = [*of.accept, *of.start, *of.finish]
    if ce.pause is not None:
        values["pause"] = [ce.pause.reason, ce.pause.since.timestamp()]
    _written(values, _CE_MOMENTS)
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
            **_read(first.trace["vo"], _VO_MOMENTS),
        ),
        budget=first.trace["budget"],
        ces=tuple(_ce(decision.ce, decision.trace["ce"]) for decision in ordered),
    )


def facts_of(decision: Decision) -> tuple[VOFacts, CEFacts]:
    """Rebuild the facts of one decision, without the rivals of the VO."""
    vo = VOFacts(name=decision.vo, **_read(decision.trace["vo"], _VO_MOMENTS))
    return vo, _ce(decision.ce, decision.trace["ce"])


def _ce(name: str, stored: Mapping[str, Any]) -> CEFacts:
    values = _read(stored, _CE_MOMENTS)
    if "outcomes" in values:
        good_and_bad = [tuple(values["outcomes"][place : place + 2]) for place in (0, 2, 4)]
        values["outcomes"] = Outcomes(**dict(zip(_STEPS, good_and_bad, strict=True)))
    if "chances" in values:
        accept, start, finish = values["chances"]
        values["chances"] = Chances(accept=accept, start=start, finish=finish)
    if "pause" in values:
        reason, since = values["pause"]
        values["pause"] = Pause(reason=reason, since=moment_of(since))
    if "vos" in values:
        values["vos"] = frozenset(values["vos"])
    return CEFacts(name=name, **values)


def _non_defaults(facts: VOFacts | Rival | CEFacts) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    defaults = _DEFAULTS[type(facts)]
    # Comparing a dataclass with None is slow, and this is done thousands of times in a tick.
    return {
        name: value
        for name, value in vars(facts).items()
        if value is not (default := defaults[name]) and (default is None or value != default)
    }


def _written(values: dict[str, Any], moments: Sequence[str]) -> dict[str, Any]:
    """Write moments as seconds."""
    for name in moments:
        if name in values:
            values[name] = values[name].timestamp()
    return values


def _read(stored: Mapping[str, Any], moments: Sequence[str]) -> dict[str, Any]:
    """Read moments that were written as seconds, and the word for what closes a CE or a VO."""
    values = {
        name: moment_of(value) if name in moments else value for name, value in stored.items()
    }
    if "closed_by" in stored:
        values["closed_by"] = ClosedBy(stored["closed_by"])
    return values


_DEFAULTS = {
    kind: {
        field.name: None if field.default is MISSING else field.default for field in fields(kind)
    }
    for kind in (VOFacts, Rival, CEFacts)
}
