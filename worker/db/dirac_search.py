"""Searches of DiracX for pilots: filtered, sorted, in pages, and counted by groups.

No search counts a whole table. If only VO, CE and status are asked for, the kept counts of moves
give the answer. For any other search, the conditions that an index can answer are applied first;
the remaining pilots are read one by one if they are no more than `MOST_READ`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    case,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    union,
)

from worker.db.tables import ces, has_status, pilots, vos
from worker.db.tallies import counted
from worker.db.uow import Transaction
from worker.domain.dirac import (
    NEVER_RAN,
    NOT_KEPT,
    WORDS,
    Condition,
    DiracColumn,
    DiracStatus,
    Operator,
    Search,
    Section,
    holds,
    statuses_of,
    words_of,
)
from worker.domain.errors import Invalid
from worker.domain.pilot import OCCUPYING, Status

MOST_READ = 100_000
"""The most pilots that one search reads one by one, and the last pilot that its pages reach."""

MOST_FAILED = 1_000_000
"""If there are more failed pilots, those that never ran are not counted. An index holds only the
failed pilots."""

MOST_GROUPS = 10_000

ADVICE = "filter it by VO, DestinationSite, PilotID, PilotStamp or a status that is not final"

Key = tuple[str, str, DiracStatus]
"""VO, CE and status."""

_COUNTED = frozenset({DiracColumn.VO, DiracColumn.CE, DiracColumn.STATUS, *NOT_KEPT})
"""The columns for which there are kept counts."""

_FAILED = (DiracStatus.FAILED, NEVER_RAN)


def _word() -> ColumnElement[str]:
    never_ran = has_status([Status.FAILED]) & pilots.c.started_at.is_(None)
    status = cast(pilots.c.status, Text)
    others = [(status == _literal(one), _literal(word)) for one, word in WORDS.items()]
    return case((never_ran, _literal(NEVER_RAN)), *others)


def _literal(word: str) -> ColumnElement[str]:
    # Not a parameter: the database would take those here and in GROUP BY for different values.
    return literal_column(f"'{word}'", Text)


_EXPRESSIONS: Mapping[str, ColumnElement[Any]] = {
    DiracColumn.ID: pilots.c.id,
    DiracColumn.STAMP: pilots.c.stamp,
    DiracColumn.REFERENCE: func.coalesce(pilots.c.handle, pilots.c.stamp),
    DiracColumn.VO: vos.c.name,
    DiracColumn.STATUS: _word(),
    DiracColumn.REASON: func.coalesce(pilots.c.reason, _literal("")),
    DiracColumn.CE: ces.c.name,
    DiracColumn.SUBMITTED_AT: pilots.c.reserved_at,
    DiracColumn.UPDATED_AT: pilots.c.updated_at,
}


@dataclass(frozen=True)
class Meaning:
    """Conditions, sorted by how they are answered: by VO and CE, by status, by an index, or by
    reading each pilot.
    """

    keys: Mapping[str, Sequence[int]]
    """The keys of the VOs or CEs that are allowed, if there is a condition on them."""
    words: frozenset[DiracStatus]
    indexed: Sequence[ColumnElement[bool]]
    read: Sequence[ColumnElement[bool]]
    is_counted: bool
    """Whether the kept counts give the number of the pilots."""
    is_void: bool
    """Whether no pilot can meet the conditions."""

    def by_place(self, vo_id: ColumnElement[int], ce_id: ColumnElement[int]) -> Any:
        """Return the conditions on VO and CE, for these columns."""
        columns = {DiracColumn.VO: vo_id, DiracColumn.CE: ce_id}
        return [columns[DiracColumn(name)].in_(keys) for name, keys in self.keys.items()]

    def first(self) -> list[ColumnElement[bool]]:
        """Return the conditions that an index can answer."""
        active = statuses_of(self.words) if self.words <= _ACTIVE else None
        by_status = [] if active is None else [has_status(active)]
        return [*self.by_place(pilots.c.vo_id, pilots.c.ce_id), *self.indexed, *by_status]

    @property
    def must_read(self) -> bool:
        """Whether the indexes are not enough, so that pilots must be read one by one."""
        return bool(self.read) or not (self.words <= _ACTIVE or self.words >= _EVERY_WORD)

    def every(self) -> list[ColumnElement[bool]]:
        return [*self.first(), *self.read, *_has_word(self.words)]


_ACTIVE = frozenset(WORDS[status] for status in OCCUPYING)
_EVERY_WORD = frozenset(WORDS.values())


def search(tx: Transaction, wanted: Search) -> Section:
    """Read one page of the pilots that meet the conditions."""
    meaning = _meaning(tx, wanted.conditions)
    total = 0 if meaning.is_void else _total(tx, meaning, wanted)
    if total is not None and wanted.begin >= total:
        return Section(pilots=[], begin=wanted.begin, total=total)
    if wanted.begin > MOST_READ:
        raise Invalid(
            "page", f"pages end after {MOST_READ} pilots", "go on with the filter 'PilotID gt'"
        )
    return Section(pilots=_page(tx, meaning, wanted), begin=wanted.begin, total=total)


def summary(
    tx: Transaction, grouping: Sequence[str], conditions: Sequence[Condition]
) -> list[dict[str, Any]]:
    """Count the pilots that meet the conditions, grouped by the values of some columns."""
    meaning = _meaning(tx, conditions)
    if meaning.is_void:
        return []
    if meaning.is_counted and _COUNTED.issuperset(grouping):
        return _counted_groups(tx, meaning, grouping)
    if _candidates(tx, meaning) > MOST_READ:
        raise _too_many()
    return _read_groups(tx, meaning, grouping)


def _meaning(tx: Transaction, conditions: Sequence[Condition]) -> Meaning:
    by_column: dict[str, list[Condition]] = {}
    for one in conditions:
        by_column.setdefault(one.column, []).append(one)
    tables = {DiracColumn.VO: vos, DiracColumn.CE: ces}
    keys: dict[str, Sequence[int]] = {
        name: _keys(tx, table, by_column[name])
        for name, table in tables.items()
        if name in by_column
    }
    words = words_of(conditions)
    others = [one for one in conditions if one.column not in _COUNTED]
    not_kept = [one for one in conditions if one.column in NOT_KEPT]
    return Meaning(
        keys=keys,
        words=words,
        indexed=[_condition(one) for one in others if _is_indexed(one)],
        read=[_condition(one) for one in others if not _is_indexed(one)],
        is_counted=not others,
        is_void=not words or not all(keys.values()) or not all(map(holds, not_kept)),
    )


def _keys(tx: Transaction, table: Table, conditions: Sequence[Condition]) -> Sequence[int]:
    """Return the keys of the VOs or CEs whose names meet the conditions."""
    named = [_compared(table.c.name, one) for one in conditions]
    return list(tx.execute(select(table.c.id).where(*named).order_by(table.c.id)).scalars())


def _is_indexed(one: Condition) -> bool:
    if one.column == DiracColumn.ID:
        return True
    exact = one.operator in (Operator.EQUAL, Operator.AMONG)
    return exact and one.column in (DiracColumn.STAMP, DiracColumn.REFERENCE)


def _condition(one: Condition) -> ColumnElement[bool]:
    if one.column == DiracColumn.REFERENCE and _is_indexed(one):
        return pilots.c.id.in_(_with_reference(one.values))
    return _compared(_EXPRESSIONS[one.column], one)


def _with_reference(values: Sequence[str]) -> Select[Any]:
    """Select the ids of the pilots with these references, with one query for each index."""
    has_handle, ended_at = pilots.c.handle.in_(values), pilots.c.ended_at
    ids = select(pilots.c.id)
    every = union(
        ids.where(has_handle, ended_at.is_(None)),
        ids.where(has_handle, ended_at.is_not(None)),
        ids.where(pilots.c.stamp.in_(values), pilots.c.handle.is_(None)),
    ).subquery("with_reference")
    return select(every.c.id)


def _compared(column: ColumnElement[Any], one: Condition) -> ColumnElement[bool]:
    match one.operator:
        case Operator.ABOVE:
            above: ColumnElement[bool] = column > one.values[0]
            return above
        case Operator.BELOW:
            below: ColumnElement[bool] = column < one.values[0]
            return below
        case Operator.LIKE | Operator.NOT_LIKE:
            like = column.ilike(one.values[0], escape="\\")
            return ~like if one.is_negative else like
        case _:
            return column.not_in(one.values) if one.is_negative else column.in_(one.values)


def _has_word(words: frozenset[DiracStatus]) -> list[ColumnElement[bool]]:
    """Return the condition that pilots have one of these words; no condition if all pilots do."""
    if words >= _EVERY_WORD:
        return []
    whole = statuses_of(words)
    parts = [has_status(whole)] if whole else []
    for word, has_run in zip(_FAILED, (True, False), strict=True):
        if word in words:
            started = pilots.c.started_at
            ran = started.is_not(None) if has_run else started.is_(None)
            parts.append(has_status([Status.FAILED]) & ran)
    return [or_(*parts) if parts else false()]


def _from_pilots(*columns: Any) -> Select[Any]:
    """Select columns of pilots and the names of their VO and CE; the pilots are found first."""
    return select(*columns).select_from(
        pilots.outerjoin(vos, pilots.c.vo_id == vos.c.id).outerjoin(ces, pilots.c.ce_id == ces.c.id)
    )


def _too_many() -> Invalid:
    return Invalid("search", f"the search would read more than {MOST_READ} pilots", ADVICE)


def _candidates(tx: Transaction, meaning: Meaning) -> int:
    """Count the pilots that remain after the indexes, up to one more than may be read."""
    some = select(pilots.c.id).where(*meaning.first()).limit(MOST_READ + 1).subquery()
    return int(tx.execute(select(func.count()).select_from(some)).scalar_one())


def _total(tx: Transaction, meaning: Meaning, wanted: Search) -> int | None:
    """Count the pilots that meet the conditions; `None` if there are too many to count, but a page
    in the order of their ids can be read.
    """
    is_by_id = all(column == DiracColumn.ID or column in NOT_KEPT for column, _ in wanted.order)
    if meaning.is_counted:
        counts = _counts(tx, meaning)
        total = None if counts is None else counts.total()
        if (total is None or total > MOST_READ) and not is_by_id:
            raise _too_many()
        return total
    if _candidates(tx, meaning) > MOST_READ:
        if meaning.must_read or not is_by_id:
            raise _too_many()
        return None
    query = _from_pilots(func.count()).where(*meaning.every())
    return int(tx.execute(query).scalar_one())


def _page(tx: Transaction, meaning: Meaning, wanted: Search) -> list[dict[str, Any]]:
    shown = [name for name in wanted.shown if name in _EXPRESSIONS] or [DiracColumn.ID]
    order = [(_EXPRESSIONS[c], down) for c, down in wanted.order if c in _EXPRESSIONS]
    order = [*order, (pilots.c.id, False)]
    query = (
        _from_pilots(*(_EXPRESSIONS[name].label(name) for name in shown))
        .where(*meaning.every())
        .order_by(*(column.desc() if down else column.asc() for column, down in order))
        .offset(wanted.begin)
        .limit(wanted.length)
    )
    listing = tx.execute(query).mappings()
    return [{n: row[n] if n in row else NOT_KEPT[n] for n in wanted.shown} for row in listing]


def _counts(tx: Transaction, meaning: Meaning, *, split: bool = False) -> Counter[Key] | None:
    """Count by VO, CE and status, from the kept counts; `None` if too many pilots failed.

    The failed pilots that never ran are counted separately if the answer depends on it.
    """
    part = counted()
    number = func.sum(part.c.pilots)
    query = (
        select(
            vos.c.name.label("vo"), ces.c.name.label("ce"), part.c.status, number.label("pilots")
        )
        .join_from(part, vos, part.c.vo_id == vos.c.id)
        .join(ces, part.c.ce_id == ces.c.id)
        .where(has_status(Status, part.c.status), *meaning.by_place(part.c.vo_id, part.c.ce_id))
        .group_by(vos.c.name, ces.c.name, part.c.status)
        .having(number != 0)
    )
    counts: Counter[Key] = Counter()
    for row in tx.execute(query):
        counts[row.vo, row.ce, WORDS[Status(row.status)]] += int(row.pilots)
    failed = sum(n for (_, _, word), n in counts.items() if word is DiracStatus.FAILED)
    if failed and (split or len(meaning.words.intersection(_FAILED)) == 1):
        if failed > MOST_FAILED:
            return None
        _split_failed(tx, meaning, counts)
    return Counter({key: n for key, n in counts.items() if n > 0 and key[2] in meaning.words})


def _split_failed(tx: Transaction, meaning: Meaning, counts: Counter[Key]) -> None:
    """Move the failed pilots that never ran to a count of their own.

    An index holds only the failed pilots.
    """
    query = (
        _from_pilots(vos.c.name.label("vo"), ces.c.name.label("ce"), func.count().label("pilots"))
        .where(
            has_status([Status.FAILED]),
            pilots.c.cause.is_not(None),
            pilots.c.started_at.is_(None),
            *meaning.by_place(pilots.c.vo_id, pilots.c.ce_id),
        )
        .group_by(vos.c.name, ces.c.name)
    )
    for row in tx.execute(query):
        counts[row.vo, row.ce, DiracStatus.FAILED] -= int(row.pilots)
        counts[row.vo, row.ce, NEVER_RAN] += int(row.pilots)


def _counted_groups(
    tx: Transaction, meaning: Meaning, grouping: Sequence[str]
) -> list[dict[str, Any]]:
    counts = _counts(tx, meaning, split=DiracColumn.STATUS in grouping)
    if counts is None:
        raise Invalid("search", f"the search would read more than {MOST_FAILED} failed pilots")
    groups: Counter[tuple[Any, ...]] = Counter()
    for (vo, ce, word), number in counts.items():
        values = {**NOT_KEPT, DiracColumn.VO: vo, DiracColumn.CE: ce, DiracColumn.STATUS: str(word)}
        groups[tuple(values[name] for name in grouping)] += number
    return [
        {**dict(zip(grouping, values, strict=True)), "count": number}
        for values, number in sorted(groups.items())
    ]


def _read_groups(
    tx: Transaction, meaning: Meaning, grouping: Sequence[str]
) -> list[dict[str, Any]]:
    names = [name for name in grouping if name in _EXPRESSIONS]
    columns = [_EXPRESSIONS[name].label(name) for name in names]
    query = _from_pilots(*columns, func.count().label("count")).where(*meaning.every())
    if columns:
        query = query.group_by(*columns).order_by(*columns)
    listing = tx.execute(query.limit(MOST_GROUPS + 1)).mappings().all()
    if len(listing) > MOST_GROUPS:
        raise Invalid("grouping", f"it makes more than {MOST_GROUPS} groups")
    return [
        {**{n: row[n] if n in row else NOT_KEPT[n] for n in grouping}, "count": row["count"]}
        for row in listing
        if row["count"]
    ]
