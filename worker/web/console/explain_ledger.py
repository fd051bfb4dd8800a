"""The ledger: each step from demand to result, its number, and where the number comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from worker.services.observe.ticks import DecisionFacts
from worker.web.console import words
from worker.web.console.explain_reasons import (
    PlaceSettings,
    ReasonKind,
    cap,
    caps,
    fits,
    is_ours,
    kind_of,
    limit_decides,
    need,
    next_probe,
    room,
    were_free,
)

ANY = "any"
"""How a number without a limit is written."""


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A step: its sign, number and words, and where the number comes from."""

    key: str
    number: str
    text: str
    sign: str = ""
    source: str = ""
    where: tuple[str, ...] = ()
    """The page of the source."""
    part: float | None = None
    """The length of its bar, of 1."""
    is_sum: bool = False
    is_marked: bool = False


@dataclass(frozen=True, kw_only=True)
class LedgerGroup:
    """Steps that answer one question."""

    question: str
    rows: tuple[LedgerRow, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SendingCondition:
    """What must hold, and whether it does; `None` is that it was not looked at."""

    text: str
    holds: bool | None
    why: str = ""
    where: tuple[str, ...] = ()
    is_marked: bool = False


def decisive(case: DecisionFacts) -> str:
    """Return the key of the row that decided."""
    kind = kind_of(case)
    if kind is ReasonKind.NOT_NEEDED or (
        kind is ReasonKind.PART and case.decision.granted == need(case)
    ):
        return _ROWS.get(cap(case), cap(case))
    return _DECISIVE[kind]


_ROWS = {"room": "room of the VO", "closed": "vo open"}
"""The row of a cap, where it has another name."""


_DECISIVE = {
    ReasonKind.QUICKER: "still free",
    ReasonKind.VO_CLOSED: "vo open",
    ReasonKind.CE_CLOSED: "ce open",
    ReasonKind.NO_RATE: "success rate",
    ReasonKind.FULL: "free",
    ReasonKind.OTHER: "policy",
    ReasonKind.PROBE: "probe",
    ReasonKind.PAUSED: "probe",
    ReasonKind.POOR: "probe",
    ReasonKind.BETTER: "better",
    ReasonKind.ALL: "free",
    ReasonKind.SLOW: "room",
    ReasonKind.SHARE: "share",
    ReasonKind.PART: "part",
}


def ledger(
    case: DecisionFacts, tick: Sequence[DecisionFacts], now: PlaceSettings
) -> list[LedgerGroup]:
    """Return the steps, question by question; the row that decided is marked."""
    mark, most = decisive(case), _most(case)
    vo, ce = case.vo.name, case.ce.name
    groups = (
        (f"How many pilots does {vo} need?", "at all CEs together", _needed(case, tick, now, most)),
        (f"How many may {vo} get?", "the least of these", _allowed(case, now, most)),
        (f"May {ce} get pilots?", "", _open(case, now)),
        (f"How many fit at {ce}?", "of all VOs together", _fit(case, now, most)),
        (f"How good is {ce}?", "how likely a pilot does well", _good(case, now)),
        ("Is a probe due?", "it gets single pilots only, now and then", _probes(case)),
        ("How is it shared out?", "", _shared(case, tick, now, most)),
    )
    return [
        LedgerGroup(question=question, note=note, rows=tuple(_marked(row, mark) for row in rows))
        for question, note, made in groups
        if (rows := list(made))
    ]


def _marked(row: LedgerRow, key: str) -> LedgerRow:
    return LedgerRow(**{**vars(row), "is_marked": row.key == key})


def _most(case: DecisionFacts) -> int:
    """Return the largest number of pilots, which the bars are drawn to."""
    return max(
        1, case.vo.demand or 0, case.vo.wanted or 0, case.ce.free, need(case), case.decision.granted
    )


def _count(key: str, number: int, text: str, most: int, **more: Any) -> LedgerRow:
    part = max(0, number) / most if number <= most else None
    return LedgerRow(key=key, number=words.number(number), text=text, part=part, **more)


def _needed(
    case: DecisionFacts, tick: Sequence[DecisionFacts], now: PlaceSettings, most: int
) -> Iterator[LedgerRow]:
    where, source = ("vos", case.vo.name), _of_the_demand(case, now)
    if case.vo.demand is None:
        yield LedgerRow(
            key="no demand set",
            number=ANY,
            text="without limit: as many as fit",
            source=source,
            where=where,
        )
        return
    if case.vo.wanted is not None and _counts_all(case, case.vo.wanted):
        yield from _in_all(case, case.vo.wanted, source, most)
        return
    text = "pilots it could use, those that wait included"
    yield _count("asked for", case.vo.demand, text, most, source=source, where=where)
    waiting = sum(other.ce.vo_waiting for other in tick)
    if waiting:
        worth = sum(_worth(other) for other in tick)
        yield LedgerRow(
            key="waiting",
            number=f"{worth:.1f}",
            sign="−",
            text=f"of {words.number(waiting)} that wait, those expected to end well",
            source="each counts its chance; at a paused CE it counts nothing",
            part=min(1.0, worth / most),
        )
    if "demand" in caps(case):
        yield _count("demand", caps(case)["demand"], "still needed", most, sign="=", is_sum=True)


def _counts_all(case: DecisionFacts, wanted: int) -> bool:
    """Return whether what is needed is what is wanted altogether, less what there is."""
    return caps(case).get("demand") == max(0, wanted - (case.vo.has or 0))


def _in_all(case: DecisionFacts, wanted: int, source: str, most: int) -> Iterator[LedgerRow]:
    """Write how many pilots are wanted altogether, and how many of them are there."""
    where, has, answered = ("vos", case.vo.name), case.vo.has or 0, case.vo.answered
    left = caps(case)["demand"]
    if answered is not None and answered != wanted:
        text = "is what was answered, before anything was counted"
        yield _count("answered", answered, text, most, where=where)
    text = f"pilots it wants in all, so {words.number(left)} more"
    yield _count("asked for", wanted, text, most, source=source, where=where)
    yield _count(
        "counted off", has, f"pilots of {case.vo.name} wait or run", most, sign="−", where=where
    )
    yield _count("demand", left, "still needed", most, sign="=", is_sum=True)


def _of_the_demand(case: DecisionFacts, now: PlaceSettings) -> str:
    """Write who set the demand of a VO, or when its source was asked and answered."""
    vo = case.vo
    if vo.asked_at is None:
        note = vo.note or ("none is set" if vo.demand is None else "as it is set")
        return now.source(f"VO {vo.name}, demand: {note}", "vo.demand")
    source = f"VO {vo.name}, demand: {vo.note}; asked at {vo.asked_at:%H:%M:%S}"
    if vo.answered_at is None or vo.answered_at < vo.asked_at:
        return f"{source}, without an answer"
    return f"{source}, answered in {words.seconds((vo.answered_at - vo.asked_at).total_seconds())}"


def _worth(case: DecisionFacts) -> float:
    chance = float(case.decision.trace.get("chance", 1.0))
    return 0.0 if case.ce.pause is not None else case.ce.vo_waiting * chance


def _allowed(case: DecisionFacts, now: PlaceSettings, most: int) -> Iterator[LedgerRow]:
    where, limits, vo = ("vos", case.vo.name), caps(case), case.vo
    budget = int(case.decision.trace.get("budget", 0))
    source = now.source(f"VO {vo.name}, budget", "vo.budget")
    if not vo.has_budget:
        source = "the budget of all VOs, or its own"
        if case.ce.capacity is not None:
            source = "the setting budget, for all VOs"
    yield _count(
        "budget", budget, "may be added in one tick", most, sign="≤", source=source, where=where
    )
    source = now.source(f"VO {vo.name}, limit", "vo.limit")
    if vo.limit is not None and vo.room is not None:
        yield _count("limit", vo.limit, "at once", most, source=source, where=where)
        text = f"pilots of {vo.name} wait or run"
        yield _count("has", vo.limit - vo.room, text, most, sign="−", where=where)
    if "room" in limits:
        text = "more fit under its limit"
        yield _count(
            "room of the VO", limits["room"], text, most, sign="≤", source=source, where=where
        )
    else:
        yield LedgerRow(
            key="no limit",
            number=ANY,
            text="no limit",
            sign="≤",
            source=f"{source}: none is set",
            where=where,
        )
    if "closed" in limits:
        yield _count("closed", 0, str(case.vo.closed), most, sign="≤", where=where)
    if "need" in case.decision.trace:
        text = f"for all CEs together: {_CAPS[cap(case)]}"
        yield _count("need", need(case), text, most, sign="=", is_sum=True)


_CAPS = {
    "budget": "the budget decides",
    "demand": "the demand decides",
    "room": "the limit decides",
    "closed": "nothing may be sent",
}


def _open(case: DecisionFacts, now: PlaceSettings) -> Iterator[LedgerRow]:
    if case.vo.closed:
        where = ("vos", case.vo.name)
        text, source = str(case.vo.closed), f"VO {case.vo.name}"
        yield LedgerRow(key="vo open", number="no", text=text, source=source, where=where)
    if case.ce.closed:
        where = ("ces", case.ce.name)
        text, source = str(case.ce.closed), f"CE {case.ce.name}"
        yield LedgerRow(key="ce open", number="no", text=text, source=source, where=where)
    if not (case.vo.closed or case.ce.closed):
        text = "both are enabled, nobody holds it, and it answers"
        source, where = f"CE {case.ce.name}, its calls", ("ces", case.ce.name)
        if now.answered_at is not None:
            source += f": it answered last at {now.answered_at:%H:%M:%S}"
        yield LedgerRow(key="open", number="yes", text=text, source=source, where=where)


def _fit(case: DecisionFacts, now: PlaceSettings, most: int) -> Iterator[LedgerRow]:
    ce, where = case.ce, ("ces", case.ce.name)
    is_set_so = fits(case, now) == max(0, ce.free)
    if is_set_so:
        source = now.source(f"CE {ce.name}, capacity", "ce.capacity")
        yield _count("capacity", now.capacity, "slots", most, source=source, where=where)
    text = f"slots are taken, {words.number(ce.vo_occupying)} by {case.vo.name}"
    source = "" if is_set_so else f"the settings of CE {ce.name} were others then"
    number = words.number(ce.occupying)
    sign = "−" if is_set_so else ""
    yield LedgerRow(
        key="occupying", number=number, sign=sign, text=text, source=source, where=where
    )
    yield (
        _queue(case, now, most)
        if is_set_so and now.waiting_limit is not None
        else LedgerRow(
            key="waiting here",
            number=words.number(ce.waiting),
            text=f"of them wait in its queue, {words.number(ce.vo_waiting)} of {case.vo.name}",
            source=f"CE {ce.name}, waiting limit: none is set" if is_set_so else "",
            where=where,
        )
    )
    yield _count("free", ce.free, "more fit", most, sign="=", is_sum=True)
    if "drain" in case.decision.trace:
        drained = words.number(case.decision.trace["drain"])
        text = f"more, so that no more wait than the {drained} that began in the last hour"
        source = "its oldest pilot waits too long: parameter drain_after"
        yield _count("room", room(case), text, most, sign="≤", source=source)


def _queue(case: DecisionFacts, now: PlaceSettings, most: int) -> LedgerRow:
    limit, waiting = now.waiting_limit or 0, words.number(case.ce.waiting)
    own = f"{words.number(case.ce.vo_waiting)} of {case.vo.name}"
    decides = "; it decides" if limit_decides(case, now) else ""
    return _count(
        "queue",
        limit - case.ce.waiting,
        f"places in its queue: {waiting} wait, {own}",
        most,
        sign="≤",
        source=now.source(
            f"CE {case.ce.name}, waiting limit: {words.number(limit)}{decides}",
            "ce.waiting_limit",
        ),
        where=("ces", case.ce.name),
    )


def _good(case: DecisionFacts, now: PlaceSettings) -> Iterator[LedgerRow]:
    where = ("ces", case.ce.name)
    source = now.source(f"CE {case.ce.name}, success rate as it is set", "ce.success_rate")
    if case.ce.chances is None or case.ce.success_rate <= 0:
        text = "success rate, for nothing is learnt yet"
        yield _chance("success rate", case.ce.success_rate, text, source=source, where=where)
    else:
        for number, (name, text) in enumerate(_CHANCES.items()):
            yield _chance(
                name,
                getattr(case.ce.chances, name),
                text,
                sign="×" if number else "",
                source=_learnt_from(case, name),
                where=where,
            )
    trace = case.decision.trace
    if "chance" in trace and "value" in trace:
        hours = f"a pilot of one hour is worth {_minus(trace['value'])} h"
        source = "below 0: probes only" if trace["value"] < 0 else "its value less what fails costs"
        yield _chance(
            "chance", trace["chance"], f"chance; {hours}", sign="=", is_sum=True, source=source
        )


def _learnt_from(case: DecisionFacts, step: str) -> str:
    """Write how many outcomes a chance was learnt from."""
    if case.ce.outcomes is None:
        return "learnt from what its pilots did lately"
    good, bad = getattr(case.ce.outcomes, step)
    if not good and not bad:
        return "the configured success rate, and what was learnt long ago: none lately"
    return f"learnt lately from {words.number(good)} good and {words.number(bad)} bad"


_CHANCES = {
    "accept": "it accepts a pilot",
    "start": "the pilot starts, and lives for some minutes",
    "finish": "it ends well",
}


def _minus(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _chance(key: str, value: float, text: str, **more: Any) -> LedgerRow:
    return LedgerRow(
        key=key, number=words.chance(value), text=text, part=min(1.0, max(0, value)), **more
    )


def _probes(case: DecisionFacts) -> Iterator[LedgerRow]:
    every, due = case.decision.trace.get("probe_every"), next_probe(case)
    if every is None or due is None:
        return
    if case.ce.pause:
        paused = words.length(case.decision.at - case.ce.pause.since)
        source, where = f"paused since {case.ce.pause.since:%d %b %H:%M:%S}", ("ces", case.ce.name)
        yield LedgerRow(
            key="pause", number=paused, text=case.ce.pause.reason, source=source, where=where
        )
    yield LedgerRow(
        key="every",
        number=words.length(every),
        text="between two probes",
        source="parameters probe_part, probe_soonest and probe_latest",
    )
    sent = case.ce.last_sent_at
    last = f"a pilot was sent last at {sent:%H:%M:%S}" if sent else "none was sent yet"
    if case.decision.granted:
        yield LedgerRow(key="probe", number="1", text="probe is sent now", sign="=", source=last)
    else:
        text = "the next probe" if due > case.decision.at else "a probe is due when one is needed"
        yield LedgerRow(key="probe", number=f"{due:%H:%M}", text=text, sign="=", source=last)


def _shared(
    case: DecisionFacts, tick: Sequence[DecisionFacts], now: PlaceSettings, most: int
) -> Iterator[LedgerRow]:
    trace = case.decision.trace
    if "better" in trace:
        text = "better CEs have slots for all that is needed: finite work waits for one of them"
        source = "parameter better_part"
        yield LedgerRow(
            key="better", number=words.number(trace["better"]), text=text, source=source
        )
    if "share" in trace:
        text = f"more is the share of {case.vo.name}, where other VOs want the same slots"
        source = now.source(f"VO {case.vo.name}, share {case.vo.share:g}", "vo.share")
        where = ("vos", case.vo.name)
        yield _count("share", trace["share"], text, most, sign="≤", source=source, where=where)
    if "weight" in trace:
        yield from _by_weight(case, tick, most)
    if kind_of(case) is ReasonKind.OTHER:
        yield LedgerRow(
            key="policy",
            number=words.number(case.decision.granted),
            text=case.decision.reason,
            source=f"policy {trace.get('policy', 'unknown')}",
        )
    free = were_free(case)
    if free is not None:
        text = f"of {words.number(free[1])} slots were still free when they were taken"
        source = "another VO was quicker"
        yield _count("still free", free[0], text, most, sign="≤", source=source)


def _by_weight(
    case: DecisionFacts, tick: Sequence[DecisionFacts], most: int
) -> Iterator[LedgerRow]:
    weight = case.decision.trace["weight"]
    text = "weight: how many fit, times the chance to the power of the preference"
    yield LedgerRow(key="weight", number=f"{weight:,.3g}", text=text, source="parameter preference")
    weights = sum(float(other.decision.trace.get("weight", 0)) for other in tick)
    yield LedgerRow(
        key="weights",
        number=f"{weights:,.3g}",
        sign="÷",
        text="weights of all CEs that get pilots",
        source="the table of this tick below",
    )
    text = "its part in whole pilots; the rest goes to the largest remainders"
    yield _count("part", case.decision.granted, text, most, sign="=", is_sum=True)


def conditions(case: DecisionFacts) -> list[SendingCondition]:
    """Return what must hold for a CE to get pilots, in order; the first that fails is marked."""
    made: list[SendingCondition] = []
    failed = False
    for text, holds, why, where in _conditions(case):
        made.append(
            SendingCondition(
                text=text,
                holds=None if failed else holds,
                why="" if holds or failed else why,
                where=where,
                is_marked=not holds and not failed,
            )
        )
        failed = failed or not holds
    return made


Checked = tuple[str, bool, str, tuple[str, ...]]


def _conditions(case: DecisionFacts) -> Iterator[Checked]:
    vo, ce = ("vos", case.vo.name), ("ces", case.ce.name)
    yield f"{case.vo.name} is enabled and not draining", not case.vo.closed, str(case.vo.closed), vo
    yield from _of_the_ce(case, ce)
    if is_ours(case):
        yield "its success rate is above 0", case.ce.success_rate > 0, "it is set to 0", ce
    waiting = words.number(case.ce.waiting)
    taken = f"{words.number(case.ce.occupying)} are taken, {waiting} of them wait"
    yield "a slot is free, and its queue has a place", case.ce.free > 0, taken, ce
    if were_free(case) is not None:
        yield "the slots are still free when they are taken", False, "another VO was quicker", ()
    elif is_ours(case):
        yield from _of_the_policy(case)
    else:
        yield "the policy gives it pilots", False, case.decision.reason, ()


def _of_the_policy(case: DecisionFacts) -> Iterator[Checked]:
    vo, ce, trace = ("vos", case.vo.name), ("ces", case.ce.name), case.decision.trace
    reason = case.ce.pause.reason if case.ce.pause else ""
    yield "it is not paused", case.ce.pause is None, reason, ce
    value = trace.get("value", 0)
    yield "its pilots are worth their price", value >= 0, f"an hour is worth {_minus(value)} h", ce
    text = f"better CEs have no slots for all that {case.vo.name} needs"
    yield text, "better" not in trace, f"{trace.get('better')} of them do", ()
    slow = f"no more than the {words.number(case.ce.drained)} that began lately may wait"
    yield "its queue moves", room(case) > 0, slow, ce
    yield f"{case.vo.name} needs pilots", need(case) > 0, _CAPS[cap(case)], vo
    allowed = trace.get("share", 1) > 0
    yield f"the share of {case.vo.name} allows more", allowed, "other VOs want the slots", vo
    yield "its part is a whole pilot", False, "others have a better chance or more room", ()


_ORDER = (
    ("the CE is disabled", "it is enabled"),
    ("the CE is draining", "it is not draining"),
    ("held by hand", "nobody holds it"),
    ("in maintenance", "it is not in maintenance"),
    ("the CE is for other VOs", "it is open to this VO"),
    ("", "the credential for it is valid"),
    ("no answer", "it answers"),
    ("calls refused", "it accepts calls"),
)
"""How each reason begins for which a CE is closed, and what holds without it, in order."""


def _of_the_ce(case: DecisionFacts, where: tuple[str, ...]) -> Iterator[Checked]:
    closed = case.ce.closed
    sentences = [begins for begins, _ in _ORDER if begins]
    # A sentence that begins in no known way is that of a credential.
    begin = next((begins for begins in sentences if closed and closed.startswith(begins)), "")
    for begins, text in _ORDER:
        yield text, closed is None or begins != begin, str(closed), where
