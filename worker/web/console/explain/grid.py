"""The last ticks as a grid of CEs and VOs: the number of pilots, or a word for the reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.services.observe.cycles import Cycle, facts_behind, granted_by_ce
from worker.web.console import words
from worker.web.console.ce_rows import FOLDED
from worker.web.console.explain.hour import kind_without
from worker.web.console.explain.labels import LEGEND, SILENT, word_of

FIRST = 25
"""If there are many CEs: the most rows of CEs with pilots, and of groups of CEs without."""

MOST_CELLS = 1200
"""The most cells of a grid. It limits the number of VOs that are shown."""

LEAST_VOS = 8
"""The least number of VOs that are shown, however many CEs there are."""


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """The result of a CE for a VO: a number of pilots, or the word for the reason."""

    text: str
    kind: str
    ce: str
    """The CE whose ledger explains it."""


@dataclass(frozen=True, kw_only=True)
class GridHead:
    """The head of a column: a VO, the moment of its tick, and how many pilots it got."""

    vo: str
    at: datetime
    granted: int


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """The results of a CE for each VO; or of several CEs with the same reasons."""

    ces: list[str]
    cells: list[GridCell | None]
    """`None` if nothing was decided yet."""

    @property
    def has_pilots(self) -> bool:
        """Whether some VO got pilots."""
        return any(cell is not None and cell.kind == "got" for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The results of the last ticks that are shown."""

    heads: list[GridHead]
    rows: list[GridRow]
    left: int
    """How many CEs are not shown."""
    left_granted: list[int]
    """How many pilots these CEs got for each VO."""
    left_vos: int
    """How many VOs are not shown."""
    legend: list[tuple[str, str]]
    """The words in the grid that need an explanation, and their meanings."""


def grid(cycles: Sequence[Cycle]) -> Grid:
    """Lay out the decisions. With 60 CEs or more, those without pilots are grouped by reasons."""
    got = granted_by_ce(cycles)
    without = [ce for ce in got if not got[ce]]
    with_pilots = sorted((ce for ce in got if got[ce]), key=lambda ce: (-got[ce], ce))
    is_folded = len(got) >= FOLDED
    ordered = sorted(cycles, key=lambda one: (any(one.granted.values()), one.vo))
    shown = sorted(ordered[: _most_vos(len(got))], key=lambda one: one.vo)
    columns = [(cycle, _reader(cycle)) for cycle in shown]
    rows = _without(columns, without, is_folded=is_folded)
    rows += [_row(columns, [ce]) for ce in (with_pilots[:FIRST] if is_folded else with_pilots)]
    there = {ce for row in rows for ce in row.ces}
    left = [ce for ce in got if ce not in there]
    texts = {cell.text for row in rows for cell in row.cells if cell is not None}
    return Grid(
        heads=[GridHead(vo=one.vo, at=one.at, granted=sum(one.granted.values())) for one in shown],
        rows=rows,
        left=len(left),
        left_granted=[sum(one.granted.get(ce, 0) for ce in left) for one in shown],
        left_vos=len(cycles) - len(shown),
        legend=[(word, meaning) for word, meaning in LEGEND.items() if word in texts],
    )


def _most_vos(ces: int) -> int:
    rows = ces if ces < FOLDED else 2 * FIRST
    return max(LEAST_VOS, MOST_CELLS // max(1, rows))


Reader = Callable[[str], GridCell | None]
Column = tuple[Cycle, Reader]


def _reader(cycle: Cycle) -> Reader:
    """Return a function that makes the cells of a VO. Equal reasons are evaluated only once."""
    known: dict[str, tuple[str, str]] = {}

    def cell(ce: str) -> GridCell | None:
        if ce not in cycle.granted:
            return None
        if granted := cycle.granted[ce]:
            return GridCell(text=words.number(granted), kind="got", ce=ce)
        template = cycle.template(ce)
        if template not in known:
            case = facts_behind(cycle.decision(ce))
            word = word_of(case) if case else "policy"
            known[template] = word, "silent" if word in SILENT else kind_without(case)
        text, kind = known[template]
        return GridCell(text=text, kind=kind, ce=ce)

    return cell


def _row(columns: Sequence[Column], ces: list[str]) -> GridRow:
    return GridRow(ces=ces, cells=[read(ces[0]) for _, read in columns])


def _without(columns: Sequence[Column], ces: Sequence[str], *, is_folded: bool) -> list[GridRow]:
    """Return the rows of CEs without pilots; if folded, one for each combination of words."""
    if not is_folded:
        return [_row(columns, [ce]) for ce in ces]
    alike: dict[tuple[str, ...], GridRow] = {}
    for ce in ces:
        row = _row(columns, [ce])
        key = tuple("" if cell is None else cell.text for cell in row.cells)
        if key in alike:
            alike[key].ces.append(ce)
        else:
            alike[key] = row
    return sorted(alike.values(), key=lambda row: (-len(row.ces), row.ces[0]))[:FIRST]
