"""Work of the VOs: what is learnt from new outcomes, and the rules for the use of an end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from worker.db import pilot_reports, work
from worker.db.uow import Transaction
from worker.db.work import NOTHING_KNOWN, WorkRecord
from worker.domain.pilot import AnyPilot, ExitMeaning, Move, Status
from worker.policy.outcomes import Event
from worker.policy.parameters import Parameters
from worker.policy.use import NO_RULES, UseRules, with_report
from worker.policy.work import WINDOW, Cohort, NoWork, Usual, Verdicts, counted, judge, merged

Taught = tuple[str, str, Event]
"""A VO, a CE, and what happened to a pilot."""


@dataclass(frozen=True, kw_only=True)
class WorkLesson:
    """What some outcomes show about the work of the VOs."""

    cohorts: Sequence[Cohort]
    records: Mapping[str, WorkRecord]
    """The records that change, by VO."""
    verdicts: Verdicts
    lines: tuple[str, ...] = ()


def rules(tx: Transaction, parameters: Parameters) -> dict[str, UseRules]:
    """Return the rules of each VO: from its payload, and from what its pilots have shown."""
    return rules_of(work.get_all(tx), parameters)


def rules_of(records: Mapping[str, WorkRecord], parameters: Parameters) -> dict[str, UseRules]:
    """Return the rules of each VO from the records of its work."""
    return {vo: _rules(record, parameters) for vo, record in records.items()}


def judged_by_reports(
    tx: Transaction,
    moves: Sequence[Move],
    pilots: Iterable[AnyPilot],
    rules: Mapping[str, UseRules],
) -> Sequence[Move]:
    """Return these moves; a good end gets the use that its pilot reported, where it may report."""
    by_id = {pilot.id: rules.get(pilot.vo, NO_RULES) for pilot in pilots}
    ended = [move.pilot_id for move in moves if move.to is Status.DONE]
    reporting = [number for number in ended if by_id[number].reports]
    if not reporting:
        return moves
    reports = pilot_reports.of_pilots(tx, reporting)
    return [with_report(move, by_id[move.pilot_id], reports.get(move.pilot_id)) for move in moves]


def lesson(
    tx: Transaction,
    records: Mapping[str, WorkRecord],
    taught: Sequence[Taught],
    reported: Sequence[Taught],
    now: datetime,
    parameters: Parameters,
) -> WorkLesson:
    """Return what new outcomes show, together with the stored records; nothing is stored.

    `taught` does not depend on pilot reports. `reported` has the same events as the pilots reported
    them, for the VOs whose pilots report; it counts only for the work of their own VO.
    """
    cohorts = [
        *(
            Cohort(*one[:3], served=one.served) if records[one.vo].reports else one
            for one in _cohorts(taught, records, parameters)
        ),
        *(one._replace(served=0) for one in _cohorts(reported, records, parameters)),
    ]
    lives: dict[str, Usual] = {}
    for vo, _, event in taught:
        if vo not in lives:
            lives[vo] = Usual(records[vo].lives, parameters, now)
        lives[vo].add(event)
    verdicts = judge(merged([*work.cohorts(tx), *cohorts]), now, parameters)
    changes, lines = {}, []
    for vo in sorted(lives.keys() | records.keys() | verdicts.without_work.keys()):
        before = records.get(vo, NOTHING_KNOWN)
        missing = _since_it_began(before.without_work, verdicts.without_work.get(vo))
        usual = lives[vo].stored() if vo in lives else before.lives
        after = replace(before, lives=usual, without_work=missing)
        if after != before:
            changes[vo] = after
        if (missing is None) != (before.without_work is None):
            lines.append(f"VO {vo}: {missing.reason if missing else 'its pilots find work again'}")
    return WorkLesson(
        cohorts=merged(cohorts), records=changes, verdicts=verdicts, lines=tuple(lines)
    )


def _cohorts(
    taught: Iterable[Taught], records: Mapping[str, WorkRecord], parameters: Parameters
) -> Iterator[Cohort]:
    for vo, ce, event in taught:
        useful_after = records[vo].useful_after or 0
        late = useful_after > parameters.survival.total_seconds()
        cohort = counted(vo, ce, event, known_at_start=not late)
        if cohort is not None:
            yield cohort


def save(tx: Transaction, learnt: WorkLesson, now: datetime) -> None:
    """Store what was learnt, and delete what is too old to be compared."""
    work.count(tx, learnt.cohorts)
    work.forget(tx, now - WINDOW, now + WINDOW)
    work.save(tx, learnt.records)


def _since_it_began(before: NoWork | None, missing: NoWork | None) -> NoWork | None:
    """Keep the first moment of being without work: later judgements see only later outcomes."""
    if before is None or missing is None:
        return missing
    return replace(missing, since=min(before.since, missing.since))


def _rules(record: WorkRecord, parameters: Parameters) -> UseRules:
    codes = (record.exit_codes or {}).items()
    if record.useful_after is None:
        useful_after = Usual(record.lives, parameters).useful_after
    else:
        useful_after = timedelta(seconds=record.useful_after)
    return UseRules(
        exit_codes={int(code): ExitMeaning(word) for code, word in codes},
        useful_after=useful_after,
        reports=record.reports,
    )
