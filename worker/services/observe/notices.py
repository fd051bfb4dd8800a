"""Notices for the operator: full disks, standstills, silent CEs, refusals, expiring credentials."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from worker.domain.credential import State
from worker.domain.lengths import in_two_units
from worker.domain.pilot import Status
from worker.services import standstill
from worker.services.ce_lines import DISABLED
from worker.services.credentials import CredentialStanding
from worker.services.observe import use
from worker.services.observe.failing import Ends
from worker.services.observe.overview import Overview

MOST = 5
"""Up to this number, each CE or VO with the same kind of problem has a notice of its own."""


class Notice(NamedTuple):
    """A notice: its subject, which stays the same; its line, which changes; and its urgency."""

    subject: str
    line: str
    is_urgent: bool = True


def notices(situation: Overview) -> list[Notice]:
    """List the notices on what an operator should look at, the widest problem first."""
    silence = standstill.silence(situation.fired_at, situation.at)
    still = [Notice("beat", silence)] if silence else []
    queues = [
        Notice(one.queue, standstill.sentence(one, situation.at)) for one in situation.standstills
    ]
    credentials = [
        _of_credential(one)
        for one in situation.credentials
        if one.state in (State.SHORT, State.UNUSABLE)
    ]
    return [
        *_of_disk(situation),
        *still,
        *queues,
        *_of_calls(situation),
        *_of_trials(situation),
        *_of_sources(situation),
        *_of_work(situation),
        *credentials,
    ]


def _few(every: list[Notice], subject: str, others: str) -> list[Notice]:
    """Keep the first notices of a kind, and write in another how many others there are."""
    more = len(every) - MOST
    if more <= 0:
        return every
    rest = Notice(subject, others.format(more), is_urgent=every[0].is_urgent)
    return [*every[:MOST], rest]


def _of_disk(situation: Overview) -> list[Notice]:
    if situation.full_disk is None:
        return []
    line = f"the disk of the state folder {situation.full_disk} is full: make room on it"
    return [Notice("disk", line)]


def _of_calls(situation: Overview) -> list[Notice]:
    silent = [
        Notice(f"CE {one.name}", f"CE {one.name}: {one.trouble}")
        for one in situation.ces
        if one.trouble is not None and one.state != DISABLED
    ]
    return _few(silent, "CEs", "{} more CEs do not answer")


def _of_trials(situation: Overview) -> list[Notice]:
    refusing = [
        Notice(f"pilots of VO {one.vo} at CE {one.ce}", f"CE {one.ce}: {one.sentence}")
        for one in situation.trials
        if one.is_refused
    ]
    others = "pilots of VOs are refused by CEs {} more times: pilotage explain CE"
    return _few(refusing, "refused pilots", others)


def _of_sources(situation: Overview) -> list[Notice]:
    unusable = [
        Notice(f"source of VO {vo}", f"the demand source of VO {vo} cannot be used: {why}")
        for vo, why in sorted(situation.unusable_sources.items())
    ]
    others = "{} more VOs have a demand source that cannot be used: pilotage plan --vo NAME"
    return _few(unusable, "sources of VOs", others)


def _of_work(situation: Overview) -> list[Notice]:
    without = [
        Notice(f"work of VO {one.vo}", use.sentence(one, situation.at), is_urgent=False)
        for one in situation.without_work
    ]
    others = "the pilots of {} more VOs find no work: pilotage vo list"
    return _few(without, "work of VOs", others)


def _of_credential(standing: CredentialStanding) -> Notice:
    subject = f"{standing.kind} of {standing.vo} for {standing.backend}"
    if standing.problem:
        advice = "" if standing.renew else "; replace the file"
        return Notice(subject, f"{standing.problem}{advice}")
    left = in_two_units(timedelta(seconds=standing.seconds_left or 0))
    return Notice(subject, f"the {subject} expires in {left}: {standing.path}", is_urgent=False)


def ended(ends: Ends) -> str:
    """Write in one line how many pilots ended, how many for nothing, and why others failed."""
    parts: dict[Status, Mapping[Any, int]] = {
        Status.DONE: ends.of_no_use,
        Status.FAILED: ends.causes,
    }
    details = "; ".join(f"{status}: {_listed(of)}" for status, of in parts.items() if of)
    return (_listed(ends.ended) + (f" ({details})" if details else "")) or "no pilot ended"


def _listed(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items())
