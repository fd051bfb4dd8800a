"""Why a CE got so many pilots: what decided, in a sentence, and what would change it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from worker.services.observe.ticks import THREE_CHANCES, DecisionFacts
from worker.web.console import words

_QUICKER = re.compile(r"; only (\d+) of (\d+) were still free$")


class ReasonKind(StrEnum):
    """What decided."""

    QUICKER = "quicker"
    """Fewer slots were left when they were taken: somebody else was quicker."""
    VO_CLOSED = "vo closed"
    CE_CLOSED = "ce closed"
    NO_RATE = "no rate"
    FULL = "full"
    OTHER = "other"
    """Another policy, which says why in its own words."""
    PROBE = "probe"
    PAUSED = "paused"
    POOR = "poor"
    """Its pilots cost more than they bring."""
    BETTER = "better"
    """Finite work waits for better CEs."""
    ALL = "all"
    SLOW = "slow"
    """Its queue is slow, and gets no deeper."""
    NOT_NEEDED = "not needed"
    SHARE = "share"
    PART = "part"


_RULES: tuple[tuple[ReasonKind, Callable[[DecisionFacts], object]], ...] = (
    (ReasonKind.QUICKER, lambda case: _QUICKER.search(case.decision.reason)),
    (ReasonKind.VO_CLOSED, lambda case: case.vo.closed),
    (ReasonKind.CE_CLOSED, lambda case: case.ce.closed),
    (ReasonKind.NO_RATE, lambda case: is_ours(case) and case.ce.success_rate <= 0),
    (ReasonKind.FULL, lambda case: case.ce.free <= 0),
    (ReasonKind.OTHER, lambda case: not is_ours(case)),
    (ReasonKind.PROBE, lambda case: "probe_every" in case.decision.trace and case.decision.granted),
    (ReasonKind.PAUSED, lambda case: "probe_every" in case.decision.trace and case.ce.pause),
    (ReasonKind.POOR, lambda case: "probe_every" in case.decision.trace),
    (ReasonKind.BETTER, lambda case: "better" in case.decision.trace),
    (ReasonKind.ALL, lambda case: case.decision.granted == case.ce.free),
    (ReasonKind.SLOW, lambda case: case.decision.granted == room(case) < case.ce.free),
    (ReasonKind.NOT_NEEDED, lambda case: need(case) == 0),
    (ReasonKind.SHARE, lambda case: "share" in case.decision.trace),
    (ReasonKind.PART, lambda case: True),
)
"""In the order of the policy: the first that holds decided."""


def kind_of(case: DecisionFacts) -> ReasonKind:
    """Return what decided."""
    return next(kind for kind, holds in _RULES if holds(case))


def is_ours(case: DecisionFacts) -> bool:
    return case.decision.trace.get("policy") == THREE_CHANCES


def need(case: DecisionFacts) -> int:
    return int(case.decision.trace.get("need", 0))


def caps(case: DecisionFacts) -> dict[str, int]:
    """Return what limits the pilots of the VO in this tick; the share is apart."""
    limits = case.decision.trace.get("caps", {})
    return {name: cap for name, cap in limits.items() if name != "share"}


def cap(case: DecisionFacts) -> str:
    """Return the name of the cap that keeps the need so low."""
    limits = caps(case)
    return min(limits, key=lambda name: limits[name]) if limits else "budget"


def room(case: DecisionFacts) -> int:
    """Return how many fit, if a slow queue gets no deeper."""
    drain = case.decision.trace.get("drain")
    return case.ce.free if drain is None else min(case.ce.free, max(0, drain - case.ce.waiting))


def were_free(case: DecisionFacts) -> tuple[int, int] | None:
    """Return how many of how many pilots had a slot, if somebody else was quicker."""
    match = _QUICKER.search(case.decision.reason)
    return (int(match[1]), int(match[2])) if match else None


def next_probe(case: DecisionFacts) -> datetime | None:
    """Return when the next probe is due: at once, if none was sent; `None` if it needs none."""
    every = case.decision.trace.get("probe_every")
    if every is None:
        return None
    if case.decision.granted:
        return case.decision.at + timedelta(seconds=every)
    since = case.ce.pause.since if case.ce.pause else None
    before = [moment for moment in (since, case.ce.last_sent_at) if moment is not None]
    return max(before) + timedelta(seconds=every) if before else case.decision.at


def headline(case: DecisionFacts, now: datetime, settings: "PlaceSettings") -> str:
    """Say in a sentence how many pilots, when, and why."""
    why = because(case)
    if kind_of(case) is ReasonKind.FULL and limit_decides(case, settings):
        why = f"its waiting limit of {words.number(settings.waiting_limit)} is reached"
    if kind_of(case) is ReasonKind.CE_CLOSED:
        why = _by_whom(why, str(case.ce.closed), settings)
    if _needs_none_besides(case):
        why = f"{why}; and the demand of {case.vo.name} is 0"
    return f"{got(case, now)}: {why}."


def got(case: DecisionFacts, now: datetime) -> str:
    decision = case.decision
    pilots = words.counted(decision.granted, "pilot") if decision.granted else "no pilots"
    return f"{decision.ce} got {pilots} for {decision.vo} at {at(decision.at, now)}"


def at(moment: datetime, now: datetime) -> str:
    """Write a moment to the minute; of another day with the date."""
    return f"{moment:%H:%M}" if moment.date() == now.date() else words.moment(moment, now)


def because(case: DecisionFacts) -> str:
    """Say what decided, as the end of a sentence."""
    return _BECAUSE[kind_of(case)](case).rstrip(".")


def _closed_vo(case: DecisionFacts) -> str:
    return str(case.vo.closed).replace("the VO", case.vo.name, 1)


def _closed_ce(case: DecisionFacts) -> str:
    text = str(case.ce.closed)
    if text.startswith(("held by hand", "in maintenance")):
        return f"it is {text}"
    return text.replace("the CE", "it", 1) if text.startswith("the CE ") else text


_STATES = {
    "the CE is disabled": "ce.enabled",
    "the CE is draining": "ce.draining",
    "the CE is for other VOs": "ce.only_for",
    "held by hand": "ce.sending",
}
"""Why a CE is closed by somebody, and the value by which."""


def _by_whom(why: str, closed: str, settings: "PlaceSettings") -> str:
    """Say since when a CE is closed, by whom and why, if the audit knows it."""
    state = closed.partition(": ")[0]
    setter = settings.setters.get(_STATES.get(state, ""))
    return f"{why.partition(': ')[0]} {setter}" if setter else why


def _probe_words(case: DecisionFacts) -> str:
    due = next_probe(case)
    assert due is not None
    if due > case.decision.at:
        return f"next probe {due:%H:%M}"
    if need(case) == 0:
        return "a probe is due as soon as pilots are needed"
    return "a probe is due, and others came first"


def _probe(case: DecisionFacts) -> str:
    why = "it is paused" if case.ce.pause else "its pilots cost more than they bring"
    return f"a probe, for {why}"


def _not_needed(case: DecisionFacts) -> str:
    name = case.vo.name
    if cap(case) == "demand":
        if case.vo.wanted:
            return f"{name} has the {words.number(case.vo.wanted)} pilots that it wants in all"
        if case.vo.demand == 0:
            return f"the demand of {name} is 0"
        return f"those that wait are enough for the demand of {words.number(case.vo.demand)}"
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
    ReasonKind.BETTER: lambda case: (
        f"what {case.vo.name} needs waits for better CEs, where all of it fits"
    ),
    ReasonKind.ALL: lambda case: "it gets all that is free",
    ReasonKind.SLOW: lambda case: (
        f"its queue is slow, and gets no deeper than the {words.number(case.ce.drained)} "
        "that began there in the last hour"
    ),
    ReasonKind.NOT_NEEDED: _not_needed,
    ReasonKind.SHARE: _share,
    ReasonKind.PART: _part,
}


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What would change the number: a sentence, and where to do it."""

    text: str
    where: tuple[str, ...] = ()
    """The parts of the address of a page."""
    link: str = ""
    suppose: tuple[tuple[str, str], ...] = ()
    """What to suppose to see the effect first."""


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """What is set at a CE, and by whom."""

    capacity: int
    waiting_limit: int | None
    answered_at: datetime | None = None
    held_until: datetime | None = None
    setters: Mapping[str, str] = field(default_factory=dict)
    """Who set each value, in words, by `ce.` or `vo.` and its name."""

    def source(self, text: str, name: str) -> str:
        """Say where a value comes from: which it is, and who set it."""
        setter = self.setters.get(name)
        return f"{text}, {setter}" if setter else text


