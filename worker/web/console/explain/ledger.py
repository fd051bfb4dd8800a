"""The ledger: each step from the demand to the result, with its number and the number's source."""

from collections.abc import Sequence

from worker.services.observe.cycles import DecisionFacts
from worker.web.console.explain.kinds import ReasonKind, cap, kind_of, need
from worker.web.console.explain.ledger_of_ce import fitting, open_rows, probes, quality
from worker.web.console.explain.ledger_of_sharing import shared
from worker.web.console.explain.ledger_of_vo import allowed, needed
from worker.web.console.explain.ledger_rows import LedgerGroup, LedgerRow
from worker.web.console.explain.place_settings import PlaceSettings


def decisive(case: DecisionFacts) -> str:
    """Return the key of the row that decided."""
    kind = kind_of(case)
    if kind is ReasonKind.NOT_NEEDED or (
        kind is ReasonKind.PART and case.decision.granted == need(case)
    ):
        return _ROWS.get(cap(case), cap(case))
    return _DECISIVE[kind]


_ROWS = {"room": "room of the VO", "closed": "vo open"}
"""The key of a cap's row, if it differs from the cap's name."""


_DECISIVE = {
    ReasonKind.QUICKER: "still free",
    ReasonKind.VO_CLOSED: "vo open",
    ReasonKind.CE_CLOSED: "ce open",
    ReasonKind.NO_RATE: "success rate",
    ReasonKind.FULL: "free",
    ReasonKind.OTHER: "policy",
    ReasonKind.PROBE: "probe",
    ReasonKind.PAUSED: "probe",
    ReasonKind.POOR: "probe",
    ReasonKind.BETTER: "better",
    ReasonKind.ALL: "free",
    ReasonKind.TRIAL: "trial",
    ReasonKind.SLOW: "room",
    ReasonKind.SHARE: "share",
    ReasonKind.PART: "part",
}


def ledger(
    case: DecisionFacts, tick: Sequence[DecisionFacts], settings: PlaceSettings
) -> list[LedgerGroup]:
    """Return the steps, grouped by question; the row that decided is marked."""
    mark, most = decisive(case), _most(case)
    vo, ce = case.vo.name, case.ce.name
    groups = (
        (
            f"How many pilots does {vo} need?",
            "at all CEs together",
            needed(case, tick, settings, most),
        ),
        (f"How many pilots may {vo} get?", "the least of these", allowed(case, settings, most)),
        (f"May {ce} get pilots?", "", open_rows(case, settings)),
        (f"How many pilots fit at {ce}?", "of all VOs together", fitting(case, settings, most)),
        (f"How good is {ce}?", "the chance that a pilot ends well", quality(case, settings)),
        ("Is a probe due?", "it gets single pilots only, from time to time", probes(case)),
        ("How are the pilots shared out?", "", shared(case, tick, settings, most)),
    )
    return [
        LedgerGroup(question=question, note=note, rows=tuple(_marked(row, mark) for row in rows))
        for question, note, made in groups
        if (rows := list(made))
    ]


def _marked(row: LedgerRow, key: str) -> LedgerRow:
    return LedgerRow(**{**vars(row), "is_marked": row.key == key})


def _most(case: DecisionFacts) -> int:
    """Return the largest number of pilots, to which the bars are scaled."""
    return max(
        1, case.vo.demand or 0, case.vo.wanted or 0, case.ce.free, need(case), case.decision.granted
    )
