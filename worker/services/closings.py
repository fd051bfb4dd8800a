"""What closes a VO, or a CE to a VO, whatever the policy would decide.

The reasons of the policy itself are in `policy/allocation.py`.
"""

from datetime import datetime

from worker.db import ces, health, maintenances, vos
from worker.db.health import Health
from worker.db.maintenances import Maintenance
from worker.db.slots import CESlots
from worker.db.uow import Transaction
from worker.domain.calls import is_backing_off, reason_not_to_send
from worker.domain.ce import CE
from worker.domain.closing import ClosedBy, Closing
from worker.domain.trial import Trial
from worker.domain.vo import VO

FOR_OTHERS = Closing(ClosedBy.OTHER_VOS, "the CE is for other VOs")


def closed_vo(vo: VO) -> Closing | None:
    """Return why a VO gets no pilots at all, or `None`."""
    if not vo.enabled:
        return Closing(ClosedBy.DISABLED, "the VO is disabled")
    return Closing(ClosedBy.DRAINING, "the VO is draining") if vo.draining else None


def closed_vos(tx: Transaction, ce: CE) -> dict[str, Closing]:
    """Return the VOs that get no pilots at all, or none of this CE, each with the reason."""
    may_use = _may_use(tx, ce)
    closings = ((vo.name, closed_vo(vo) or _for_others(vo.name, may_use)) for vo in vos.get_all(tx))
    return {name: closing for name, closing in closings if closing is not None}


def _may_use(tx: Transaction, ce: CE) -> list[str] | None:
    """Return the VOs that may use a CE; `None` means all."""
    return None if ce.open_to_all else ces.allowed(tx, ce.name)


def _for_others(vo: str, may_use: list[str] | None) -> Closing | None:
    return FOR_OTHERS if may_use is not None and vo not in may_use else None


def closed_to_all(
    ce: CE | CESlots, state: Health | CESlots, away: Maintenance | None, now: datetime
) -> Closing | None:
    """Return the first reason why a CE takes no pilots of anybody, or `None`."""
    if not ce.enabled:
        return Closing(ClosedBy.DISABLED, "the CE is disabled")
    if ce.draining:
        return Closing(ClosedBy.DRAINING, "the CE is draining")
    if state.is_held(now):
        return Closing(ClosedBy.HELD, f"held by hand: {state.sending_reason}")
    if away is None:
        return None
    sentence = f"in maintenance until {away.ends_at:%H:%M}Z: {away.reason}"
    return Closing(ClosedBy.MAINTENANCE, sentence)


def closed_ce(tx: Transaction, ce: CE, now: datetime) -> Closing | None:
    """Read the state of a CE, and return why it takes no pilots of anybody, or `None`."""
    away = maintenances.current(tx, now).get(ce.name)
    return closed_to_all(ce, health.get(tx, ce.name), away, now)


def closed_without_policy(tx: Transaction, vo: str, ce: str, now: datetime) -> Closing | None:
    """Return why a VO may not use a CE even where no policy is asked, or `None`."""
    place = ces.get(tx, ce)
    return (
        closed_vo(vos.get(tx, vo))
        or closed_ce(tx, place, now)
        or _for_others(vo, _may_use(tx, place))
    )


def closed_to_vo(
    ce: CESlots,
    away: Maintenance | None,
    no_credential: str | None,
    trial: Trial | None,
    now: datetime,
) -> Closing | None:
    """Return the first reason why a CE gets no pilots of a VO at all, or `None`."""
    closing = closed_to_all(ce, ce, away, now)
    if closing is not None:
        return closing
    if not ce.allowed:
        return FOR_OTHERS
    if no_credential is not None:
        return Closing(ClosedBy.CREDENTIAL, no_credential)
    if trial is not None and now < trial.retry_at:
        return Closing(ClosedBy.TRIAL, trial.sentence)
    # A full CE is sent nothing, so no submission tests whether it answers again. Its slots are
    # those that it had at the last answer.
    is_not_asked = is_backing_off(ce, now) or ce.available == 0
    return _closed_by_calls(ce, now) if is_not_asked else None


def _closed_by_calls(ce: CESlots, now: datetime) -> Closing | None:
    sentence = reason_not_to_send(ce, now)
    if sentence is None:
        return None
    by = ClosedBy.REFUSES if ce.unanswered_since is None else ClosedBy.NO_ANSWER
    return Closing(by, sentence)
