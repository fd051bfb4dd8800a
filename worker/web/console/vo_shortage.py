"""One sentence about why a VO gets few pilots or none, from the decisions of its last tick."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.domain.closing import ClosedBy
from worker.services.observe.cycles import Cycle, DecisionFacts, facts_behind
from worker.services.observe.wishes import Wish
from worker.web.console import words
from worker.web.console.explain.kinds import ReasonKind, cap, kind_of, need
from worker.web.console.explain.labels import phrase, word_of
from worker.web.console.explain.sentences import at, because, pilots

UNKNOWN = "demand unknown: "
"""The beginning of a decision's note if the demand is not known."""


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """How many pilots a VO got in its last tick, and why not more."""

    vo: str
    granted: int
    at: datetime | None
    reason: str
    """The reason, as the end of a sentence."""
    ce: str | None = None
    """The CE whose explanation shows the reason; `None` if all CEs do."""

    def sentence(self, now: datetime) -> str:
        """Write how many pilots the VO got, when, and why not more."""
        if self.at is None:
            return f"{self.vo} gets no pilots: {self.reason}."
        return f"{self.vo} got {pilots(self.granted)} at {at(self.at, now)}: {self.reason}."


def shortage(vo: str, cycle: Cycle | None) -> Shortage:
    """Explain the number of pilots that a VO got in its last tick."""
    if cycle is None or not cycle.granted:
        return Shortage(vo=vo, granted=0, at=None, reason="no tick has decided for it yet")
    decided = [cycle.decision(ce) for ce in cycle.granted]
    cases = [case for one in decided if (case := facts_behind(one)) is not None]
    granted = sum(cycle.granted.values())
    if len(cases) < len(decided):
        reason, ce = Counter(one.reason for one in decided).most_common(1)[0][0], None
    else:
        reason, ce = _of_cases(cases, granted)
    return Shortage(vo=vo, granted=granted, at=cycle.at, reason=reason, ce=ce)


def _of_cases(cases: Sequence[DecisionFacts], granted: int) -> tuple[str, str | None]:
    """Return the reason, and the CE that shows it if it is the same everywhere."""
    first = cases[0]
    if first.vo.closed:
        return because(first), first.ce.name
    if need(first) == 0 and "need" in first.decision.trace:
        return _not_needed(first), _showing(cases, ReasonKind.NOT_NEEDED)
    if "need" in first.decision.trace and granted >= need(first):
        return _all_needed(first), _showing(cases, ReasonKind.PART)
    return _of_the_ces(cases, granted)


def _showing(cases: Sequence[DecisionFacts], kind: ReasonKind) -> str | None:
    return next((case.ce.name for case in cases if kind_of(case) is kind), None)


def _not_needed(case: DecisionFacts) -> str:
    which, note = cap(case), case.vo.note or ""
    if which == "room":
        limit = "" if case.vo.limit is None else f" of {words.number(case.vo.limit)}"
        return f"it is at its limit{limit}"
    if which == "budget":
        return "its budget of a tick is 0"
    if case.vo.demand != 0:
        return f"the waiting pilots are enough for its demand of {words.number(case.vo.demand)}"
    if note.startswith(UNKNOWN):
        return f"its demand is not known: {note.removeprefix(UNKNOWN)}"
    return "its demand is 0"


def _all_needed(case: DecisionFacts) -> str:
    which = cap(case)
    if which == "room":
        return "its limit allows no more"
    if which == "budget":
        return "it is all that the budget of a tick allows"
    note = case.vo.note or ""
    if note.startswith(UNKNOWN):
        return f"it is a trickle, because its demand is not known: {note.removeprefix(UNKNOWN)}"
    return f"it is all that it needs, because its demand is {words.number(case.vo.demand)}"


def _of_the_ces(cases: Sequence[DecisionFacts], granted: int) -> tuple[str, str | None]:
    """Count the CEs by the reason why they get none. CEs for other VOs count only if all are."""
    own = [case for case in cases if word_of(case) != ClosedBy.OTHER_VOS]
    if not own:
        return "no CE is open to it", cases[0].ce.name
    needed = "" if not granted else f"it may get {words.number(need(cases[0]))}, but "
    shared = next((case for case in own if kind_of(case) is ReasonKind.SHARE), None)
    if shared is not None:
        text = "its share allows no more where other VOs want the same slots"
        return f"{needed}{text}", shared.ce.name
    without = [case for case in own if not case.decision.granted]
    counts = Counter(map(word_of, without))
    if not granted and len(counts) == 1:
        [(word, number)] = counts.items()
        who = "its only CE" if number == 1 else f"all {words.number(number)} CEs"
        return f"{who} {phrase(word, number)}", without[0].ce.name
    if not granted:
        return f"none of {words.number(len(own))} CEs takes pilots: {_counted(counts)}", None
    if not counts:
        return f"{needed}its CEs take no more", None
    return f"{needed}its CEs take no more: {_counted(counts)}", None


def _counted(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return words.listed(
        [f"{words.number(number)} {phrase(word, number)}" for word, number in ordered]
    )


@dataclass(frozen=True, kw_only=True)
class WantingVO:
    """A VO that wants pilots and has none, or whose demand source fails."""

    vo: str
    state: str
    reason: str
    ce: str | None = None
    is_of_the_source: bool = False


def wanting(listed: Sequence[Wish], cycles: Sequence[Cycle], now: datetime) -> list[WantingVO]:
    """List the VOs whose demand source fails, and those that want pilots and have none."""
    last = {cycle.vo: cycle for cycle in cycles}
    failing = [
        WantingVO(vo=one.vo, state="source fails", reason=str(one.problem), is_of_the_source=True)
        for one in listed
        if one.problem is not None
    ]
    starved = []
    for one in listed:
        cycle = last.get(one.vo)
        if one.is_unmet and cycle is not None and not any(cycle.granted.values()):
            short = shortage(one.vo, cycle)
            text = short.sentence(now)
            starved.append(WantingVO(vo=one.vo, state="no pilots", reason=text, ce=short.ce))
    return [*failing, *starved]
