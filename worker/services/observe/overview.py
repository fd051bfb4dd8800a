"""The overview of an installation and its decisions, for `status`, `top` and `explain`."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from worker.db import ces, decisions, demands, failures, pilot_reads, schedules, trials, vos, work
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.decision import Decision
from worker.domain.demand import NONE_ENDED, BatchProgress
from worker.domain.pages import FIRST, Page, PageRequest
from worker.domain.pilot import Status, Transition
from worker.domain.trial import Trial
from worker.policy import explaining
from worker.services.allowed import allowed_to
from worker.services.ce_lines import CELine, lines_of
from worker.services.credentials import CredentialStanding, standings
from worker.services.observe.cycles import last_moment
from worker.services.observe.failing import LATELY, Ends
from worker.services.observe.use import WithoutWork, listed
from worker.services.runtime import Runtime
from worker.services.standstill import Standstill, are_ces_asked, standstills
from worker.services.trials import going_on

LEAST_FREE = 16 << 20
"""A disk with fewer free bytes counts as full."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The state of the whole installation."""

    at: datetime
    pilots: dict[Status, int]
    ces: list[CELine]
    credentials: list[CredentialStanding]
    decisions: list[Decision]
    transitions: list[tuple[str, Transition]]
    ends: Ends
    """How pilots ended in the last hour."""
    fired_at: datetime | None
    """When any task fired last."""
    standstills: list[Standstill]
    without_work: list[WithoutWork]
    batches: dict[str, BatchProgress]
    """The progress of each VO that wants a fixed number of pilots in all."""
    trials: list[Trial]
    """The CEs that refused pilots of a VO, and how they are tried again."""
    unusable_sources: dict[str, str]
    """The VOs whose demand source cannot be used, each with the reason."""
    full_disk: str | None
    """The state folder of this host if its disk is full, else null."""


@allowed_to(Role.READ)
def overview(runtime: Runtime, *, latest: int = 64) -> Overview:
    """Show the state of the installation: the CEs, the pilots, what happened last, and why."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        fired = schedules.get_all(tx)
        standing = standstills(fired, now, runtime.lease)
        batches, unusable = _of_sources(tx)
        return Overview(
            at=now,
            pilots=pilot_reads.count_by_status(tx),
            ces=lines_of(tx, now, runtime.parameters, is_asked=are_ces_asked(standing)),
            credentials=standings(tx, now),
            decisions=_latest_decisions(tx, latest),
            transitions=pilot_reads.latest_transitions(tx, latest),
            fired_at=max((one.last_at for one in fired if one.last_at), default=None),
            standstills=standing,
            without_work=listed(work.without_work(tx), runtime.parameters.trickle),
            trials=going_on(trials.find(tx), now),
            batches=batches,
            unusable_sources=unusable,
            ends=failures.count_ends(tx, now - LATELY),
            full_disk=str(runtime.home) if is_full(runtime.home) else None,
        )


def is_full(folder: Path) -> bool:
    """Return whether the disk of a folder has no room; `False` if there is no such folder."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free < LEAST_FREE
    return False


@allowed_to(Role.READ)
def explain(
    runtime: Runtime, ce: str, *, vo: str | None = None, at: datetime | None = None
) -> list[Decision]:
    """Read the last decision about a CE for each VO, up to a moment."""
    with runtime.database.uow() as tx:
        ces.get(tx, ce)
        if vo is not None:
            vos.get(tx, vo)
        return decisions.last_of_each(tx, ce, vo=vo, until=last_moment(at, runtime.now()))


@allowed_to(Role.READ)
def list_decisions(
    runtime: Runtime,
    *,
    ce: str | None = None,
    vo: str | None = None,
    until: datetime | None = None,
    page: PageRequest = FIRST,
) -> Page[Decision]:
    """List the decisions: how many pilots CEs got for VOs, and why. Equal ones in a row are one."""
    with runtime.database.uow() as tx:
        return decisions.find(tx, ce=ce, vo=vo, until=until, asked=page)


def steps(decision: Decision) -> list[tuple[str, str]]:
    """Return the steps of a decision in words, the result last."""
    return explaining.steps(decision)


def _of_sources(tx: Transaction) -> tuple[dict[str, BatchProgress], dict[str, str]]:
    """Return the progress of VOs, and which VOs have a source that cannot be used."""
    with_source = [vo for vo in vos.get_all(tx) if vo.source is not None]
    if not with_source:
        return {}, {}
    # Imported only here: the modules of the sources take long to load, and most installations have
    # no source.
    from worker.services.current_demand import (
        batch_of,
        counts_ever,
        ended_pilots,
        unusable_source,
    )

    problems = {vo.name: unusable_source(vo) for vo in with_source if vo.enabled}
    owners = [vo for vo in with_source if counts_ever(vo)]
    answers = demands.get_all(tx)
    ended = ended_pilots(tx, owners, answers)
    made = {
        vo.name: batch_of(vo, answers.get(vo.name, demands.NONE), ended.get(vo.name, NONE_ENDED))
        for vo in owners
    }
    return (
        {name: batch for name, batch in made.items() if batch is not None},
        {name: problem for name, problem in problems.items() if problem is not None},
    )


def _latest_decisions(tx: Transaction, latest: int) -> list[Decision]:
    request = PageRequest(descending=True, limit=latest)
    return decisions.find(tx, asked=request).items
