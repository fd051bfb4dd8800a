"""Rows of the ledger about a CE: whether it may get pilots, how many fit, and how good it is."""

from collections.abc import Iterator

from worker.services.observe.cycles import DecisionFacts
from worker.web.console import words
from worker.web.console.explain.kinds import next_probe, room
from worker.web.console.explain.ledger_rows import LedgerRow, chance_row, count, minus
from worker.web.console.explain.place_settings import PlaceSettings, fits, limit_decides


def open_rows(case: DecisionFacts, settings: PlaceSettings) -> Iterator[LedgerRow]:
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
        if settings.answered_at is not None:
            source += f": it answered last at {settings.answered_at:%H:%M:%S}"
        yield LedgerRow(key="open", number="yes", text=text, source=source, where=where)


def fitting(case: DecisionFacts, settings: PlaceSettings, most: int) -> Iterator[LedgerRow]:
    ce, where = case.ce, ("ces", case.ce.name)
    is_set_so = fits(case, settings) == max(0, ce.free)
    if is_set_so:
        source = settings.source(f"CE {ce.name}, capacity", "ce.capacity")
        yield count("capacity", settings.capacity, "slots", most, source=source, where=where)
    text = f"slots are taken, {words.number(ce.vo_occupying)} by {case.vo.name}"
    source = "" if is_set_so else f"CE {ce.name} had other settings then"
    number = words.number(ce.occupying)
    sign = "−" if is_set_so else ""
    yield LedgerRow(
        key="occupying", number=number, sign=sign, text=text, source=source, where=where
    )
    yield (
        _queue(case, settings, most)
        if is_set_so and settings.waiting_limit is not None
        else LedgerRow(
            key="waiting here",
            number=words.number(ce.waiting),
            text=f"of them wait in its queue, {words.number(ce.vo_waiting)} of {case.vo.name}",
            source=f"CE {ce.name}, waiting limit: none is set" if is_set_so else "",
            where=where,
        )
    )
    if ce.trial:
        text = f"are tried, because it refused pilots of {case.vo.name} lately"
        yield count("trial", ce.free, text, most, sign="≤", source="on trial", where=where)
    yield count("free", ce.free, "more fit", most, sign="=", is_sum=True)
    if "drain" in case.decision.trace:
        drained = words.number(case.decision.trace["drain"])
        text = f"more fit, so that at most {drained} wait: as many as began in the last hour"
        source = "its oldest pilot waits too long: parameter drain_after"
        yield count("room", room(case), text, most, sign="≤", source=source)


def _queue(case: DecisionFacts, settings: PlaceSettings, most: int) -> LedgerRow:
    limit, waiting = settings.waiting_limit or 0, words.number(case.ce.waiting)
    own = f"{words.number(case.ce.vo_waiting)} of {case.vo.name}"
    decides = "; it decides" if limit_decides(case, settings) else ""
    return count(
        "queue",
        limit - case.ce.waiting,
        f"places in its queue: {waiting} wait, {own}",
        most,
        sign="≤",
        source=settings.source(
            f"CE {case.ce.name}, waiting limit: {words.number(limit)}{decides}",
            "ce.waiting_limit",
        ),
        where=("ces", case.ce.name),
    )


def quality(case: DecisionFacts, settings: PlaceSettings) -> Iterator[LedgerRow]:
    where = ("ces", case.ce.name)
    source = settings.source(f"CE {case.ce.name}, configured success rate", "ce.success_rate")
    if case.ce.chances is None or case.ce.success_rate <= 0:
        text = "success rate, because nothing is learnt yet"
        yield chance_row("success rate", case.ce.success_rate, text, source=source, where=where)
    else:
        for number, (name, text) in enumerate(_CHANCES.items()):
            yield chance_row(
                name,
                getattr(case.ce.chances, name),
                text,
                sign="×" if number else "",
                source=_learnt_from(case, name),
                where=where,
            )
    trace = case.decision.trace
    if "chance" in trace and "value" in trace:
        hours = f"a pilot of one hour is worth {minus(trace['value'])} h"
        source = (
            "below 0: probes only" if trace["value"] < 0 else "its value less the cost of failures"
        )
        yield chance_row(
            "chance", trace["chance"], f"chance; {hours}", sign="=", is_sum=True, source=source
        )


def _learnt_from(case: DecisionFacts, step: str) -> str:
    """Write from how many outcomes a chance was learnt."""
    if case.ce.outcomes is None:
        return "learnt from its latest pilots"
    good, bad = getattr(case.ce.outcomes, step)
    if not good and not bad:
        return "from the configured success rate and old pilots: there are no recent ones"
    return f"learnt from recent pilots: {words.number(good)} good, {words.number(bad)} bad"


_CHANCES = {
    "accept": "it accepts a pilot",
    "start": "the pilot starts, and lives for some minutes",
    "finish": "it ends well",
}


def probes(case: DecisionFacts) -> Iterator[LedgerRow]:
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
    at = case.ce.last_sent_at
    last = f"the last pilot got its slot at {at:%H:%M:%S}" if at else "none got a slot yet"
    if case.decision.granted:
        yield LedgerRow(key="probe", number="1", text="probe is sent now", sign="=", source=last)
    else:
        text = "the next probe" if due > case.decision.at else "a probe is due when one is needed"
        yield LedgerRow(key="probe", number=f"{due:%H:%M}", text=text, sign="=", source=last)
