"""Labels for the reasons, of one or two words: for the grid, and to count CEs by reason."""

from collections.abc import Callable, Mapping

from worker.domain.closing import ClosedBy
from worker.services.observe.cycles import DecisionFacts
from worker.web.console.explain.kinds import ReasonKind, cap, kind_of

CLOSED = "closed"
"""The word for old decisions, which do not store what closed a CE or a VO."""


def _of_a_closed_vo(case: DecisionFacts) -> str:
    return f"VO {case.vo.closed_by or CLOSED}"


_CAPS = {"demand": "demand", "room": "limit", "budget": "budget", "closed": "closed"}

_WORDS: Mapping[ReasonKind, str | Callable[[DecisionFacts], str]] = {
    ReasonKind.QUICKER: "too late",
    ReasonKind.VO_CLOSED: _of_a_closed_vo,
    ReasonKind.CE_CLOSED: lambda case: case.ce.closed_by or CLOSED,
    ReasonKind.NO_RATE: "rate 0",
    ReasonKind.FULL: "full",
    ReasonKind.OTHER: "policy",
    ReasonKind.PROBE: "probe",
    ReasonKind.PAUSED: "paused",
    ReasonKind.POOR: "poor",
    ReasonKind.BETTER: "better CEs",
    ReasonKind.TRIAL: ClosedBy.TRIAL,
    ReasonKind.ALL: "all",
    ReasonKind.SLOW: "slow",
    ReasonKind.NOT_NEEDED: lambda case: _CAPS[cap(case)],
    ReasonKind.SHARE: "share",
    ReasonKind.PART: "elsewhere",
}

LEGEND: Mapping[str, str] = {
    "demand": "the demand of the VO is 0, or the waiting pilots are enough for it",
    "limit": "the VO is at its own limit",
    "budget": "the budget of a tick is used up",
    "share": "other VOs want the same slots, and its share allows no more",
    "full": "no slot is free there, or its waiting limit is reached",
    "slow": "its queue is slow, and no more pilots may wait in it",
    "poor": "its pilots cost more than they bring: only probes are sent",
    "paused": "its pilots failed: only probes are sent",
    ClosedBy.HELD: "a person holds it",
    ClosedBy.NO_ANSWER: "it does not answer",
    ClosedBy.REFUSES: "it refuses our calls",
    ClosedBy.TRIAL: "it refused pilots of the VO: it is tried again later, and with a few",
    ClosedBy.CREDENTIAL: "the VO has no valid credential for it",
    ClosedBy.OTHER_VOS: "it is for other VOs",
    "better CEs": "better CEs have slots for the whole demand",
    "elsewhere": "all pilots went to CEs with a better chance or more room",
    "too late": "other VOs took the slots first",
    "rate 0": "its success rate is set to 0",
    "policy": "another policy decided; its own reason is shown",
}
"""The meanings of the words that need an explanation."""

SILENT = frozenset({ClosedBy.NO_ANSWER, ClosedBy.REFUSES, ClosedBy.TRIAL, ClosedBy.CREDENTIAL})
"""The reasons that are faults, not decisions of an operator."""

_PHRASES: Mapping[str, tuple[str, str]] = {
    ClosedBy.MAINTENANCE: ("is in maintenance", "are in maintenance"),
    ClosedBy.OTHER_VOS: ("is for other VOs", "are for other VOs"),
    ClosedBy.NO_ANSWER: ("does not answer", "do not answer"),
    ClosedBy.REFUSES: ("refuses our calls", "refuse our calls"),
    ClosedBy.CREDENTIAL: ("lacks a valid credential", "lack a valid credential"),
    "rate 0": ("has a success rate of 0", "have a success rate of 0"),
    "poor": ("costs more than it brings", "cost more than they bring"),
    "slow": ("has a slow queue", "have slow queues"),
    "better CEs": ("is left out for better CEs", "are left out for better CEs"),
    "elsewhere": ("comes after better CEs", "come after better CEs"),
    "too late": ("was full when its pilots came", "were full when their pilots came"),
    "policy": ("gets none by the policy", "get none by the policy"),
    "share": ("is limited by the share", "are limited by the share"),
    "demand": ("needs none", "need none"),
}


def word_of(case: DecisionFacts) -> str:
    """Return the reason that decided, in one or two words."""
    word = _WORDS[kind_of(case)]
    return word if isinstance(word, str) else word(case)


def phrase(word: str, number: int) -> str:
    """Write the reason of so many CEs, as the rest of a sentence that begins with their number."""
    one, more = _PHRASES.get(word, (f"is {word}", f"are {word}"))
    return one if number == 1 else more
