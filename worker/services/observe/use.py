"""Work and use of a VO in words: whether its pilots find work, and which ends are useful."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.db import vos, work
from worker.domain.access import Role
from worker.domain.lengths import clock, in_two_units
from worker.policy.work import NoWork
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime
from worker.services.vo_work import rules


@dataclass(frozen=True, kw_only=True)
class WithoutWork:
    """A VO whose pilots find no work: since when, the reason, and its trickle meanwhile."""

    vo: str
    since: datetime
    reason: str
    trickle: int


@dataclass(frozen=True, kw_only=True)
class UseOfVO:
    """When the pilots of a VO are useful, and whether they find work."""

    useful_after: float
    """A good end after these seconds is useful unless its exit code says otherwise; 0 is always."""
    useful_after_is_set: bool
    """Whether its payload sets this number; else it is learnt from the run times of its pilots."""
    without_work_since: datetime | None
    without_work_reason: str | None


@allowed_to(Role.READ)
def of_vo(runtime: Runtime, name: str) -> UseOfVO:
    """Return the rules of use of a VO, and whether its pilots find work."""
    with runtime.database.uow() as tx:
        vos.get(tx, name)
        record, counts = work.get_all(tx)[name], rules(tx, runtime.parameters)[name]
    missing = record.without_work
    since, reason = (missing.since, missing.reason) if missing else (None, None)
    return UseOfVO(
        useful_after=counts.useful_after.total_seconds(),
        useful_after_is_set=record.useful_after is not None,
        without_work_since=since,
        without_work_reason=reason,
    )


def listed(missing: Mapping[str, NoWork], trickle: int) -> list[WithoutWork]:
    """List the VOs whose pilots find no work, by name."""
    return [
        WithoutWork(vo=vo, since=one.since, reason=one.reason, trickle=trickle)
        for vo, one in sorted(missing.items())
    ]


def sentence(one: WithoutWork, now: datetime) -> str:
    """Write in one line why a VO is without work, and what to do if that is wrong."""
    return (
        f"VO {one.vo}: since {clock(one.since, now, seconds=False)} {one.reason}; it gets a trickle"
        f" of {one.trickle}. If its pilots were of use, set useful_after or exit_codes in its "
        "payload"
    )


def useful_after_in_words(use: UseOfVO) -> str:
    """Write how long a pilot must run to be useful, and where this length comes from."""
    if use.useful_after_is_set:
        return f"{_length(use.useful_after)}, set in its payload"
    if not use.useful_after:
        return "0 s, until it is learnt from the run times of the pilots"
    return f"{_length(use.useful_after)}, learnt from the run times of the pilots"


def _length(seconds: float) -> str:
    """Write a length of time; `in_two_units` would write one below a second as 0."""
    return f"{seconds:g} s" if seconds < 1 else in_two_units(timedelta(seconds=seconds))
