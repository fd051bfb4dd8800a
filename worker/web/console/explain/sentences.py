"""Sentences that say why a CE got a number of pilots."""

from collections.abc import Callable
from datetime import datetime

from worker.domain.closing import ClosedBy
from worker.domain.decision import Decision
from worker.services.observe.cycles import DecisionFacts
from worker.web.console import words
from worker.web.console.explain.kinds import (
    ReasonKind,
    cap,
    caps,
    kind_of,
    need,
    needs_none_besides,
    next_probe,
    were_free,
)
from worker.web.console.explain.place_settings import PlaceSettings, limit_decides


def headline(case: DecisionFacts, now: datetime, settings: PlaceSettings) -> str:
    """Write in a sentence how many pilots, when, and why."""
    why = because(case)
    if kind_of(case) is ReasonKind.FULL and limit_decides(case, settings):
        why = f"its waiting limit of {words.number(settings.waiting_limit)} is reached"
    if kind_of(case) is ReasonKind.CE_CLOSED:
        why = _by_whom(why, case.ce.closed_by, settings)
    if needs_none_besides(case):
        why = f"{why}; and the demand of {case.vo.name} is 0"
    return f"{got(case.decision, now)}: {why}."


def got(decision: Decision, now: datetime) -> str:
    """Write how many pilots a CE got for a VO, and when."""
    number = pilots(decision.granted)
    return f"{decision.ce} got {number} for {decision.vo} at {at(decision.at, now)}"


def pilots(count: int) -> str:
    return words.counted(count, "pilot") if count else "no pilots"


def at(moment: datetime, now: datetime) -> str:
    """Write a moment to the minute; on another day with the date."""
    return f"{moment:%H:%M}" if moment.date() == now.date() else words.moment(moment, now)


def because(case: DecisionFacts) -> str:
    """Write the reason that decided, as the end of a sentence."""
    return _BECAUSE[kind_of(case)](case).rstrip(".")


def _closed_vo(case: DecisionFacts) -> str:
    return str(case.vo.closed).replace("the VO", case.vo.name, 1)


def _closed_ce(case: DecisionFacts) -> str:
    text = str(case.ce.closed)
    if case.ce.closed_by in (ClosedBy.HELD, ClosedBy.MAINTENANCE):
        return f"it is {text}"
    return text.replace("the CE", "it", 1) if text.startswith("the CE ") else text


_SETTINGS = {
    ClosedBy.DISABLED: "ce.enabled",
    ClosedBy.DRAINING: "ce.draining",
    ClosedBy.OTHER_VOS: "ce.only_for",
    ClosedBy.HELD: "ce.sending",
}
"""The value with which an operator closes a CE."""


def _by_whom(why: str, closed_by: ClosedBy | None, settings: PlaceSettings) -> str:
    """Write since when a CE is closed, by whom and why, if the audit has it."""
    setter = settings.setters.get(_SETTINGS[closed_by]) if closed_by in _SETTINGS else None
    return f"{why.partition(': ')[0]} {setter}" if setter else why


def _probe_words(case: DecisionFacts) -> str:
    due = next_probe(case)
    assert due is not None
    if due > case.decision.at:
        return f"next probe {due:%H:%M}"
    if need(case) == 0:
        return "a probe is due as soon as pilots are needed"
    return "a probe is due, but other CEs came first"


def _probe(case: DecisionFacts) -> str:
    why = "it is paused" if case.ce.pause else "its pilots cost more than they bring"
    return f"a probe, because {why}"


def _not_needed(case: DecisionFacts) -> str:
    name = case.vo.name
    if cap(case) == "demand":
        if case.vo.wanted:
            return f"{name} has the {words.number(case.vo.wanted)} pilots that it wants in all"
        if case.vo.demand == 0:
            return f"the demand of {name} is 0"
        return f"the waiting pilots are enough for the demand of {words.number(case.vo.demand)}"
    if cap(case) == "room":
        return f"{name} is at its limit"
    return f"the budget of a tick is {words.number(caps(case).get('budget', 0))}"


def _part(case: DecisionFacts) -> str:
    needed, name = words.number(need(case)), case.vo.name
    if case.decision.granted == 0:
        return f"all {needed} that {name} may get went to CEs with a better chance or more room"
    if case.decision.granted == need(case):
        return f"{_ALL_NEEDED[cap(case)].format(name=name)}"
    return f"its part of the {needed} that {name} may get in this tick"


def _share(case: DecisionFacts) -> str:
    share, name = int(case.decision.trace["share"]), case.vo.name
    if share == 0:
        return f"the share of {name} allows no more"
    if case.decision.granted == 0:
        return f"the {words.number(share)} that the share of {name} allows went to other CEs"
    if case.decision.granted == share:
        return f"all that the share of {name} allows"
    return f"its part of the {words.number(share)} that the share of {name} allows"


_ALL_NEEDED = {
    "demand": "all that {name} needs",
    "room": "all that the limit of {name} allows",
    "budget": "all that the budget of a tick allows {name}",
    "closed": "nothing may be sent for {name}",
}


def _quicker(case: DecisionFacts) -> str:
    numbers = were_free(case)
    assert numbers is not None
    return f"only {words.number(numbers[0])} of {words.number(numbers[1])} slots were still free"


_BECAUSE: dict[ReasonKind, Callable[[DecisionFacts], str]] = {
    ReasonKind.QUICKER: _quicker,
    ReasonKind.VO_CLOSED: _closed_vo,
    ReasonKind.CE_CLOSED: _closed_ce,
    ReasonKind.NO_RATE: lambda case: "its success rate is set to 0",
    ReasonKind.FULL: lambda case: "no slot is free there",
    ReasonKind.OTHER: lambda case: case.decision.reason,
    ReasonKind.PROBE: _probe,
    ReasonKind.PAUSED: lambda case: f"it is paused; {_probe_words(case)}",
    ReasonKind.POOR: lambda case: f"its pilots cost more than they bring; {_probe_words(case)}",
    ReasonKind.BETTER: lambda case: f"better CEs have slots for the whole demand of {case.vo.name}",
    ReasonKind.TRIAL: lambda case: (
        f"it is on trial, because it refused pilots of {case.vo.name} lately"
    ),
    ReasonKind.ALL: lambda case: "it gets all free slots",
    ReasonKind.SLOW: lambda case: (
        f"its queue is slow: at most {words.number(case.ce.drained)} pilots may wait, as many as "
        "began in the last hour"
    ),
    ReasonKind.NOT_NEEDED: _not_needed,
    ReasonKind.SHARE: _share,
    ReasonKind.PART: _part,
}
