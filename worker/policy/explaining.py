"""The steps of a decision, from its trace, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from worker.domain.decision import Decision
from worker.policy.allocation import chances_in_words
from worker.policy.facts import Pause
from worker.policy.traces import facts_of


def steps(decision: Decision) -> list[tuple[str, str]]:
    """Return what was known and what followed from it, step by step; the result is last."""
    trace = decision.trace
    if "ce" not in trace or "vo" not in trace:
        return [(name, str(value)) for name, value in trace.items() if value is not None]
    return [*_steps(decision, trace), ("result", f"{decision.granted}: {decision.reason}")]


def _steps(decision: Decision, trace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    vo, ce = facts_of(decision)
    if vo.closed or ce.closed:
        yield "closed because", str(vo.closed or ce.closed)
    yield "demand", _demand(vo.demand, vo.note)
    yield "waiting here", f"{ce.vo_waiting} of this VO, {ce.waiting} of all VOs"
    slots = "slot" if ce.free == 1 else "slots"
    if ce.trial:
        slots += ", because the CE refused pilots of the VO lately"
    yield "free", f"{ce.free} {slots}; {ce.occupying} occupied, {ce.vo_occupying} by this VO"
    if ce.chances is not None:
        yield "chances", chances_in_words(ce.chances)
    else:
        yield "chances", f"nothing learnt; configured success rate {ce.success_rate:.2f}"
    if ce.pause is not None or not ce.closed:
        yield "pause", _pause(ce.pause)
    yield from _of_the_ce(trace)
    yield from _caps(trace)
    if "better" in trace:
        yield "better CEs", f"{trace['better']}, with slots for the whole demand"
    if "weight" in trace:
        yield "weight", f"{trace['weight']:.3g}"


def _of_the_ce(trace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "value" in trace:
        yield "value", f"a pilot of one hour is worth {trace['value']:.2f} h"
    if "probe_every" in trace:
        yield "probes", f"one every {trace['probe_every'] / 60:.0f} min, and no other pilots"
    if "drain" in trace:
        yield "queue", f"{trace['drain']} pilots began in the last hour; no more than that may wait"


def _caps(trace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, cap in trace.get("caps", {}).items():
        yield f"cap: {name}", str(cap)
    if "need" in trace:
        yield "need", f"{trace['need']} pilots{_decisive(trace)}"


def _decisive(trace: Mapping[str, Any]) -> str:
    """Return the cap that keeps the number of pilots so low."""
    caps = trace.get("caps", {})
    names = [_CAPS.get(name, name) for name, cap in caps.items() if cap == trace["need"]]
    return f" ({names[0]})" if names else ""


_CAPS = {
    "budget": "the budget of a tick",
    "demand": "the demand of the VO",
    "room": "the limit of the VO",
    "closed": "nothing may be sent for the VO",
}


def _demand(demand: int | None, note: str | None) -> str:
    text = "unlimited" if demand is None else str(demand)
    return f"{text}; {note}" if note else text


def _pause(pause: Pause | None) -> str:
    if pause is None:
        return "none"
    return f"since {pause.since:%Y-%m-%d %H:%M}Z: {pause.reason}"
