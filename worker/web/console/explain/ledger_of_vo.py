"""Rows of the ledger about a VO: how many pilots it needs, and how many it may get."""

from collections.abc import Iterator, Sequence

from worker.services.observe.cycles import DecisionFacts
from worker.web.console import words
from worker.web.console.explain.kinds import cap, caps, need
from worker.web.console.explain.ledger_rows import ANY, CAPS, LedgerRow, count
from worker.web.console.explain.place_settings import PlaceSettings


def needed(
    case: DecisionFacts, tick: Sequence[DecisionFacts], settings: PlaceSettings, most: int
) -> Iterator[LedgerRow]:
    where, source = ("vos", case.vo.name), _of_the_demand(case, settings)
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
    text = "pilots are wanted, waiting ones included"
    yield count("asked for", case.vo.demand, text, most, source=source, where=where)
    waiting = sum(other.ce.vo_waiting for other in tick)
    if waiting:
        worth = sum(_worth(other) for other in tick)
        yield LedgerRow(
            key="waiting",
            number=f"{worth:.1f}",
            sign="−",
            text=f"of {words.number(waiting)} waiting pilots are expected to end well",
            source="each counts with the chance of its CE; at a paused CE it counts 0",
            part=min(1.0, worth / most),
        )
    if "demand" in caps(case):
        yield count("demand", caps(case)["demand"], "still needed", most, sign="=", is_sum=True)


def _counts_all(case: DecisionFacts, wanted: int) -> bool:
    """Return whether the need is the total that is wanted, less the pilots that exist."""
    return caps(case).get("demand") == max(0, wanted - (case.vo.has or 0))


def _in_all(case: DecisionFacts, wanted: int, source: str, most: int) -> Iterator[LedgerRow]:
    """Write how many pilots are wanted in all, and how many of them exist."""
    where, has, answered = ("vos", case.vo.name), case.vo.has or 0, case.vo.answered
    left = caps(case)["demand"]
    if answered is not None and answered != wanted:
        text = "was the answer of the source, before pilots were counted"
        yield count("answered", answered, text, most, where=where)
    text = f"pilots are wanted in all, so {words.number(left)} more"
    yield count("asked for", wanted, text, most, source=source, where=where)
    yield count(
        "counted off", has, f"pilots of {case.vo.name} wait or run", most, sign="−", where=where
    )
    yield count("demand", left, "still needed", most, sign="=", is_sum=True)


def _of_the_demand(case: DecisionFacts, settings: PlaceSettings) -> str:
    """Write who set the demand of a VO, or when its source was asked and answered."""
    vo = case.vo
    if vo.asked_at is None:
        note = vo.note or ("none is set" if vo.demand is None else "as it is set")
        return settings.source(f"VO {vo.name}, demand: {note}", "vo.demand")
    source = f"VO {vo.name}, demand: {vo.note}; asked at {vo.asked_at:%H:%M:%S}"
    if vo.answered_at is None or vo.answered_at < vo.asked_at:
        return f"{source}, without an answer"
    return f"{source}, answered in {words.seconds((vo.answered_at - vo.asked_at).total_seconds())}"


def _worth(case: DecisionFacts) -> float:
    chance = float(case.decision.trace.get("chance", 1.0))
    return 0.0 if case.ce.pause is not None else case.ce.vo_waiting * chance


def allowed(case: DecisionFacts, settings: PlaceSettings, most: int) -> Iterator[LedgerRow]:
    where, limits, vo = ("vos", case.vo.name), caps(case), case.vo
    budget = int(case.decision.trace.get("budget", 0))
    source = settings.source(f"VO {vo.name}, budget", "vo.budget")
    if not vo.has_budget:
        source = "the budget of all VOs, or its own"
        if case.ce.capacity is not None:
            source = "the setting budget, for all VOs"
    yield count(
        "budget", budget, "may be added in one tick", most, sign="≤", source=source, where=where
    )
    source = settings.source(f"VO {vo.name}, limit", "vo.limit")
    if vo.limit is not None and vo.room is not None:
        yield count("limit", vo.limit, "at once", most, source=source, where=where)
        text = f"pilots of {vo.name} wait or run"
        yield count("has", vo.limit - vo.room, text, most, sign="−", where=where)
    if "room" in limits:
        text = "more fit under its limit"
        yield count(
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
        yield count("closed", 0, str(case.vo.closed), most, sign="≤", where=where)
    if "need" in case.decision.trace:
        text = f"for all CEs together: {CAPS[cap(case)]}"
        yield count("need", need(case), text, most, sign="=", is_sum=True)
