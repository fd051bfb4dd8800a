"""The current demand of a VO: the set or answered number, less its pilots, within bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from worker.db import demands, pilot_reads, slots, totals
from worker.db.demands import Answer
from worker.db.uow import Transaction
from worker.demand import registry
from worker.demand.contract import Source, SourceOptions, Unknown
from worker.domain.demand import (
    NONE_ENDED,
    NOTHING_HELD,
    BatchProgress,
    DemandCounts,
    EndedPilots,
    HeldTotal,
    count,
    total_of,
)
from worker.domain.errors import Invalid
from worker.domain.vo import VO


@dataclass(frozen=True, kw_only=True)
class CurrentDemand:
    """The demand that counts now, and how it was computed if it was not set."""

    demand: int | None
    note: str | None = None
    certain: bool = True
    answered: int | None = None
    """The number before the VO's pilots were subtracted, where the number counts all pilots."""
    wanted: int | None = None
    """How many pilots are wanted in all, where the number counts all pilots."""
    has: int | None = None
    """How many pilots were subtracted: those that wait or run."""


Pilots = tuple[int, int]
"""How many pilots of a VO occupy a slot, and how many of them wait."""
NO_PILOTS: Pilots = (0, 0)


@dataclass(frozen=True, kw_only=True)
class DemandFacts:
    """The facts from which the demand of each VO is computed, by the VO's name."""

    answers: Mapping[str, Answer]
    counts: Mapping[str, Pilots]
    ended: Mapping[str, EndedPilots]

    @classmethod
    def read(cls, tx: Transaction, owners: Iterable[VO]) -> Self:
        """Read the facts of these VOs."""
        answers, counts = demands.get_all(tx), slots.count_by_vo(tx)
        return cls(answers=answers, counts=counts, ended=ended_pilots(tx, owners, answers))

    def answer_of(self, vo: VO) -> Answer:
        """Return the last answer of the source of a VO."""
        return self.answers.get(vo.name, demands.NONE)

    def pilots_of(self, vo: VO) -> Pilots:
        """Return how many pilots of a VO occupy a slot, and how many of them wait."""
        return self.counts.get(vo.name, NO_PILOTS)

    def of(self, vo: VO, now: datetime) -> CurrentDemand:
        """Return the demand of a VO that counts now."""
        ended = self.ended.get(vo.name, NONE_ENDED)
        return current_demand(vo, self.answer_of(vo), now, self.pilots_of(vo), ended)


def ended_pilots(
    tx: Transaction, owners: Iterable[VO], answers: Mapping[str, Answer]
) -> dict[str, EndedPilots]:
    """Count the ended pilots of each VO whose source counts these too; other VOs are left out.

    Read this after the pilots that wait and run: a pilot that ends in between is then counted
    twice, but is never missed.
    """
    owners = tuple(owners)
    counting = [vo.id for vo in owners if counts_ever(vo)]
    ended = totals.ended_of_vos(tx, counting) if counting else {}
    since = {
        vo.id: _asked_at(vo, answers[vo.name])
        for vo in owners
        if _counts_jobs(vo) and answers.get(vo.name, demands.NONE).answered_at is not None
    }
    if since:
        later = pilot_reads.ended_since(tx, since)
        ended |= {name: EndedPilots(since=number) for name, number in later.items()}
    return ended


def _asked_at(vo: VO, answer: Answer) -> datetime:
    """Return a moment before which the last answer was surely not given."""
    asked_at, answered_at = answer.asked_at, answer.answered_at
    if asked_at is None or answered_at is None:
        raise AssertionError(f"the source of VO {vo.name} has not answered")
    if asked_at <= answered_at:
        return asked_at
    # The source was asked again since that answer, and gave none.
    options = _options_of(vo)
    # Without options nothing is sent, whatever this moment is.
    return answered_at - timedelta(seconds=options.timeout if options else 0)


def unusable_source(vo: VO) -> str | None:
    """Return why the source of a VO cannot be used, or `None`.

    Its kind may not be installed on this host, or may no longer accept an option. This is a problem
    of this VO alone: whatever reads the demands of several VOs goes on.
    """
    checked = None if vo.source is None else _check(vo.source)
    return checked if isinstance(checked, str) else None


def _check(source: Mapping[str, Any]) -> tuple[Source, SourceOptions] | str:
    """Return a source and its options, or why it cannot be used."""
    try:
        return registry.check(source)
    except Invalid as error:
        return ": ".join(map(str, error.details))


