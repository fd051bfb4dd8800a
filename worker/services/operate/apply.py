"""apply: change the inventory and the schedules to what a file says, and show the differences.

A value of a VO or CE that the file leaves out has its default. A VO or CE that the file does not
name is disabled, not removed: its pilots and its history stay. A credential or a payload that the
file does not name stays as it is. Everything happens in one unit of work.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from worker.db import ces, credentials, payloads, pilot_reads, schedules, vos
from worker.db.pages import MOST, PageRequest
from worker.db.uow import Transaction
from worker.demand import registry as sources
from worker.domain.credential import Credential, called
from worker.domain.lengths import as_option
from worker.domain.payload import plain, summary
from worker.domain.validation import naming_place
from worker.domain.vo import DEFAULT_VO, VO
from worker.services.operate.inventory_file import Wanted
from worker.services.payloads import put
from worker.services.runtime import Runtime
from worker.services.tasks import ticks


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the difference, and the function that makes the change."""

    what: str
    was: str
    becomes: str
    make: Callable[[Transaction], object] = field(repr=False, compare=False)


def apply(runtime: Runtime, wanted: Wanted, *, dry_run: bool) -> list[Change]:
    """Return the differences; unless it is a dry run, also make the changes."""
    with runtime.database.uow() as tx:
        changes = [
            *_vo_changes(tx, wanted),
            *_ce_changes(tx, wanted),
            *_schedule_changes(tx, wanted, runtime.now()),
            *_credential_changes(tx, wanted),
            *_payload_changes(tx, wanted),
        ]
        if not dry_run:
            for change in changes:
                change.make(tx)
    return changes


def _vo_changes(tx: Transaction, wanted: Wanted) -> Iterator[Change]:
    present = {vo.name: vo for vo in vos.find(tx, asked=PageRequest(limit=MOST)).items}
    for name, vo in ((name, _with_secrets(vo, present)) for name, vo in wanted.vos.items()):
        if name not in present:
            yield Change(what=f"VO {name}", was="-", becomes="added", make=partial(vos.add, vo=vo))
        else:
            yield from _edits(f"VO {name}", present[name], vo, vos.change)
    for name in sorted(present.keys() - wanted.vos.keys() - {DEFAULT_VO}):
        if present[name].enabled:
            yield _disabling("VO", name, vos.change)


def _with_secrets(vo: VO, present: Mapping[str, VO]) -> VO:
    """Return a VO with the secrets of its source, which an export leaves out."""
    if vo.source is None:
        return vo
    stored = present[vo.name].source if vo.name in present else None
    with naming_place(f"vo.{vo.name}"):
        return replace(vo, source=sources.with_secrets(vo.source, stored))


def _ce_changes(tx: Transaction, wanted: Wanted) -> Iterator[Change]:
    present = {ce.name: ce for ce in ces.find(tx, asked=PageRequest(limit=MOST)).items}
    for name, ce in wanted.ces.items():
        if name not in present:
            yield Change(what=f"CE {name}", was="-", becomes="added", make=partial(ces.add, ce=ce))
        else:
            same = replace(ce, open_to_all=present[name].open_to_all)
            yield from _edits(f"CE {name}", present[name], same, ces.change)
        is_open = name not in present or present[name].open_to_all
        allowed = None if is_open else ces.allowed(tx, name)
        if wanted.only_for[name] != allowed:
            yield _opening(name, allowed, wanted.only_for[name])
    for name in sorted(present.keys() - wanted.ces.keys()):
        if present[name].enabled:
            yield _disabling("CE", name, ces.change, len(pilot_reads.unsent(tx, name)))


def _schedule_changes(tx: Transaction, wanted: Wanted, now: datetime) -> Iterator[Change]:
    present = {(s.task, s.vo): s for s in schedules.get_all(tx)}
    for schedule in wanted.schedules:
        was = present.get((schedule.task, schedule.vo))
        old = None if was is None else (was.every, was.cron, was.enabled)
        if old != (schedule.every, schedule.cron, schedule.enabled):
            fresh = ticks.first(schedule, now)
            yield Change(
                what=f"schedule {schedule.task}{f' of VO {schedule.vo}' if schedule.vo else ''}",
                was="-" if was is None else was.fires,
                becomes=schedule.fires,
                make=partial(schedules.put, schedule=fresh),
            )


def _credential_changes(tx: Transaction, wanted: Wanted) -> Iterator[Change]:
    present = {(one.vo, one.backend, one.kind): one for one in credentials.get_all(tx)}
    for one in wanted.credentials:
        yield from _credential(present.get((one.vo, one.backend, one.kind)), one)


def _payload_changes(tx: Transaction, wanted: Wanted) -> Iterator[Change]:
    stored = payloads.of_vos(tx, wanted.payloads)
    for vo, payload in wanted.payloads.items():
        if stored.get(vo) != plain(payload):
            yield Change(
                what=f"VO {vo} payload",
                was=summary(stored.get(vo)) or "none",
                becomes=summary(plain(payload)) or "none",
                make=partial(put, vo=vo, payload=payload),
            )


def _credential(was: Credential | None, wanted: Credential) -> Iterator[Change]:
    what = called(wanted)
    if was is None:
        make = partial(credentials.add, credential=wanted)
        yield Change(what=what, was="-", becomes="added", make=make)
        return
    for name in ("path", "renew"):
        old, new = getattr(was, name), getattr(wanted, name)
        if old != new:
            yield Change(
                what=f"{what}: {name}",
                was=_command(old),
                becomes=_command(new),
                make=partial(credentials.change, credential=wanted),
            )


def _command(value: str | tuple[str, ...] | None) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else shlex.join(value)


def _edits(what: str, was: Any, wanted: Any, change: Callable[..., object]) -> Iterator[Change]:
    for column in fields(wanted):
        old, new = getattr(was, column.name), getattr(wanted, column.name)
        if column.compare and old != new:
            yield _edit(what, wanted.name, column.name, old, new, change)


def _edit(
    what: str, name: str, column: str, old: object, new: object, change: Callable[..., object]
) -> Change:
    return Change(
        what=f"{what} {column.replace('_', ' ')}",
        was=_shown(old, column),
        becomes=_shown(new, column),
        make=lambda tx: change(tx, name, **{column: new}),
    )


def _disabling(kind: str, name: str, change: Callable[..., object], reserved: int = 0) -> Change:
    lost = f"; {reserved} reserved pilots are cancelled" if reserved else ""
    return Change(
        what=f"{kind} {name}",
        was="enabled",
        becomes=f"disabled{lost}",
        make=lambda tx: change(tx, name, enabled=False),
    )


def _opening(name: str, allowed: list[str] | None, wanted: list[str] | None) -> Change:
    def make(tx: Transaction) -> None:
        ces.allow(tx, name, wanted or ())
        ces.change(tx, name, open_to_all=wanted is None)

    return Change(
        what=f"CE {name} only for", was=_owners(allowed), becomes=_owners(wanted), make=make
    )


def _owners(names: list[str] | None) -> str:
    return "all" if names is None else " ".join(names) or "nobody"


def _shown(value: object, column: str) -> str:
    if value is None:
        return "none"
    if isinstance(value, timedelta):
        return as_option(value)
    if column == "source" and isinstance(value, Mapping):
        value = sources.shown(value)
    if isinstance(value, Mapping):
        return " ".join(f"{key}={item}" for key, item in value.items()) or "none"
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)
