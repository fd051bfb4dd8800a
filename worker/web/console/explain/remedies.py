"""Remedies: what would change the number of pilots, and when pilots are sent again."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.domain.closing import ClosedBy
from worker.services.observe.cycles import DecisionFacts
from worker.web.console import words
from worker.web.console.explain.kinds import (
    ReasonKind,
    cap,
    kind_of,
    need,
    needs_none_besides,
    next_probe,
)
from worker.web.console.explain.place_settings import PlaceSettings, limit_decides


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A change that would change the number: a sentence, and the page for it."""

    text: str
    where: tuple[str, ...] = ()
    """The parts of the address of a page."""
    link: str = ""
    suppose: tuple[tuple[str, str], ...] = ()
    """The values to suppose, to see the effect first."""


def again(case: DecisionFacts, settings: PlaceSettings) -> str:
    """Write when pilots are sent again if nobody changes anything."""
    if case.ce.closed_by is ClosedBy.HELD:
        until = settings.held_until
        return f"at {until:%d %b %H:%M}" if until else "when somebody resumes it"
    if case.vo.closed or case.ce.closed_by in _BY_HAND:
        return "when somebody changes that"
    if kind_of(case) in (ReasonKind.PAUSED, ReasonKind.POOR):
        due = next_probe(case)
        return f"by a probe at {due:%H:%M}" if due and due > case.decision.at else "by a probe"
    return "at each tick of the VO"


_BY_HAND = frozenset({ClosedBy.DISABLED, ClosedBy.DRAINING, ClosedBy.OTHER_VOS})


