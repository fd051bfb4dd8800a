"""The default policy, `three_chances`: how many pilots of a VO each CE gets in one tick.

It decides which CEs are usable, how many pilots are needed in all, and which CEs get them. A CE
that is paused, or whose pilots cost more than they are worth, gets only a probe now and then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from math import sqrt
from typing import Any

from worker.domain.decision import Decision
from worker.policy import needed, traces
from worker.policy.facts import CEFacts, Chances, VOFacts
from worker.policy.parameters import DEFAULTS, Parameters
from worker.policy.sharing import entitlement, is_contested, scarce

NO_SLOT = "no free slot"


@dataclass(kw_only=True)
class Line:
    """The numbers of one CE in one tick, from which its decision is made."""

    ce: CEFacts
    chances: Chances
    chance: float
    value: float
    probes: timedelta | None = None
    """The time between two probes, if the CE gets only probes."""
    barred: str | None = None
    """Why the CE gets nothing at all; `None` if it may get pilots or probes."""
    room: int = 0
    granted: int = 0
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the CE may get pilots other than probes."""
        return self.barred is None and self.probes is None

    @property
    def is_full(self) -> bool:
        """Whether the CE would be usable if it had a free slot."""
        return self.barred == NO_SLOT and self.probes is None


@dataclass(frozen=True, kw_only=True)
class Need:
    """How many pilots a VO gets at most, and the caps that limit this number."""

    caps: Mapping[str, int]
    """The name of each cap, and the number of pilots that it allows."""
    sentences: Mapping[str, str]
    """For each cap, the sentence that is shown if this cap decides."""
    share: int | None
    """The most pilots where other VOs want slots too; `None` is as many as the VO needs."""

    @cached_property
    def all_caps(self) -> Mapping[str, int]:
        return self.caps if self.share is None else {**self.caps, "share": self.share}

    @cached_property
    def count(self) -> int:
        """The least of the caps. The share is not among them: it applies only to CEs where other
        VOs want slots.
        """
        return min(self.caps.values())

    @cached_property
    def reason(self) -> str:
        """The sentence of the cap that decides."""
        return self.sentences[min(self.caps, key=lambda name: self.caps[name])]


def three_chances(
    *,
    now: datetime,
    vo: VOFacts,
    budget: int,
    ces: Sequence[CEFacts],
    parameters: Parameters = DEFAULTS,
) -> list[Decision]:
    """Decide how many pilots of a VO each CE gets; every CE gets a decision."""
    lines = [_line(now, vo, ce, parameters) for ce in sorted(ces, key=lambda ce: ce.name)]
    need = _need(vo, budget, lines)
    _leave_out_the_poor(vo, lines, parameters)
    left = need.count - _probe(now, lines, need.count)
    _share_out(vo, left, need.share, [line for line in lines if line.usable], parameters)
    facts = traces.writer(vo, budget)
    return [
        Decision(
            vo=vo.name,
            ce=line.ce.name,
            at=now,
            granted=line.granted,
            reason=_reason(line, need),
            trace={**facts(line.ce), **_numbers(line, need)},
        )
        for line in lines
    ]


def chances_of(ce: CEFacts) -> Chances:
    """Return the chances learnt of a CE, or those of its configured success rate."""
    if ce.chances is not None:
        return ce.chances
    root = sqrt(ce.success_rate)
    return Chances(accept=1.0, start=root, finish=root)


def value_of(chances: Chances, parameters: Parameters = DEFAULTS) -> float:
    """Return the expected worth of a pilot of one hour at a CE, in hours, less the prices."""
    accept, start, finish = chances.accept, chances.start, chances.finish
    good = start * finish
    taken = (
        good - parameters.price_failed * (1 - good) - parameters.price_late * start * (1 - finish)
    )
    return accept * taken - parameters.price_refused * (1 - accept)


def probe_interval(now: datetime, since: datetime, parameters: Parameters = DEFAULTS) -> timedelta:
    """Return the time between two probes of a CE that has been paused since `since`."""
    part = (now - since) / parameters.probe_part
    return min(max(part, parameters.probe_soonest), parameters.probe_latest)


