"""Translation between pilots of Pilotage and pilots of DiracX's service.

A pilot of DiracX has columns. The columns that Pilotage does not keep have the initial value of
DiracX. A condition compares one column; which comparisons are allowed depends on the column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from worker.domain.bounds import storable
from worker.domain.errors import IllegalMove, Invalid
from worker.domain.lengths import in_utc
from worker.domain.nearest import nearest
from worker.domain.pilot import MOVES, OCCUPYING, Move, Pilot, Status

LONGEST_PAGE = 10_000
MOST_CONDITIONS = 50
MOST_VALUES = 1000
"""The most values of one condition."""
MOST_VALUES_IN_ALL = 10_000
LONGEST_VALUE = 1000
"""The longest value, in characters."""
LONGEST_PATTERN = 255
MOST_WILDCARDS = 10
MOST_CHANGED = 1000
"""The most pilots that one request changes."""
LARGEST_NUMBER = 2**63 - 1


class DiracStatus(StrEnum):
    """Where a pilot is, in the words of DiracX."""

    SUBMITTED = "Submitted"
    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    DELETED = "Deleted"
    ABORTED = "Aborted"
    UNKNOWN = "Unknown"


WORDS: Mapping[Status, DiracStatus] = MappingProxyType(
    {
        Status.RESERVED: DiracStatus.SUBMITTED,
        Status.SUBMITTING: DiracStatus.SUBMITTED,
        Status.SUBMITTED: DiracStatus.WAITING,
        Status.RUNNING: DiracStatus.RUNNING,
        Status.DONE: DiracStatus.DONE,
        Status.FAILED: DiracStatus.FAILED,
        Status.CANCELLED: DiracStatus.DELETED,
        Status.LOST: DiracStatus.ABORTED,
    }
)
"""The word for each status. The word for a failed pilot that never ran is `NEVER_RAN`."""

NEVER_RAN = DiracStatus.ABORTED
"""The word for a failed pilot that never ran."""


def word_of(status: Status, *, has_run: bool) -> DiracStatus:
    if status is Status.FAILED and not has_run:
        return NEVER_RAN
    return WORDS[status]


def word_for(pilot: Pilot) -> DiracStatus:
    return word_of(pilot.status, has_run=pilot.started_at is not None)


def statuses_of(words: frozenset[DiracStatus]) -> frozenset[Status]:
    """Return the statuses whose pilots have one of these words.

    `failed` is left out: its pilots have different words.
    """
    return frozenset(s for s, word in WORDS.items() if word in words) - {Status.FAILED}


class DiracColumn(StrEnum):
    """A column of DiracX's pilots that Pilotage keeps."""

    ID = "PilotID"
    STAMP = "PilotStamp"
    REFERENCE = "PilotJobReference"
    VO = "VO"
    STATUS = "Status"
    REASON = "StatusReason"
    CE = "DestinationSite"
    SUBMITTED_AT = "SubmissionTime"
    UPDATED_AT = "LastUpdateTime"


NOT_KEPT: Mapping[str, Any] = MappingProxyType(
    {
        "GridType": "DIRAC",
        "GridSite": "Unknown",
        "Queue": "Unknown",
        "BenchMark": 0.0,
        "CurrentJobID": 0,
        "InitialJobID": 0,
        "AccountingSent": False,
    }
)
"""The columns that Pilotage does not keep, each with the value that every pilot has in it."""

COLUMNS = (*(str(column) for column in DiracColumn), *NOT_KEPT)


class Operator(StrEnum):
    """How a condition compares a column with its values."""

    EQUAL = "eq"
    NOT_EQUAL = "neq"
    ABOVE = "gt"
    BELOW = "lt"
    LIKE = "like"
    NOT_LIKE = "not like"
    REGEX = "regex"
    AMONG = "in"
    NOT_AMONG = "not in"


_EQUALITY = frozenset({Operator.EQUAL, Operator.NOT_EQUAL, Operator.AMONG, Operator.NOT_AMONG})
_ORDER = frozenset({Operator.ABOVE, Operator.BELOW})
_PATTERN = frozenset({Operator.LIKE, Operator.NOT_LIKE})
NEGATIVE = frozenset({Operator.NOT_EQUAL, Operator.NOT_LIKE, Operator.NOT_AMONG})
MOMENTS = frozenset({DiracColumn.SUBMITTED_AT, DiracColumn.UPDATED_AT})


def _operators(column: str) -> frozenset[Operator]:
    if column == DiracColumn.ID:
        return _EQUALITY | _ORDER
    if column in MOMENTS:
        return _ORDER | {Operator.EQUAL, Operator.NOT_EQUAL}
    if column == DiracColumn.STATUS or column in NOT_KEPT:
        return _EQUALITY
    return _EQUALITY | _PATTERN