def changes(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    """Return the changes that would change the number, the most direct first."""
    remedies = _CHANGES[kind_of(case)](case, settings)
    if needs_none_besides(case):  # without a demand, all other changes leave the number at 0
        return [*_of_the_need(case, settings), *remedies]
    return remedies


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


def _of_slots(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    if limit_decides(case, settings) and settings.waiting_limit is not None:
        doubled = str(max(10, 2 * settings.waiting_limit))
        text = f"Raise the waiting limit: it is {words.number(settings.waiting_limit)}"
        waits = f"and {words.counted(case.ce.waiting, 'pilot waits', 'pilots wait')}."
        return [_to_ce(case, f"{text}, {waits}", waiting_limit=doubled)]
    doubled = str(max(10, 2 * settings.capacity))
    capacity = words.number(settings.capacity)
    text = f"Raise the capacity, which is {capacity}, or wait for pilots to end."
    return [_to_ce(case, text, capacity=doubled)]


def _of_a_closed_vo(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    verb = "End the draining of" if case.vo.closed_by is ClosedBy.DRAINING else "Enable"
    return [_to_vo(case, f"{verb} {case.vo.name}.")]


_OF_A_CLOSED_CE = {
    ClosedBy.DISABLED: "Enable it.",
    ClosedBy.DRAINING: "End the draining.",
    ClosedBy.HELD: "Resume it: a person holds it, and no probe is sent.",
    ClosedBy.MAINTENANCE: "Wait for the end of the maintenance, or remove it.",
    ClosedBy.OTHER_VOS: "Open it to {vo}.",
    ClosedBy.NO_ANSWER: (
        "Nothing to set: it gets pilots again when it answers. Look at its calls."
    ),
    ClosedBy.REFUSES: "See why it refuses the calls; it gets pilots again when it accepts a call.",
    ClosedBy.TRIAL: "See why it refuses the pilots of {vo}; it is tried again by itself.",
}


def _of_a_closed_ce(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    vo, by = case.vo.name, case.ce.closed_by
    if by is ClosedBy.CREDENTIAL:
        text = f"Give {vo} a credential that is valid for it."
        return [Remedy(text=text, where=("credentials",), link="Credentials")]
    return [] if by is None else [_to_ce(case, _OF_A_CLOSED_CE[by].format(vo=vo))]


def _of_probes(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    due = next_probe(case)
    assert due is not None
    when = f"at {due:%H:%M}" if due > case.decision.at else "that is due"
    if case.ce.pause is None:
        text = f"Wait for the probe {when}: each probe that ends well raises the chance."
        return [Remedy(text=text), _failed(case)]
    wait = Remedy(text=f"Wait for the probe {when}: the pause ends when it does well.")
    return [wait, _to_ce(case, "If you know that it is repaired, resume it now.")]


def _failed(case: DecisionFacts) -> Remedy:
    link = f"pilots of {case.ce.name}"
    return Remedy(text="See why its pilots fail.", where=("pilots",), link=link)


def _of_the_need(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    which = cap(case)
    if which == "room":
        text = f"Raise the limit of {case.vo.name}, or wait for its pilots to end."
        return [_to_vo(case, text, limit="none")]
    if which == "budget":
        return [_to_vo(case, f"Raise the budget of {case.vo.name}, or wait for the next tick.")]
    if case.vo.wanted is not None:
        text = f"Raise the total that {case.vo.name} wants: it is {words.number(case.vo.wanted)}."
        return [Remedy(text=text, where=("vos", case.vo.name), link=f"the page of {case.vo.name}")]
    demand = case.vo.demand or 0
    more = str(max(10, 2 * demand))
    if demand == 0:
        return [_to_vo(case, f"Set the demand of {case.vo.name}: it is 0.", demand=more)]
    text = f"Raise the demand of {case.vo.name}: it is {words.number(demand)}."
    return [_to_vo(case, text, demand=more)]


def _of_the_part(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    made = _of_the_need(case, settings)
    if case.decision.granted < need(case):
        chance = words.chance(case.decision.trace.get("chance"))
        made.append(_to_ce(case, f"A better chance than {chance} gives it a larger part."))
    return made


def _of_the_share(case: DecisionFacts, settings: PlaceSettings) -> list[Remedy]:
    text = (
        f"Raise the share of {case.vo.name}, which is {case.vo.share:g}: other VOs want slots too."
    )
    return [_to_vo(case, text, share=f"{2 * case.vo.share:g}")]


_CHANGES: dict[ReasonKind, Callable[[DecisionFacts, PlaceSettings], list[Remedy]]] = {
    ReasonKind.QUICKER: lambda case, settings: [
        Remedy(text="Nothing to set: the next tick sends the rest.")
    ],
    ReasonKind.VO_CLOSED: _of_a_closed_vo,
    ReasonKind.CE_CLOSED: _of_a_closed_ce,
    ReasonKind.NO_RATE: lambda case, settings: [
        _to_ce(case, "Set a success rate above 0.", success_rate="0.9")
    ],
    ReasonKind.FULL: _of_slots,
    ReasonKind.OTHER: lambda case, settings: [],
    ReasonKind.PROBE: _of_probes,
    ReasonKind.PAUSED: _of_probes,
    ReasonKind.POOR: _of_probes,
    ReasonKind.BETTER: lambda case, settings: [
        _to_vo(
            case,
            f"Raise the demand of {case.vo.name} above the slots of the better CEs.",
            demand=str(max(10, 2 * (case.vo.demand or 0))),
        ),
        Remedy(
            text="Or set the parameter better_part to 0: then CEs get pilots whatever their chance."
        ),
    ],
    ReasonKind.TRIAL: lambda case, settings: [
        _to_ce(case, "Nothing to set: it gets more with each tick in which it refuses none.")
    ],
    ReasonKind.ALL: _of_slots,
    ReasonKind.SLOW: lambda case, settings: [
        _to_ce(case, "Nothing to set: it gets more as soon as more of its pilots begin.")
    ],
    ReasonKind.NOT_NEEDED: _of_the_need,
    ReasonKind.SHARE: _of_the_share,
    ReasonKind.PART: _of_the_part,
}