def interval_begin(ce: CEFacts, now: datetime) -> datetime | None:
    """Return when the time to the next probe began: with the pause, or with the last pilot.

    A moment after now comes from a clock that was set back.
    """
    moments = (ce.pause.since if ce.pause else None, ce.last_sent_at)
    return max((one for one in moments if one is not None and one <= now), default=None)


def _line(now: datetime, vo: VOFacts, ce: CEFacts, parameters: Parameters) -> Line:
    chances = chances_of(ce)
    value = value_of(chances, parameters)
    line = Line(ce=ce, chances=chances, chance=chances.all, value=value, room=max(0, ce.free))
    line.barred = vo.closed or ce.closed
    if ce.success_rate <= 0:
        line.barred = line.barred or "success rate 0"
    if line.room == 0:
        line.barred = line.barred or NO_SLOT
    if ce.pause is not None:
        line.probes = probe_interval(now, ce.pause.since, parameters)
    elif value < 0:
        line.probes = parameters.worthless_probe
    elif ce.oldest_waiting_since is not None:
        _drain_limit(line, now, ce.oldest_waiting_since, parameters)
    return line


def _drain_limit(line: Line, now: datetime, oldest: datetime, parameters: Parameters) -> None:
    """Limit a slow queue: no more pilots may wait than began to run in the last hour."""
    if now - oldest > parameters.drain_after:
        line.numbers["drain"] = line.ce.drained
        line.room = min(line.room, max(0, line.ce.drained - line.ce.waiting))


def _need(vo: VOFacts, budget: int, lines: Sequence[Line]) -> Need:
    caps = {"budget": max(0, budget)}
    sentences = {"budget": f"the budget of a tick is {budget}"}
    if vo.closed:
        caps["closed"], sentences["closed"] = 0, vo.closed
    if vo.demand is not None:
        # Pilots that wait at a paused CE are not subtracted: such a CE must not use up the demand.
        worth = sum(line.ce.vo_waiting * line.chance for line in lines if line.ce.pause is None)
        waiting = sum(line.ce.vo_waiting for line in lines)
        caps["demand"], sentences["demand"] = needed.of_demand(vo, vo.demand, waiting, worth)
    if vo.room is not None:
        caps["room"] = max(0, vo.room)
        sentences["room"] = f"the VO's limit leaves room for {caps['room']}"
    share = None
    part = entitlement(vo, [line.ce for line in lines], _usable(lines))
    if part is not None:
        share = max(0, part - sum(line.ce.vo_occupying for line in lines))
    return Need(caps=caps, sentences=sentences, share=share)


def _usable(lines: Iterable[Line]) -> set[str]:
    return {line.ce.name for line in lines if line.usable}


def _probe(now: datetime, lines: Iterable[Line], need: int) -> int:
    """Grant the probes that are due, at most as many as are needed, and return their number."""
    sent = 0
    for line in lines:
        if line.barred is not None or line.probes is None:
            continue
        last = interval_begin(line.ce, now)
        if sent < need and (last is None or now - last >= line.probes):
            line.granted = 1
            sent += 1
    return sent


def _leave_out_the_poor(vo: VOFacts, lines: Sequence[Line], parameters: Parameters) -> None:
    """Give no pilots to poor CEs if the demand is finite and fits the slots of better CEs."""
    open_to_it = [line for line in lines if line.usable or line.is_full]
    if vo.demand is None or not open_to_it:
        return
    enough = parameters.better_part * max(line.value for line in open_to_it)
    better = [line for line in open_to_it if line.value >= enough]
    if vo.demand > sum(line.ce.free + line.ce.vo_occupying for line in better):
        return
    for line in open_to_it:
        if line.value < enough:
            line.numbers["better"] = len(better)
            line.room = 0


