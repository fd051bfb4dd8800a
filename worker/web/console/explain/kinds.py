"""The kinds of reasons that decide about the pilots of a CE in a tick, found from its facts."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from worker.services.observe.cycles import THREE_CHANCES, DecisionFacts, interval_begin

_QUICKER = re.compile(r"; only (\d+) of (\d+) were still free$")


class ReasonKind(StrEnum):
    """The reason that decided."""

    QUICKER = "quicker"
    """Less room was left when the slots were reserved."""
    VO_CLOSED = "vo closed"
    CE_CLOSED = "ce closed"
    NO_RATE = "no rate"
    FULL = "full"
    OTHER = "other"
    """Another policy, whose own words are shown."""
    PROBE = "probe"
    PAUSED = "paused"
    POOR = "poor"
    """Its pilots cost more than they bring."""
    BETTER = "better"
    """The work is finite and waits for better CEs."""
    TRIAL = "trial"
    """It refused pilots of the VO lately, and gets as many as it is tried with."""
    ALL = "all"
    SLOW = "slow"
    """Its queue is slow, so no more pilots may wait in it."""
    NOT_NEEDED = "not needed"
    SHARE = "share"
    PART = "part"


_RULES: tuple[tuple[ReasonKind, Callable[[DecisionFacts], object]], ...] = (
    (ReasonKind.QUICKER, lambda case: _QUICKER.search(case.decision.reason)),
    (ReasonKind.VO_CLOSED, lambda case: case.vo.closed),
    (ReasonKind.CE_CLOSED, lambda case: case.ce.closed),
    (ReasonKind.NO_RATE, lambda case: is_three_chances(case) and case.ce.success_rate <= 0),
    (ReasonKind.FULL, lambda case: case.ce.free <= 0),
    (ReasonKind.OTHER, lambda case: not is_three_chances(case)),
    (ReasonKind.PROBE, lambda case: "probe_every" in case.decision.trace and case.decision.granted),
    (ReasonKind.PAUSED, lambda case: "probe_every" in case.decision.trace and case.ce.pause),
    (ReasonKind.POOR, lambda case: "probe_every" in case.decision.trace),
    (ReasonKind.BETTER, lambda case: "better" in case.decision.trace),
    (ReasonKind.TRIAL, lambda case: case.ce.trial and case.decision.granted == case.ce.free),
    (ReasonKind.ALL, lambda case: case.decision.granted == case.ce.free),
    (ReasonKind.SLOW, lambda case: case.decision.granted == room(case) < case.ce.free),
    (ReasonKind.NOT_NEEDED, lambda case: need(case) == 0),
    (ReasonKind.SHARE, lambda case: "share" in case.decision.trace),
    (ReasonKind.PART, lambda case: True),
)
"""The rules in the order of the policy: the first that holds is the reason."""


def kind_of(case: DecisionFacts) -> ReasonKind:
    """Return the reason that decided."""
    return next(kind for kind, holds in _RULES if holds(case))


def is_three_chances(case: DecisionFacts) -> bool:
    return case.decision.trace.get("policy") == THREE_CHANCES


def need(case: DecisionFacts) -> int:
    return int(case.decision.trace.get("need", 0))


def caps(case: DecisionFacts) -> dict[str, int]:
    """Return the caps on the pilots of the VO in this tick, except for its share."""
    limits = case.decision.trace.get("caps", {})
    return {name: cap for name, cap in limits.items() if name != "share"}


def cap(case: DecisionFacts) -> str:
    """Return the name of the lowest cap."""
    limits = caps(case)
    return min(limits, key=lambda name: limits[name]) if limits else "budget"


def room(case: DecisionFacts) -> int:
    """Return how many pilots fit if those in a slow queue must not become more."""
    drain = case.decision.trace.get("drain")
    return case.ce.free if drain is None else min(case.ce.free, max(0, drain - case.ce.waiting))


def were_free(case: DecisionFacts) -> tuple[int, int] | None:
    """Return how many slots were still free, and how many were granted, if fewer were left."""
    match = _QUICKER.search(case.decision.reason)
    return (int(match[1]), int(match[2])) if match else None


def next_probe(case: DecisionFacts) -> datetime | None:
    """Return when the next probe is due: at once if none was sent, `None` if none is needed."""
    every = case.decision.trace.get("probe_every")
    if every is None:
        return None
    if case.decision.granted:
        return case.decision.at + timedelta(seconds=every)
    begin = interval_begin(case.ce, case.decision.at)
    return begin + timedelta(seconds=every) if begin else case.decision.at


def needs_none_besides(case: DecisionFacts) -> bool:
    """Return whether a VO that gets no pilots for another reason also needs none."""
    return (
        case.decision.granted == 0
        and case.vo.demand == 0
        and kind_of(case) not in (ReasonKind.NOT_NEEDED, ReasonKind.VO_CLOSED)
    )