def as_of(case: DecisionFacts, now: PlaceSettings) -> PlaceSettings:
    """Return what was set when it was decided; of before that was kept, what is set now."""
    if case.ce.capacity is None:
        return now
    return replace(now, capacity=case.ce.capacity, waiting_limit=case.ce.waiting_limit)


def again(case: DecisionFacts, now: PlaceSettings) -> str:
    """Say when pilots are sent again, if nobody does anything."""
    if case.ce.closed and case.ce.closed.startswith("held by hand"):
        until = now.held_until
        return f"at {until:%d %b %H:%M}" if until else "when somebody resumes it"
    if case.vo.closed or (case.ce.closed and case.ce.closed.startswith(_BY_HAND)):
        return "when somebody changes that"
    if kind_of(case) in (ReasonKind.PAUSED, ReasonKind.POOR):
        due = next_probe(case)
        return f"by a probe at {due:%H:%M}" if due and due > case.decision.at else "by a probe"
    return "at each tick of the VO"


_BY_HAND = ("the CE is disabled", "the CE is draining", "the CE is for other VOs")


def changes(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    """Say what would change the number, the nearest first."""
    remedies = _CHANGES[kind_of(case)](case, now)
    if _needs_none_besides(case):  # whatever else is changed, the number stays 0
        return [*_of_the_need(case, now), *remedies]
    return remedies


def _needs_none_besides(case: DecisionFacts) -> bool:
    """Return whether a VO that gets none for another reason needs none, too."""
    return (
        case.decision.granted == 0
        and case.vo.demand == 0
        and kind_of(case) not in (ReasonKind.NOT_NEEDED, ReasonKind.VO_CLOSED)
    )


def fits(case: DecisionFacts, now: PlaceSettings) -> int:
    """Return how many more pilots would fit then, with what is set now."""
    by_slots = now.capacity - case.ce.occupying
    limit = now.waiting_limit
    return max(0, by_slots if limit is None else min(by_slots, limit - case.ce.waiting))


def limit_decides(case: DecisionFacts, now: PlaceSettings) -> bool:
    """Return whether the waiting limit, as it is set now, keeps the free slots so few."""
    by_slots = replace(now, waiting_limit=None)
    return fits(case, now) == max(0, case.ce.free) < fits(case, by_slots)


def _to_ce(case: DecisionFacts, text: str, **more: str) -> Remedy:
    suppose = tuple(more.items())
    return Remedy(
        text=text, where=("ces", case.ce.name), link=f"CE {case.ce.name}", suppose=suppose
    )


def _to_vo(case: DecisionFacts, text: str, **more: str) -> Remedy:
    suppose = tuple(more.items())
    return Remedy(
        text=text, where=("vos", case.vo.name), link=f"VO {case.vo.name}", suppose=suppose
    )


def _of_slots(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    if limit_decides(case, now) and now.waiting_limit is not None:
        doubled = str(max(10, 2 * now.waiting_limit))
        text = f"Raise the waiting limit: it is {words.number(now.waiting_limit)}"
        waits = f"and {words.counted(case.ce.waiting, 'pilot waits', 'pilots wait')}."
        return [_to_ce(case, f"{text}, {waits}", waiting_limit=doubled)]
    doubled = str(max(10, 2 * now.capacity))
    text = f"Raise the capacity, which is {words.number(now.capacity)}, or wait for pilots to end."
    return [_to_ce(case, text, capacity=doubled)]


def _of_a_closed_vo(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    verb = "End the draining of" if "draining" in str(case.vo.closed) else "Enable"
    return [_to_vo(case, f"{verb} {case.vo.name}.")]


_OF_A_CLOSED_CE = (
    ("the CE is disabled", "Enable it."),
    ("the CE is draining", "End the draining."),
    ("held by hand", "Resume it: a person holds it, and no probe is sent."),
    ("in maintenance", "Wait for the end of the maintenance, or remove it."),
    ("the CE is for other VOs", "Open it to {vo}."),
    ("no answer", "Nothing to set: it is sent pilots again when it answers. Look at its calls."),
    ("calls refused", "See why it refuses the calls; it is sent pilots when it accepts one."),
)


def _of_a_closed_ce(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    for begins, text in _OF_A_CLOSED_CE:
        if str(case.ce.closed).startswith(begins):
            return [_to_ce(case, text.format(vo=case.vo.name))]
    return [
        Remedy(
            text=f"Give {case.vo.name} a credential that is valid for it.",
            where=("credentials",),
            link="Credentials",
        )
    ]


def _of_probes(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    due = next_probe(case)
    assert due is not None
    when = f"at {due:%H:%M}" if due > case.decision.at else "that is due"
    if case.ce.pause is None:
        text = f"Wait for the probe {when}: each that ends well raises the chance."
        return [Remedy(text=text), _failed(case)]
    wait = Remedy(text=f"Wait for the probe {when}: the pause ends when it does well.")
    return [wait, _to_ce(case, "If you know that it is mended, resume it now.")]


def _failed(case: DecisionFacts) -> Remedy:
    link = f"pilots of {case.ce.name}"
    return Remedy(text="See why its pilots fail.", where=("pilots",), link=link)


def _of_the_need(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    which = cap(case)
    if which == "room":
        text = f"Raise the limit of {case.vo.name}, or wait for its pilots to end."
        return [_to_vo(case, text, limit="none")]
    if which == "budget":
        return [_to_vo(case, f"Raise the budget of {case.vo.name}, or wait for the next tick.")]
    if case.vo.wanted is not None:
        text = f"Raise what {case.vo.name} wants in all: it is {words.number(case.vo.wanted)}."
        return [Remedy(text=text, where=("vos", case.vo.name), link=f"the page of {case.vo.name}")]
    demand = case.vo.demand or 0
    more = str(max(10, 2 * demand))
    if demand == 0:
        return [_to_vo(case, f"Set the demand of {case.vo.name}: it is 0.", demand=more)]
    text = f"Raise the demand of {case.vo.name}: it is {words.number(demand)}."
    return [_to_vo(case, text, demand=more)]


def _of_the_part(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    made = _of_the_need(case, now)
    if case.decision.granted < need(case):
        chance = words.chance(case.decision.trace.get("chance"))
        made.append(_to_ce(case, f"A better chance than {chance} gives it a larger part."))
    return made


def _of_the_share(case: DecisionFacts, now: PlaceSettings) -> list[Remedy]:
    text = (
        f"Raise the share of {case.vo.name}, which is {case.vo.share:g}: other VOs want slots too."
    )
    return [_to_vo(case, text, share=f"{2 * case.vo.share:g}")]


_CHANGES: dict[ReasonKind, Callable[[DecisionFacts, PlaceSettings], list[Remedy]]] = {
    ReasonKind.QUICKER: lambda case, now: [Remedy(text="Nothing: the next tick makes up for it.")],
    ReasonKind.VO_CLOSED: _of_a_closed_vo,
    ReasonKind.CE_CLOSED: _of_a_closed_ce,
    ReasonKind.NO_RATE: lambda case, now: [
        _to_ce(case, "Set a success rate above 0.", success_rate="0.9")
    ],
    ReasonKind.FULL: _of_slots,
    ReasonKind.OTHER: lambda case, now: [],
    ReasonKind.PROBE: _of_probes,
    ReasonKind.PAUSED: _of_probes,
    ReasonKind.POOR: _of_probes,
    ReasonKind.BETTER: lambda case, now: [
        _to_vo(
            case,
            f"Raise the demand of {case.vo.name} above what the better CEs hold.",
            demand=str(max(10, 2 * (case.vo.demand or 0))),
        ),
        Remedy(text="Or send at once whatever the chance: the parameter better_part = 0."),
    ],
    ReasonKind.ALL: _of_slots,
    ReasonKind.SLOW: lambda case, now: [
        _to_ce(case, "Nothing to set: it gets more as soon as more of its pilots begin.")
    ],
    ReasonKind.NOT_NEEDED: _of_the_need,
    ReasonKind.SHARE: _of_the_share,
    ReasonKind.PART: _of_the_part,
}
