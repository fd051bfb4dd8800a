"""Why a CE got so many pilots: what decided, in a sentence, and what would change it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from worker.services.observe.ticks import THREE_CHANCES, Known
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


_RULES: tuple[tuple[ReasonKind, Callable[[Known], object]], ...] = (
    (ReasonKind.QUICKER, lambda one: _QUICKER.search(one.decision.reason)),
    (ReasonKind.VO_CLOSED, lambda one: one.vo.closed),
    (ReasonKind.CE_CLOSED, lambda one: one.ce.closed),
    (ReasonKind.NO_RATE, lambda one: is_ours(one) and one.ce.success_rate <= 0),
    (ReasonKind.FULL, lambda one: one.ce.free <= 0),
    (ReasonKind.OTHER, lambda one: not is_ours(one)),
    (ReasonKind.PROBE, lambda one: "probe_every" in one.decision.trace and one.decision.granted),
    (ReasonKind.PAUSED, lambda one: "probe_every" in one.decision.trace and one.ce.pause),
    (ReasonKind.POOR, lambda one: "probe_every" in one.decision.trace),
    (ReasonKind.BETTER, lambda one: "better" in one.decision.trace),
    (ReasonKind.ALL, lambda one: one.decision.granted == one.ce.free),
    (ReasonKind.SLOW, lambda one: one.decision.granted == room(one) < one.ce.free),
    (ReasonKind.NOT_NEEDED, lambda one: need(one) == 0),
    (ReasonKind.SHARE, lambda one: "share" in one.decision.trace),
    (ReasonKind.PART, lambda one: True),
)
"""In the order of the policy: the first that holds decided."""


def kind_of(one: Known) -> ReasonKind:
    """Return what decided."""
    return next(kind for kind, holds in _RULES if holds(one))


def is_ours(one: Known) -> bool:
    return one.decision.trace.get("policy") == THREE_CHANCES


def need(one: Known) -> int:
    return int(one.decision.trace.get("need", 0))


def caps(one: Known) -> dict[str, int]:
    """Return what limits the pilots of the VO in this tick; the share is apart."""
    limits = one.decision.trace.get("caps", {})
    return {name: cap for name, cap in limits.items() if name != "share"}


def cap(one: Known) -> str:
    """Return the name of the cap that keeps the need so low."""
    limits = caps(one)
    return min(limits, key=lambda name: limits[name]) if limits else "budget"


def room(one: Known) -> int:
    """Return how many fit, if a slow queue gets no deeper."""
    drain = one.decision.trace.get("drain")
    return one.ce.free if drain is None else min(one.ce.free, max(0, drain - one.ce.waiting))


def were_free(one: Known) -> tuple[int, int] | None:
    """Return how many of how many pilots had a slot, if somebody else was quicker."""
    match = _QUICKER.search(one.decision.reason)
    return (int(match[1]), int(match[2])) if match else None


def next_probe(one: Known) -> datetime | None:
    """Return when the next probe is due: at once, if none was sent; `None` if it needs none."""
    every = one.decision.trace.get("probe_every")
    if every is None:
        return None
    if one.decision.granted:
        return one.decision.at + timedelta(seconds=every)
    since = one.ce.pause.since if one.ce.pause else None
    before = [moment for moment in (since, one.ce.last_sent_at) if moment is not None]
    return max(before) + timedelta(seconds=every) if before else one.decision.at


def headline(one: Known, now: datetime, settings: "PlaceSettings") -> str:
    """Say in a sentence how many pilots, when, and why."""
    why = because(one)
    if kind_of(one) is ReasonKind.FULL and limit_decides(one, settings):
        why = f"its waiting limit of {words.number(settings.waiting_limit)} is reached"
    return f"{got(one, now)}: {why}."


def got(one: Known, now: datetime) -> str:
    decision = one.decision
    pilots = words.counted(decision.granted, "pilot") if decision.granted else "no pilots"
    return f"{decision.ce} got {pilots} for {decision.vo} at {at(decision.at, now)}"


def at(moment: datetime, now: datetime) -> str:
    """Write a moment to the minute; of another day with the date."""
    return f"{moment:%H:%M}" if moment.date() == now.date() else words.moment(moment, now)


def because(one: Known) -> str:
    """Say what decided, as the end of a sentence."""
    return _BECAUSE[kind_of(one)](one).rstrip(".")


def _closed_vo(one: Known) -> str:
    return str(one.vo.closed).replace("the VO", one.vo.name, 1)


def _closed_ce(one: Known) -> str:
    text = str(one.ce.closed)
    if text.startswith(("held by hand", "in maintenance")):
        return f"it is {text}"
    return text.replace("the CE", "it", 1) if text.startswith("the CE ") else text


def _probe_words(one: Known) -> str:
    due = next_probe(one)
    assert due is not None
    if due > one.decision.at:
        return f"next probe {due:%H:%M}"
    if need(one) == 0:
        return "a probe is due as soon as pilots are needed"
    return "a probe is due, and others came first"


def _probe(one: Known) -> str:
    why = "it is paused" if one.ce.pause else "its pilots cost more than they bring"
    return f"a probe, for {why}"


def _not_needed(one: Known) -> str:
    name = one.vo.name
    if cap(one) == "demand":
        if one.vo.demand == 0:
            return f"the demand of {name} is 0"
        return f"those that wait are enough for the demand of {words.number(one.vo.demand)}"
    if cap(one) == "room":
        return f"{name} is at its limit"
    return f"the budget of a tick is {words.number(caps(one).get('budget', 0))}"


def _part(one: Known) -> str:
    needed, name = words.number(need(one)), one.vo.name
    if one.decision.granted == 0:
        return f"all {needed} that {name} may get went to CEs with a better chance or more room"
    if one.decision.granted == need(one):
        return f"{_ALL_NEEDED[cap(one)].format(name=name)}"
    return f"its part of the {needed} that {name} may get in this tick"


def _share(one: Known) -> str:
    share, name = int(one.decision.trace["share"]), one.vo.name
    if share == 0:
        return f"the share of {name} allows no more"
    if one.decision.granted == 0:
        return f"the {words.number(share)} that the share of {name} allows went to other CEs"
    if one.decision.granted == share:
        return f"all that the share of {name} allows"
    return f"its part of the {words.number(share)} that the share of {name} allows"


_ALL_NEEDED = {
    "demand": "all that {name} needs",
    "room": "all that the limit of {name} allows",
    "budget": "all that the budget of a tick allows {name}",
    "closed": "nothing may be sent for {name}",
}


def _quicker(one: Known) -> str:
    numbers = were_free(one)
    assert numbers is not None
    return f"only {words.number(numbers[0])} of {words.number(numbers[1])} slots were still free"


_BECAUSE: dict[ReasonKind, Callable[[Known], str]] = {
    ReasonKind.QUICKER: _quicker,
    ReasonKind.VO_CLOSED: _closed_vo,
    ReasonKind.CE_CLOSED: _closed_ce,
    ReasonKind.NO_RATE: lambda one: "its success rate is set to 0",
    ReasonKind.FULL: lambda one: "no slot is free there",
    ReasonKind.OTHER: lambda one: one.decision.reason,
    ReasonKind.PROBE: _probe,
    ReasonKind.PAUSED: lambda one: f"it is paused; {_probe_words(one)}",
    ReasonKind.POOR: lambda one: f"its pilots cost more than they bring; {_probe_words(one)}",
    ReasonKind.BETTER: lambda one: (
        f"what {one.vo.name} needs waits for better CEs, where all of it fits"
    ),
    ReasonKind.ALL: lambda one: "it gets all that is free",
    ReasonKind.SLOW: lambda one: (
        f"its queue is slow, and gets no deeper than the {words.number(one.ce.drained)} "
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
    """What is set now, which a trace does not hold."""

    capacity: int
    waiting_limit: int | None
    answered_at: datetime | None = None
    held_until: datetime | None = None


def again(one: Known, now: PlaceSettings) -> str:
    """Say when pilots are sent again, if nobody does anything."""
    if one.ce.closed and one.ce.closed.startswith("held by hand"):
        until = now.held_until
        return f"at {until:%d %b %H:%M}" if until else "when somebody resumes it"
    if one.vo.closed or (one.ce.closed and one.ce.closed.startswith(_BY_HAND)):
        return "when somebody changes that"
    if kind_of(one) in (ReasonKind.PAUSED, ReasonKind.POOR):
        due = next_probe(one)
        return f"by a probe at {due:%H:%M}" if due and due > one.decision.at else "by a probe"
    return "at each tick of the VO"


_BY_HAND = ("the CE is disabled", "the CE is draining", "the CE is for other VOs")


def changes(one: Known, now: PlaceSettings) -> list[Remedy]:
    """Say what would change the number, the nearest first."""
    return _CHANGES[kind_of(one)](one, now)


def fits(one: Known, now: PlaceSettings) -> int:
    """Return how many more pilots would fit then, with what is set now."""
    by_slots = now.capacity - one.ce.occupying
    limit = now.waiting_limit
    return max(0, by_slots if limit is None else min(by_slots, limit - one.ce.waiting))


def limit_decides(one: Known, now: PlaceSettings) -> bool:
    """Return whether the waiting limit, as it is set now, keeps the free slots so few."""
    by_slots = replace(now, waiting_limit=None)
    return fits(one, now) == max(0, one.ce.free) < fits(one, by_slots)


def _to_ce(one: Known, text: str, **more: str) -> Remedy:
    suppose = tuple(more.items())
    return Remedy(text=text, where=("ces", one.ce.name), link=f"CE {one.ce.name}", suppose=suppose)


def _to_vo(one: Known, text: str, **more: str) -> Remedy:
    suppose = tuple(more.items())
    return Remedy(text=text, where=("vos", one.vo.name), link=f"VO {one.vo.name}", suppose=suppose)


def _of_slots(one: Known, now: PlaceSettings) -> list[Remedy]:
    if limit_decides(one, now) and now.waiting_limit is not None:
        doubled = str(max(10, 2 * now.waiting_limit))
        text = f"Raise the waiting limit: it is {words.number(now.waiting_limit)}"
        waits = f"and {words.counted(one.ce.waiting, 'pilot waits', 'pilots wait')}."
        return [_to_ce(one, f"{text}, {waits}", waiting_limit=doubled)]
    doubled = str(max(10, 2 * now.capacity))
    text = f"Raise the capacity, which is {words.number(now.capacity)}, or wait for pilots to end."
    return [_to_ce(one, text, capacity=doubled)]


def _of_a_closed_vo(one: Known, now: PlaceSettings) -> list[Remedy]:
    verb = "End the draining of" if "draining" in str(one.vo.closed) else "Enable"
    return [_to_vo(one, f"{verb} {one.vo.name}.")]


_OF_A_CLOSED_CE = (
    ("the CE is disabled", "Enable it."),
    ("the CE is draining", "End the draining."),
    ("held by hand", "Resume it: a person holds it, and no probe is sent."),
    ("in maintenance", "Wait for the end of the maintenance, or remove it."),
    ("the CE is for other VOs", "Open it to {vo}."),
    ("no answer", "Nothing to set: it is sent pilots again when it answers. Look at its calls."),
    ("calls refused", "See why it refuses the calls; it is sent pilots when it accepts one."),
)


def _of_a_closed_ce(one: Known, now: PlaceSettings) -> list[Remedy]:
    for begins, text in _OF_A_CLOSED_CE:
        if str(one.ce.closed).startswith(begins):
            return [_to_ce(one, text.format(vo=one.vo.name))]
    return [
        Remedy(
            text=f"Give {one.vo.name} a credential that is valid for it.",
            where=("credentials",),
            link="Credentials",
        )
    ]


def _of_probes(one: Known, now: PlaceSettings) -> list[Remedy]:
    due = next_probe(one)
    assert due is not None
    when = f"at {due:%H:%M}" if due > one.decision.at else "that is due"
    if one.ce.pause is None:
        text = f"Wait for the probe {when}: each that ends well raises the chance."
        return [Remedy(text=text), _failed(one)]
    wait = Remedy(text=f"Wait for the probe {when}: the pause ends when it does well.")
    return [wait, _to_ce(one, "If you know that it is mended, resume it now.")]


def _failed(one: Known) -> Remedy:
    link = f"pilots of {one.ce.name}"
    return Remedy(text="See why its pilots fail.", where=("pilots",), link=link)


def _of_the_need(one: Known, now: PlaceSettings) -> list[Remedy]:
    which = cap(one)
    if which == "room":
        text = f"Raise the limit of {one.vo.name}, or wait for its pilots to end."
        return [_to_vo(one, text, limit="none")]
    if which == "budget":
        return [_to_vo(one, f"Raise the budget of {one.vo.name}, or wait for the next tick.")]
    demand = one.vo.demand or 0
    more = str(max(10, 2 * demand))
    if demand == 0:
        return [_to_vo(one, f"Set the demand of {one.vo.name}: it is 0.", demand=more)]
    text = f"Raise the demand of {one.vo.name}: it is {words.number(demand)}."
    return [_to_vo(one, text, demand=more)]


def _of_the_part(one: Known, now: PlaceSettings) -> list[Remedy]:
    made = _of_the_need(one, now)
    if one.decision.granted < need(one):
        chance = words.chance(one.decision.trace.get("chance"))
        made.append(_to_ce(one, f"A better chance than {chance} gives it a larger part."))
    return made


def _of_the_share(one: Known, now: PlaceSettings) -> list[Remedy]:
    text = f"Raise the share of {one.vo.name}, which is {one.vo.share:g}: other VOs want slots too."
    return [_to_vo(one, text, share=f"{2 * one.vo.share:g}")]


_CHANGES: dict[ReasonKind, Callable[[Known, PlaceSettings], list[Remedy]]] = {
    ReasonKind.QUICKER: lambda one, now: [Remedy(text="Nothing: the next tick makes up for it.")],
    ReasonKind.VO_CLOSED: _of_a_closed_vo,
    ReasonKind.CE_CLOSED: _of_a_closed_ce,
    ReasonKind.NO_RATE: lambda one, now: [
        _to_ce(one, "Set a success rate above 0.", success_rate="0.9")
    ],
    ReasonKind.FULL: _of_slots,
    ReasonKind.OTHER: lambda one, now: [],
    ReasonKind.PROBE: _of_probes,
    ReasonKind.PAUSED: _of_probes,
    ReasonKind.POOR: _of_probes,
    ReasonKind.BETTER: lambda one, now: [
        _to_vo(
            one,
            f"Raise the demand of {one.vo.name} above what the better CEs hold.",
            demand=str(max(10, 2 * (one.vo.demand or 0))),
        ),
        Remedy(text="Or send at once whatever the chance: the parameter better_part = 0."),
    ],
    ReasonKind.ALL: _of_slots,
    ReasonKind.SLOW: lambda one, now: [
        _to_ce(one, "Nothing to set: it gets more as soon as more of its pilots begin.")
    ],
    ReasonKind.NOT_NEEDED: _of_the_need,
    ReasonKind.SHARE: _of_the_share,
    ReasonKind.PART: _of_the_part,
}