def _options_of(vo: VO) -> SourceOptions | None:
    """Return the options of the source of a VO; `None` if there is none that can be used."""
    checked = None if vo.source is None else _check(vo.source)
    return None if checked is None or isinstance(checked, str) else checked[1]


def _counts_jobs(vo: VO) -> bool:
    return _how_it_counts(vo) is DemandCounts.JOBS


def _how_it_counts(vo: VO) -> DemandCounts | None:
    """Return how the source of a VO counts; `None` without a source or if it is not installed."""
    return None if vo.source is None else registry.counts(vo.source)


def counts_ever(vo: VO) -> bool:
    """Return whether the source of a VO also counts pilots that have ended."""
    return _how_it_counts(vo) is DemandCounts.EVER


def batch_of(vo: VO, answer: Answer, ended: EndedPilots) -> BatchProgress | None:
    """Return how far a VO is with its total number of pilots; `None` if its source gives none."""
    if vo.source is None or answer.demand is None or not counts_ever(vo):
        return None
    options = _options_of(vo)
    if options is None:
        return None
    return BatchProgress(number=answer.demand, ended=ended, most_failed=options.most_failed)


def current_demand(
    vo: VO, answer: Answer, now: datetime, pilots: Pilots, ended: EndedPilots
) -> CurrentDemand:
    """Return the demand that counts now: that of the VO itself, or the answer of its source."""
    if vo.source is None:
        return _counted(vo, vo.demand, DemandCounts.MORE, pilots)
    checked = _check(vo.source)
    if isinstance(checked, str):
        why = f"the source of VO {vo.name} cannot be used: {checked}"
        return _not_known(vo, why, pilots, Unknown.HOLD, 0)
    source, options = checked
    age = None if answer.answered_at is None else now - answer.answered_at
    if answer.demand is not None and age is not None and age <= timedelta(seconds=options.keep):
        batch = batch_of(vo, answer, ended)
        if batch is not None:
            counted = _counted(vo, batch.left, DemandCounts.TOTAL, pilots, note=batch.words)
            return replace(counted, answered=answer.demand)
        line = f"{source.name} answered {answer.demand} {age.total_seconds():.0f} s ago"
        if options.counts is DemandCounts.JOBS:
            jobs = max(0, answer.demand - ended.since)
            note = f"{line}; {ended.since} pilots ended since"
            counted = _counted(vo, jobs, DemandCounts.TOTAL, pilots, note=note)
            return replace(counted, answered=answer.demand)
        delay = vo.scale_down_delay
        held = None if delay is None else answer.held_total.at(now, delay).held
        return _counted(vo, answer.demand, options.counts, pilots, note=line, held=held)
    since = "never" if answer.answered_at is None else f"last at {answer.answered_at:%H:%M:%S}Z"
    why = f"{source.name} answered {since}"
    if answer.problem:
        why += f" ({answer.problem})"
    demand = {Unknown.HOLD: 0, Unknown.TRICKLE: options.trickle, Unknown.FILL: None}
    return _not_known(vo, why, pilots, options.unknown, demand[options.unknown])


def _not_known(
    vo: VO, why: str, pilots: Pilots, rule: Unknown, number: int | None
) -> CurrentDemand:
    note = f"demand unknown: {why}; the rule is {rule}"
    counted = _counted(vo, number, DemandCounts.MORE, pilots, note=note)
    return replace(counted, certain=False)


def _counted(
    vo: VO,
    number: int | None,
    counts: DemandCounts,
    pilots: Pilots,
    *,
    note: str | None = None,
    held: int | None = None,
) -> CurrentDemand:
    occupying, waiting = pilots
    made = count(number, counts, occupying=occupying, waiting=waiting, bounds=vo.bounds, held=held)
    notes = [text for text in (note, made.words) if text is not None]
    return CurrentDemand(
        demand=made.demand,
        note="; ".join(notes) or None,
        answered=number if made.wanted is not None else None,
        wanted=made.wanted,
        has=made.has,
    )


def held_total(
    tx: Transaction,
    vo: VO,
    source: Mapping[str, Any],
    demand: int,
    before: HeldTotal,
    now: datetime,
) -> HeldTotal:
    """Return the total to hold from now on; nothing is held if the VO has no delay."""
    if vo.scale_down_delay is None or counts_ever(vo) or _counts_jobs(vo):
        return NOTHING_HELD
    counts = registry.check(source)[1].counts
    occupying, waiting = slots.count_by_vo(tx).get(vo.name, NO_PILOTS)
    total = total_of(demand, counts, occupying - waiting)
    return before.after(total, now, vo.scale_down_delay)
