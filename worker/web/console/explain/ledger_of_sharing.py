"""Rows of the ledger about how pilots are shared out among CEs and VOs."""

from collections.abc import Iterator, Sequence

from worker.services.observe.cycles import DecisionFacts
from worker.web.console import words
from worker.web.console.explain.kinds import ReasonKind, kind_of, were_free
from worker.web.console.explain.ledger_rows import LedgerRow, count
from worker.web.console.explain.place_settings import PlaceSettings


def shared(
    case: DecisionFacts, tick: Sequence[DecisionFacts], settings: PlaceSettings, most: int
) -> Iterator[LedgerRow]:
    trace = case.decision.trace
    if "better" in trace:
        text = "better CEs have slots for the whole demand, so the pilots wait for those"
        source = "parameter better_part"
        yield LedgerRow(
            key="better", number=words.number(trace["better"]), text=text, source=source
        )
    if "share" in trace:
        text = f"more are allowed by the share of {case.vo.name}: other VOs want the same slots"
        source = settings.source(f"VO {case.vo.name}, share {case.vo.share:g}", "vo.share")
        where = ("vos", case.vo.name)
        yield count("share", trace["share"], text, most, sign="≤", source=source, where=where)
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
        text = f"of {words.number(free[1])} slots were still free when they were reserved"
        source = "others took slots, or the CE or VO was closed"
        yield count("still free", free[0], text, most, sign="≤", source=source)


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
    yield count("part", case.decision.granted, text, most, sign="=", is_sum=True)
