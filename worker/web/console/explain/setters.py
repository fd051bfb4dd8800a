"""Who set each value that an explanation names, and when, according to the audit."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from worker.domain.change import Setter
from worker.services.observe import audit
from worker.services.observe.audit import RecordedChange
from worker.services.runtime import Runtime
from worker.web.console import words

LATEST = 100
"""How many changes of a CE or VO are read."""

STATES = ("draining", "enabled", "only_for", "sending")
"""The values of a CE that keep pilots away."""

FIELDS = {
    "ce": ("capacity", "waiting_limit", "success_rate", *STATES),
    "vo": ("demand", "source", "limit", "budget", "share"),
}


def setters(runtime: Runtime, ce: str, vo: str, at: datetime) -> dict[str, str]:
    """Write for each field who set it before a moment; fields that nobody changed are left out."""
    sources: dict[str, str] = {}
    for kind, name in (("ce", ce), ("vo", vo)):
        recorded = audit.recorded(runtime, at - audit.LONG_AGO, of=name, limit=LATEST).items
        own = [change for change in recorded if change.kind == kind and change.after]
        sources |= {
            f"{kind}.{field}": text for field, text in _of_one(kind, own, at, runtime.now())
        }
    return sources


def _of_one(
    kind: str, changes: Iterable[RecordedChange], at: datetime, now: datetime
) -> Iterable[tuple[str, str]]:
    """Yield the fields of one object that were set, from its changes, the latest first."""
    before, since = _split(changes, at)
    for field in FIELDS[kind]:
        change = _last(before, field)
        if change is not None and field in STATES:
            reason = (change.after or {}).get("reason")
            yield field, Setter(at=change.at, who=change.who, reason=reason).phrase(now)
        elif change is not None:
            yield field, f"set by {change.who} at {words.moment(change.at, now)}"
        elif field not in STATES and (later := _last(since, field)) is not None:
            yield field, f"changed since, by {later.who} at {words.moment(later.at, now)}"


def _split(
    changes: Iterable[RecordedChange], at: datetime
) -> tuple[list[RecordedChange], list[RecordedChange]]:
    before: list[RecordedChange] = []
    since: list[RecordedChange] = []
    for change in changes:
        (before if change.at <= at else since).append(change)
    return before, since


def _last(changes: Iterable[RecordedChange], field: str) -> RecordedChange | None:
    return next((change for change in changes if _has(change.after, field)), None)


def _has(values: Mapping[str, object] | None, field: str) -> bool:
    return values is not None and field in values
