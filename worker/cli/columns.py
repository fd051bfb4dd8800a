"""The columns of a table, and which of them are cut or dropped in a narrow terminal.

A column needs no entry in `HABITS`. Without one, its numbers, times and short words keep their
width, its longer texts are cut, and it is dropped before the columns to its left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

GAP = 2
"""Spaces between two columns."""

ALWAYS = 0
ORDINARY = 5
SHORTEST = 12
"""The fewest characters to which a text is cut, unless its column has another number."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its value, its title, and its behaviour in a narrow terminal."""

    name: str
    title: str = ""
    rank: int = ORDINARY
    """The column with the highest rank is dropped first; a column of rank 0 is never dropped."""
    least: int | None = None
    """The fewest characters to which a text is cut. With rank 0, it is cut only if this is set."""
    fold: bool = False
    """Whether a text continues in the next line instead of being cut."""

    @property
    def heading(self) -> str:
        """The text above the column."""
        return self.title or self.name.replace("_", " ")

    def shortest(self, longest: int) -> int:
        """Return the smallest width of the column, given the length of its longest value."""
        if self.least is None and self.rank == ALWAYS:
            return longest
        return min(longest, self.least or SHORTEST)


HABITS: Mapping[str, Column] = {
    column.name: column
    for column in (
        *(
            Column(name=name, rank=ALWAYS)
            for name in (
                *("id", "pilot_id", "name", "vo", "ce", "status", "state", "here", "there"),
                *("at", "was", "became", "chain", "table", "rows", "capacity", "fires", "outcome"),
                *("begins_at", "ends_at", "left", "policy", "goodput", "more", "granted"),
            )
        ),
        Column(name="what", rank=ALWAYS, least=16),
        Column(name="reason", rank=ALWAYS, least=16),
        Column(name="because", rank=ALWAYS, least=16),
        Column(name="set_by", title="since when, by whom, why", rank=1, least=24, fold=True),
        Column(name="about", rank=ALWAYS, least=16, fold=True),
        Column(name="error", rank=1, least=16),
        Column(name="cause", rank=1, least=24),
        Column(name="use", rank=2),
        Column(name="kind", rank=1),
        Column(name="enabled", rank=7),
        Column(name="draining", rank=7),
        Column(name="open_to_all", rank=7),
        Column(name="waiting_limit", rank=3),
        Column(name="success_rate", rank=4),
        Column(name="backend", rank=2),
        Column(name="tags", rank=8, least=8),
        Column(name="options", rank=8, least=12),
        Column(name="stamp", rank=6, least=9),
        Column(name="handle", rank=4, least=8),
        Column(name="raw", rank=3, least=8),
        Column(name="scope", rank=8),
        Column(name="seconds", rank=6),
        Column(name="path", rank=4, least=16),
        Column(name="renew", rank=6, least=10),
        Column(name="by_hand", rank=3),
        Column(name="until", rank=1),
        Column(name="tables", rank=6, least=12),
    )
}
"""The usual column for a name, in every table."""


def column_of(column: str | Column) -> Column:
    """Return a column as described, or the usual one for its name."""
    if isinstance(column, Column):
        return column
    return HABITS.get(column, Column(name=column))


def layout(columns: Sequence[Column], shortest: Sequence[int], longest: Sequence[int], span: int
           ) -> dict[int, int]:  # fmt: skip
    """Return the columns that are shown, by their number, with their widths."""
    shown = list(range(len(columns)))
    while _total(shortest[n] for n in shown) > span:
        number = _droppable(columns, shown)
        if number is None:
            break
        shown.remove(number)
    wide = {n: min(longest[n], span) for n in shown}
    _narrow(wide, columns, shortest, span)
    return wide


def _droppable(columns: Sequence[Column], shown: Sequence[int]) -> int | None:
    """Return the number of the least important column; the first one is never dropped."""
    ranked = [(columns[n].rank, n) for n in shown[1:] if columns[n].rank > ALWAYS]
    return max(ranked)[1] if ranked else None


def _narrow(
    wide: dict[int, int], columns: Sequence[Column], shortest: Sequence[int], span: int
) -> None:
    """Cut the columns of the highest rank, the widest of them first, until all fit."""
    while _total(wide.values()) > span:
        cuttable = [n for n in wide if wide[n] > shortest[n]]
        if not cuttable:
            return
        wide[max(cuttable, key=lambda n: (columns[n].rank, wide[n]))] -= 1


def _total(widths: Iterable[int]) -> int:
    each = list(widths)
    return sum(each) + GAP * (len(each) - 1)
