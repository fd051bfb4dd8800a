"""The conditions for a CE to get pilots, and which of them fails."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.domain.closing import ClosedBy
from worker.services.observe.cycles import DecisionFacts
from worker.web.console import words
from worker.web.console.explain.kinds import cap, is_three_chances, need, room, were_free
from worker.web.console.explain.ledger_rows import CAPS, minus


@dataclass(frozen=True, kw_only=True)
class SendingCondition:
    """A condition, and whether it holds; `None` means that it was not checked."""

    text: str
    holds: bool | None
    why: str = ""
    where: tuple[str, ...] = ()
    is_marked: bool = False


Checked = tuple[str, bool, str, tuple[str, ...]]


def conditions(case: DecisionFacts) -> list[SendingCondition]:
    """Return the conditions for a CE to get pilots, in order; the first that fails is marked."""
    made: list[SendingCondition] = []
    failed = False
    for text, holds, why, where in _conditions(case):
        made.append(
            SendingCondition(
                text=text,
                holds=None if failed else holds,
                why="" if holds or failed else why,
                where=where,
                is_marked=not holds and not failed,
            )
        )
        failed = failed or not holds
    return made


def _conditions(case: DecisionFacts) -> Iterator[Checked]:
    vo, ce = ("vos", case.vo.name), ("ces", case.ce.name)
    yield f"{case.vo.name} is enabled and not draining", not case.vo.closed, str(case.vo.closed), vo
    yield from _of_the_ce(case, ce)
    if is_three_chances(case):
        yield "its success rate is above 0", case.ce.success_rate > 0, "it is set to 0", ce
    waiting = words.number(case.ce.waiting)
    taken = f"{words.number(case.ce.occupying)} are taken, {waiting} of them wait"
    yield "a slot is free, and its queue has a place", case.ce.free > 0, taken, ce
    if were_free(case) is not None:
        yield (
            "the slots are still free when they are reserved",
            False,
            "others took slots, or the CE or VO was closed",
            (),
        )
    elif is_three_chances(case):
        yield from _of_the_policy(case)
    else:
        yield "the policy gives it pilots", False, case.decision.reason, ()


def _of_the_policy(case: DecisionFacts) -> Iterator[Checked]:
    vo, ce, trace = ("vos", case.vo.name), ("ces", case.ce.name), case.decision.trace
    reason = case.ce.pause.reason if case.ce.pause else ""
    yield "it is not paused", case.ce.pause is None, reason, ce
    value = trace.get("value", 0)
    yield "its pilots are worth their price", value >= 0, f"an hour is worth {minus(value)} h", ce
    text = "better CEs have no slots for the whole demand"
    yield text, "better" not in trace, f"{trace.get('better')} better CEs do", ()
    slow = f"at most {words.number(case.ce.drained)} may wait: as many as began in the last hour"
    yield "its queue moves", room(case) > 0, slow, ce
    yield f"{case.vo.name} needs pilots", need(case) > 0, CAPS[cap(case)], vo
    allowed = trace.get("share", 1) > 0
    yield f"the share of {case.vo.name} allows more", allowed, "other VOs want the slots", vo
    yield "its part is at least one pilot", False, "other CEs have a better chance or more room", ()


_OPEN = {
    ClosedBy.DISABLED: "it is enabled",
    ClosedBy.DRAINING: "it is not draining",
    ClosedBy.HELD: "nobody holds it",
    ClosedBy.MAINTENANCE: "it is not in maintenance",
    ClosedBy.OTHER_VOS: "it is open to this VO",
    ClosedBy.CREDENTIAL: "the credential for it is valid",
    ClosedBy.NO_ANSWER: "it answers",
    ClosedBy.REFUSES: "it accepts calls",
    ClosedBy.TRIAL: "it took the last pilots of this VO",
}
"""The condition that each of these reasons to close a CE violates, in the order of the checks."""


def _of_the_ce(case: DecisionFacts, where: tuple[str, ...]) -> Iterator[Checked]:
    closed = str(case.ce.closed)
    if case.ce.closed and case.ce.closed_by is None:
        yield "it is open to this VO", False, closed, where
        return
    for by, text in _OPEN.items():
        yield text, by is not case.ce.closed_by, closed, where