@dataclass(frozen=True)
class Condition:
    """A comparison of one column, which selects pilots."""

    column: str
    operator: Operator
    values: Sequence[Any]

    @property
    def is_negative(self) -> bool:
        return self.operator in NEGATIVE


def condition(column: str, operator: str, values: Sequence[str | int]) -> Condition:
    """Read a condition. Refuse an invalid one, and one whose evaluation may take very long."""
    _check_column("search", column)
    meant = Operator(operator)
    if meant is Operator.REGEX:
        raise Invalid(
            column, "regular expressions are not allowed: they may take too long", "use like"
        )
    allowed = _operators(column)
    if meant not in allowed:
        names = ", ".join(one for one in Operator if one in allowed)
        raise Invalid(column, f"it cannot be compared by {meant!s}", f"use {names}")
    if len(values) > MOST_VALUES:
        raise Invalid(column, f"{len(values)} values are more than {MOST_VALUES}")
    if meant in _PATTERN:
        return Condition(column, meant, [_pattern(column, str(one)) for one in values])
    return Condition(column, meant, [_value(column, one) for one in values])


def _value(column: str, value: str | int) -> Any:
    if column in NOT_KEPT:
        return str(value)
    if column == DiracColumn.ID:
        return _number(column, value)
    if column in MOMENTS:
        return _moment(column, str(value))
    if column == DiracColumn.STATUS:
        if value not in {str(word) for word in DiracStatus}:
            raise Invalid(column, nearest(str(value)[:64], list(DiracStatus)))
        return DiracStatus(value)
    return text(column, str(value), LONGEST_VALUE)


def _number(column: str, value: str | int) -> int:
    try:
        number = int(value) if len(str(value)) <= len(str(LARGEST_NUMBER)) + 1 else None
    except ValueError:
        number = None
    if number is None or abs(number) > LARGEST_NUMBER:
        raise Invalid(column, f"{str(value)[:64]!r} is not a number of a pilot")
    return number


def _moment(column: str, value: str) -> datetime:
    try:
        return in_utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise Invalid(
            column, f"{value[:64]!r} is not a moment", "write 2026-03-01T12:00:00Z"
        ) from None


def _pattern(column: str, pattern: str) -> str:
    text(column, pattern, LONGEST_PATTERN)
    if pattern.count("%") > MOST_WILDCARDS:
        raise Invalid(column, f"a pattern has at most {MOST_WILDCARDS} times '%'")
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise Invalid(column, "a pattern must not end in a single '\\'")
    return pattern


def text(name: str, value: str, longest: int) -> str:
    """Return the text; refuse one that the database cannot store."""
    if len(value) > longest:
        raise Invalid(name, f"it has more than {longest} characters")
    if storable(value) != value:
        raise Invalid(name, "it has characters that cannot be stored")
    return value


def _check_column(place: str, name: str) -> None:
    if name == "JobID":
        raise Invalid(place, "Pilotage does not know which jobs a pilot ran")
    if name not in COLUMNS:
        raise Invalid(place, f"there is no column {name[:64]!r}", nearest(name[:64], COLUMNS))


@dataclass(frozen=True, kw_only=True)
class Search:
    """A request to read pilots: which pilots, which of their columns, in which order."""

    columns: Sequence[str] = ()
    """The columns to return; an empty sequence means all of them."""
    conditions: Sequence[Condition] = ()
    order: Sequence[tuple[str, bool]] = ()
    """The columns to sort by, each with whether the order is descending."""
    page: int = 1
    length: int = 100

    def __post_init__(self) -> None:
        for name in self.columns:
            _check_column("parameters", name)
        for name, _ in self.order:
            _check_column("sort", name)
        check_conditions(self.conditions)
        if self.page < 1 or not 1 <= self.length <= LONGEST_PAGE:
            raise Invalid("per_page", f"a page has 1 to {LONGEST_PAGE} pilots")

    @property
    def begin(self) -> int:
        """The number of pilots before the page."""
        return (self.page - 1) * self.length

    @property
    def shown(self) -> Sequence[str]:
        return tuple(dict.fromkeys(self.columns)) or COLUMNS


@dataclass(frozen=True, kw_only=True)
class Section:
    """The pilots of one page, and how many there are in all; `None` if they were not counted."""

    pilots: Sequence[Mapping[str, Any]]
    begin: int
    total: int | None