def _share_out(
    vo: VOFacts, need: int, share: int | None, lines: Sequence[Line], parameters: Parameters
) -> None:
    """Fill all CEs; if there are not enough pilots, share them out by room and preference."""
    grants = _preferred(need, lines, parameters)
    if share is not None:
        contested = [line for line in lines if is_contested(vo, line.ce)]
        if sum(grants[line.ce.name] for line in contested) > share:
            # Shared out by room alone: the first VO must not take all good slots and leave only
            # the poor ones to the others.
            grants |= _shared(min(need, share), {line.ce.name: line.room for line in contested})
            names = {line.ce.name for line in contested}
            alone = [line for line in lines if line.ce.name not in names]
            grants |= _preferred(need - sum(grants[name] for name in names), alone, parameters)
            for line in contested:
                line.numbers["share"] = share
    for line in lines:
        line.granted = grants[line.ce.name]


def _preferred(need: int, lines: Sequence[Line], parameters: Parameters) -> dict[str, int]:
    best = max((line.chance for line in lines if line.room > 0), default=0.0) or 1.0
    rooms, weights = {}, {}
    for line in lines:
        rooms[line.ce.name] = line.room
        weights[line.ce.name] = line.room * (line.chance / best) ** parameters.preference
    if need < sum(rooms.values()):
        for line in lines:
            line.numbers["weight"] = round(weights[line.ce.name], 6)
    return _shared(need, rooms, weights)


def _shared(
    need: int, rooms: Mapping[str, int], weights: Mapping[str, float] | None = None
) -> dict[str, int]:
    if need >= sum(rooms.values()):
        return dict(rooms)
    return scarce(need, rooms, weights or {name: float(room) for name, room in rooms.items()})


def _reason(line: Line, need: Need) -> str:
    if line.barred is not None:
        return line.barred
    if line.probes is not None:
        return _reason_of_probes(line, need)
    trial = " on trial, as it refused pilots of the VO" if line.ce.trial else ""
    text = f"free {line.ce.free}{trial}{_doubt(line.chances)}"
    if "better" in line.numbers:
        return f"{text}; better CEs have slots for the whole demand"
    if line.granted == line.ce.free:
        return f"{text}; gets all free slots"
    if line.room < line.ce.free and line.granted == line.room:
        began = f"slow queue, {line.ce.drained} pilots began in the last hour"
        return f"{text}; {began}: gets {line.granted}"
    if need.count == 0:
        return f"{text}; nothing needed: {need.reason}"
    if "share" in line.numbers:
        return f"{text}; gets {line.granted}: the VO's share allows {need.share} more"
    return f"{text}; gets {line.granted} of {need.count} ({need.reason})"


def _reason_of_probes(line: Line, need: Need) -> str:
    minutes = f"{line.probes.total_seconds() / 60:.0f} min" if line.probes else ""
    if line.ce.pause is not None:
        text = f"PAUSED: {line.ce.pause.reason}; probe every {minutes}"
    else:
        text = f"{chances_in_words(line.chances)}: worth {line.value:.2f} h; probe every {minutes}"
    if line.granted:
        return f"{text}: gets one now"
    return f"{text}; nothing needed: {need.reason}" if need.count == 0 else text


def _doubt(chances: Chances) -> str:
    """Return the chances, unless every pilot is expected to end well."""
    words = chances_in_words(chances)
    return "" if words.endswith("= 1.00") else f"; {words}"


def chances_in_words(chances: Chances) -> str:
    """Return three chances and their product in words."""
    return (
        f"accept {chances.accept:.2f} x start {chances.start:.2f} x finish {chances.finish:.2f}"
        f" = {chances.all:.2f}"
    )


def _numbers(line: Line, need: Need) -> dict[str, Any]:
    """Return the numbers behind a decision, for its trace."""
    numbers = {
        "policy": "three_chances",
        "chance": round(line.chance, 6),
        "value": round(line.value, 6),
        "need": need.count,
        "caps": need.all_caps,
        **line.numbers,
    }
    if line.probes is not None:
        numbers["probe_every"] = line.probes.total_seconds()
    return numbers
