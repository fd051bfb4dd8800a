"""Notices for the operator: full disks, standstills, silent CEs, demand, expiring credentials."""

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

SILENT = 5
"""Up to this number, each CE that does not answer has its own notice; VOs likewise."""


class Notice(NamedTuple):
    """A notice: its subject, which stays the same; its line, which changes; and its urgency."""

    subject: str
    line: str
    is_urgent: bool = True


def notices(situation: Overview) -> list[Notice]:
    """List the notices on disks, standstills, silent CEs, demand, work and credentials."""
    silence = standstill.silence(situation.fired_at, situation.at)
    still = [Notice("beat", silence)] if silence else []
    queues = [
        Notice(one.queue, standstill.sentence(one, situation.at)) for one in situation.standstills
    ]
    silent_ces = [one for one in situation.ces if one.trouble is not None and one.state != DISABLED]
    calls = [
        Notice(f"CE {one.name}", f"CE {one.name}: {one.trouble}") for one in silent_ces[:SILENT]
    ]
    if silent_ces[SILENT:]:
        calls.append(Notice("CEs", f"{len(silent_ces) - SILENT} more CEs do not answer"))
    credentials = [
        _of_credential(one)
        for one in situation.credentials
        if one.state in (State.SHORT, State.UNUSABLE)
    ]
    demand = [*_of_sources(situation), *_of_work(situation)]
    return [*_of_disk(situation), *still, *queues, *calls, *demand, *credentials]


def _of_disk(situation: Overview) -> list[Notice]:
    if situation.full_disk is None:
        return []
    line = f"the disk of the state folder {situation.full_disk} is full: make room on it"
    return [Notice("disk", line)]


def _of_sources(situation: Overview) -> list[Notice]:
    unusable = sorted(situation.unusable_sources.items())
    notices = [
        Notice(f"source of VO {vo}", f"the demand source of VO {vo} cannot be used: {why}")
        for vo, why in unusable[:SILENT]
    ]
    if unusable[SILENT:]:
        line = f"{len(unusable) - SILENT} more VOs have a demand source that cannot be used"
        notices.append(Notice("sources of VOs", f"{line}: pilotage plan --vo NAME"))
    return notices


def _of_work(situation: Overview) -> list[Notice]:
    without = situation.without_work
    notices = [
        Notice(f"work of VO {one.vo}", use.sentence(one, situation.at), is_urgent=False)
        for one in without[:SILENT]
    ]
    if without[SILENT:]:
        line = f"the pilots of {len(without) - SILENT} more VOs find no work: pilotage vo list"
        notices.append(Notice("work of VOs", line, is_urgent=False))
    return notices


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