def check_conditions(conditions: Sequence[Condition]) -> None:
    if len(conditions) > MOST_CONDITIONS:
        raise Invalid("search", f"{len(conditions)} conditions are more than {MOST_CONDITIONS}")
    values = sum(len(one.values) for one in conditions)
    if values > MOST_VALUES_IN_ALL:
        raise Invalid("search", f"{values} values are more than {MOST_VALUES_IN_ALL} in all")


def check_grouping(grouping: Sequence[str]) -> Sequence[str]:
    """Return the columns to group by, each once; refuse unknown ones."""
    for name in grouping:
        _check_column("grouping", name)
    return tuple(dict.fromkeys(grouping))


def words_of(conditions: Sequence[Condition]) -> frozenset[DiracStatus]:
    """Return the words that all conditions on the status allow."""
    words = frozenset(DiracStatus)
    for one in conditions:
        if one.column == DiracColumn.STATUS:
            words &= words - set(one.values) if one.is_negative else frozenset(one.values)
    return words


def holds(one: Condition) -> bool:
    """Return whether a condition on a column that is not kept is true.

    The column has the same value for every pilot, so the condition is true of all or of none.
    """
    kept = NOT_KEPT[one.column]
    same = any(_is_same(kept, value) for value in one.values)
    return same is not one.is_negative


def _is_same(kept: Any, value: str) -> bool:
    if isinstance(kept, str):
        return kept == value
    try:
        return float(kept) == float({"False": "0", "True": "1"}.get(value, value))
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A pilot that another program sends to a CE."""

    stamp: str
    vo: str
    ce: str
    status: DiracStatus = DiracStatus.SUBMITTED
    reference: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    """Other values of the request; they are kept in the audit only."""

    def __post_init__(self) -> None:
        for name, value in (("vo", self.vo), ("destination_site", self.ce), *self.more.items()):
            text(name, value, LONGEST_VALUE)
        if self.reference is not None:
            text("pilot_reference", self.reference, LONGEST_VALUE)
        if self.status not in {WORDS[status] for status in OCCUPYING}:
            raise Invalid(
                "pilot_status",
                f"a pilot that is {self.status} has ended, or its place is unknown",
                "register it before it is sent",
            )


@dataclass(frozen=True, kw_only=True)
class PilotChange:
    """A requested change of one pilot. `None` leaves a value as it is."""

    status: DiracStatus | None = None
    reason: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    """Other columns; only the value that the pilot already has in a column is accepted."""

    def __post_init__(self) -> None:
        if self.reason is not None:
            text("StatusReason", self.reason, LONGEST_PATTERN)


REPORTED: Mapping[tuple[Status, DiracStatus], Status] = MappingProxyType(
    {
        (Status.RESERVED, DiracStatus.DELETED): Status.CANCELLED,
        (Status.SUBMITTED, DiracStatus.RUNNING): Status.RUNNING,
        (Status.LOST, DiracStatus.DONE): Status.DONE,
        (Status.LOST, DiracStatus.FAILED): Status.FAILED,
        (Status.LOST, DiracStatus.DELETED): Status.CANCELLED,
    }
)
"""The moves that a client may report. None of them frees the slot of a job that may be alive."""

assert all(to in MOVES[was] for (was, _), to in REPORTED.items())


def move_of(pilot: Pilot, change: PilotChange, who: str) -> Move | None:
    """Return the move that a change means; `None` if the status stays. Refuse an unsafe change."""
    _check_others(pilot, change.others)
    is_now = word_for(pilot)
    if change.status is None or change.status is is_now:
        return None
    to = REPORTED.get((pilot.status, change.status))
    if to is None:
        raise IllegalMove(_named(pilot), f"{is_now} to {change.status}", _advice(change.status))
    if word_of(to, has_run=pilot.started_at is not None) is not change.status:
        raise IllegalMove(_named(pilot), f"it never ran, so it stays {is_now}")
    reason = change.reason or f"{who} reported {change.status}"
    return Move(pilot_id=pilot.id, was=pilot.status, to=to, reason=reason)


def _advice(wanted: DiracStatus) -> str:
    if wanted is DiracStatus.DELETED:
        return "its CE has to end it: POST /api/pilots/cancel_named"
    if wanted is DiracStatus.UNKNOWN:
        return "a pilot cannot be given the status Unknown"
    return "only its CE can report this status"


def _check_others(pilot: Pilot, others: Mapping[str, Any]) -> None:
    for name, value in others.items():
        own = pilot.ce if name == DiracColumn.CE else NOT_KEPT[name]
        if value is not None and value != own:
            what = (
                "a pilot stays at its CE" if name == DiracColumn.CE else "Pilotage does not keep it"
            )
            raise Invalid(f"{name} of {_named(pilot)}", f"{what}; it is {own!r}")


def _named(pilot: Pilot) -> str:
    return f"pilot {pilot.stamp}"
