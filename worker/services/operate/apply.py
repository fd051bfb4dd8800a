"""apply: make the inventory and the schedules what a file says, and show the difference first.

    [vo.lhcb]
    share = 2
    limit = 500

    [ce.lyon]
    backend = "sim"
    capacity = 100
    vos = ["lhcb"]
    options = { queue_time = 60 }

    [schedules.submit_pilots]
    every = 30

Credentials and payloads are told of in `apply_identity`.

`export` writes such a file. What it leaves out of a VO or CE has its default. A VO or CE that it
does not name is disabled, not removed: its pilots and its history stay. Everything happens in one
unit of work.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import ces, pilot_reads, schedules, vos
from worker.db.database import Database
from worker.db.pages import MOST, PageRequest
from worker.db.schedules import Schedule
from worker.db.uow import Transaction
from worker.demand import registry as sources
from worker.domain.ce import CE
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.vo import DEFAULT_VO, VO
from worker.services.operate import apply_vo_extras
from worker.services.operate.change import Change
from worker.services.tasks import catalogue, ticks

Thing = TypeVar("Thing", VO, CE)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a file says."""

    vos: Mapping[str, VO]
    ces: Mapping[str, CE]
    only_for: Mapping[str, list[str] | None]
    schedules: list[Schedule]
    identity: apply_vo_extras.Identity


def read(path: Path, backends: Mapping[str, Backend]) -> Wanted:
    """Read a file and refuse what cannot be."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(str(path), error.strerror or "it cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(path), f"it is not TOML: {error}") from error
    _known("the file", told, ("vo", "ce", "credentials", "schedules"))
    only_for: dict[str, list[str] | None] = {}
    found = {}
    for name, values in _tables(told, "ce"):
        own = dict(values)
        only_for[name] = _only_for(name, own.pop("vos", None))
        found[name] = _ce(name, own)
        registry.check_options(backends, found[name].backend, found[name].options)
    found_vos = {name: _vo(name, values) for name, values in _tables(told, "vo")}
    for vo in found_vos.values():
        if vo.source is not None:
            sources.check(vo.source)
    identity = apply_vo_extras.read(told, path.parent, backends)
    return Wanted(
        vos=found_vos,
        ces=found,
        only_for=only_for,
        schedules=list(_schedules(told)),
        identity=identity,
    )


def apply(database: Database, wanted: Wanted, now: datetime, *, dry_run: bool) -> list[Change]:
    """Find what differs, and unless it is a dry run make it so."""
    with database.uow() as tx:
        changes = [
            *_vo_changes(tx, wanted),
            *_ce_changes(tx, wanted),
            *_schedule_changes(tx, wanted, now),
            *apply_vo_extras.changes(tx, wanted.identity),
        ]
        if not dry_run:
            for change in changes:
                change.make(tx)
    return changes


def _vo_changes(tx: Transaction, wanted: Wanted) -> Iterator[Change]:
    present = {vo.name: vo for vo in vos.find(tx, asked=PageRequest(limit=MOST)).items}
    for name, vo in wanted.vos.items():
        if name not in present:
            yield Change(what=f"VO {name}", was="-", becomes="added", make=_adder(vos.add, vo))
        else:
            yield from _edits(f"VO {name}", present[name], vo, vos.change)
    for name in sorted(present.keys() - wanted.vos.keys() - {DEFAULT_VO}):
        if present[name].enabled:
            yield _disabling("VO", name, vos.change)


def _ce_changes(tx: Transaction, wanted: Wanted) -> Iterator[Change]:
    present = {ce.name: ce for ce in ces.find(tx, asked=PageRequest(limit=MOST)).items}
    for name, ce in wanted.ces.items():
        if name not in present:
            yield Change(what=f"CE {name}", was="-", becomes="added", make=_adder(ces.add, ce))
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
                make=_adder(schedules.put, fresh),
            )


def _adder(add: Callable[[Transaction, Any], object], thing: object) -> Callable[..., object]:
    return lambda tx: add(tx, thing)


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
        was=_shown(old),
        becomes=_shown(new),
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


def _only_for(ce: str, names: object) -> list[str] | None:
    """Read the VOs of a CE. Without a list it is open to all, with an empty one to nobody."""
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Invalid(f"CE {ce} vos", "write the names of VOs as a list")
    return sorted(set(names))


def _vo(name: str, values: Mapping[str, Any]) -> VO:
    own = {key: value for key, value in values.items() if key not in apply_vo_extras.KEYS}
    return _make(f"VO {name}", VO, {"name": name, **own})


def _ce(name: str, values: Mapping[str, Any]) -> CE:
    given = {"name": name, **values, "tags": tuple(values.get("tags", ()))}
    _known(f"CE {name}", given, _keys(CE))
    for needed in ("backend", "capacity"):
        if needed not in given:
            raise Invalid(f"CE {name}", f"it needs a {needed}")
    return _make(f"CE {name}", CE, given)


def _make(what: str, kind: type[Thing], values: Mapping[str, Any]) -> Thing:
    hints = _keys(kind)
    _known(what, values, hints)
    for key, value in values.items():
        if not _fits(value, hints[key]):
            raise Invalid(f"{what} {key}", f"{value!r} is of the wrong kind")
    return kind(**values)


def _keys(kind: type[Thing]) -> dict[str, Any]:
    """Return the keys that a VO or CE may have in a file, with the kind of each value."""
    return {f.name: f.type for f in fields(kind) if f.name not in ("id", "open_to_all")}


def _fits(value: object, hint: Any) -> bool:
    """Tell whether a value of a file is of a field's kind; a whole number is a number too."""
    kinds = {get_origin(kind) or kind for kind in get_args(hint) or (hint,)}
    if get_origin(hint) not in (None, UnionType):
        kinds = {get_origin(hint)}
    if float in kinds and type(value) is int:
        return True
    return type(value) in kinds or (isinstance(value, Mapping) and Mapping in kinds)


def _schedules(told: Mapping[str, Any]) -> Iterator[Schedule]:
    for task, values in _tables(told, "schedules"):
        general = {key: value for key, value in values.items() if key != "vo"}
        if general:
            yield _schedule(task, None, general)
        for vo, own in _tables(values, "vo"):
            yield _schedule(task, vo, own)


def _schedule(task: str, vo: str | None, values: Mapping[str, Any]) -> Schedule:
    default = catalogue.get(task)
    _known(f"schedule of {task}", values, ("every", "cron", "enabled"))
    every, cron = values.get("every"), values.get("cron")
    if every is None and cron is None:
        every, cron = default.every, default.cron
    schedule = Schedule(
        task=task, vo=vo, every=every, cron=cron, enabled=values.get("enabled", True)
    )
    ticks.check(schedule)
    return schedule


def _tables(told: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = told.get(key, {})
    if not isinstance(found, Mapping):
        raise Invalid(key, f"write it as tables: [{key}.NAME]")
    for name, values in found.items():
        if not isinstance(values, Mapping):
            raise Invalid(f"{key} {name}", f"write it as a table: [{key}.{name}]")
        yield name, values


def _known(what: str, values: Mapping[str, Any], known: Any) -> None:
    for key in values:
        if key not in known:
            raise Invalid(f"{what}: unknown key {key!r}", nearest(key, known))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={item}" for key, item in value.items()) or "none"
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)
