"""The inventory of VOs. One change is one unit of work."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from worker.db import pilot_reads, vos, work
from worker.db.uow import Transaction
from worker.demand import registry as sources
from worker.domain.access import Role
from worker.domain.change import read_reason
from worker.domain.errors import ConfirmationNeeded, InUse, NotAllowed
from worker.domain.pages import FIRST, Page, PageRequest
from worker.domain.values import OF_ONE_VO, ChangedVO, NewVO, Seconds
from worker.domain.vo import DEFAULT_VO, VO
from worker.services.allowed import allowed_to, require_vo
from worker.services.operate.versions import check_version, version_of
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class ShownVO:
    """A VO as it may be shown: without the secrets of its demand source."""

    name: str
    share: float
    limit: int | None
    demand: int | None
    enabled: bool
    draining: bool
    budget: int | None
    cancel_surplus: bool
    wait_at_most: Seconds | None
    run_at_most: Seconds | None
    silent_at_most: Seconds | None
    idle_at_most: Seconds | None
    demand_min: int | None
    demand_max: int | None
    scale_down_delay: Seconds | None
    source: Mapping[str, Any] | None
    without_work_since: datetime | None
    """Since when its pilots find no work; null if they find some."""


SETTINGS = frozenset(field.name for field in fields(ShownVO)) - {"without_work_since"}


def version(vo: ShownVO) -> str:
    """Return a hash of the settings of a VO, which changes when they change."""
    return version_of({name: getattr(vo, name) for name in SETTINGS})


@allowed_to(Role.ADMIN)
def add_vo(runtime: Runtime, new: NewVO) -> ShownVO:
    """Add a VO."""
    values: dict[str, Any] = dict(new)
    vo = VO(**{**values, "source": _source(values.get("source"), None)})
    with runtime.database.uow() as tx:
        vos.add(tx, vo)
        return tx.answer(_shown(tx, vo.name))


@allowed_to(Role.OPERATE, for_one_vo=True)
def change_vo(
    runtime: Runtime, name: str, changes: ChangedVO, *, unless_changed: str | None = None
) -> ShownVO:
    """Change some values of a VO.

    If the version that was read is given, the VO is changed only if nobody else has changed it
    since.
    """
    _require_right(runtime, name, changes)
    values: dict[str, Any] = dict(changes)
    reason = read_reason(values.pop("reason", None))
    with runtime.database.uow() as tx:
        stored = vos.get(tx, name, locked=True)
        if unless_changed is not None:
            check_version(unless_changed, version(_shown(tx, name)), f"VO {name}")
        if "source" in values:
            values["source"] = _source(values["source"], stored.source)
        vos.change(tx, name, reason=reason, **values)
        return _shown(tx, name)


@allowed_to(Role.READ)
def above_limit(runtime: Runtime, name: str) -> str | None:
    """Return a note if a VO has more pilots than its limit, else `None`."""
    with runtime.database.uow() as tx:
        limit, active = vos.get(tx, name).limit, pilot_reads.count_active(tx, vo=name)
    if limit is None or active <= limit:
        return None
    return (
        f"{active} pilots now, above the limit: none is ended, none is added until fewer are left"
    )


@allowed_to(Role.ADMIN)
def remove_vo(runtime: Runtime, name: str, *, yes: bool = True) -> None:
    """Remove a VO that has no pilots, not even in the history."""
    if not yes:
        raise ConfirmationNeeded(f"this would remove VO {name}")
    if name == DEFAULT_VO:
        raise InUse("VO", name, "it is used wherever no VO is named; you may disable it")
    with runtime.database.uow() as tx:
        vos.remove(tx, name)


@allowed_to(Role.READ)
def show_vo(runtime: Runtime, name: str) -> ShownVO:
    """Show a VO, without the secrets of its source."""
    with runtime.database.uow() as tx:
        return _shown(tx, name)


@allowed_to(Role.READ)
def list_vos(
    runtime: Runtime,
    *,
    search: str | None = None,
    enabled: bool | None = None,
    page: PageRequest = FIRST,
) -> Page[ShownVO]:
    """List the VOs."""
    with runtime.database.uow() as tx:
        listed = vos.find(tx, search=search, enabled=enabled, asked=page)
        missing = work.without_work(tx)
    since = {vo: one.since for vo, one in missing.items()}
    return Page([_as_shown(vo, since.get(vo.name)) for vo in listed.items], listed.next)


@allowed_to(Role.READ)
def vo_names(runtime: Runtime) -> list[str]:
    """List the names of all VOs."""
    with runtime.database.uow() as tx:
        return vos.names(tx)


def _shown(tx: Transaction, name: str) -> ShownVO:
    missing = work.without_work(tx).get(name)
    return _as_shown(vos.get(tx, name), missing.since if missing else None)


def _as_shown(vo: VO, since: datetime | None) -> ShownVO:
    if vo.source is not None:
        vo = replace(vo, source=sources.shown(vo.source))
    values = {field.name: getattr(vo, field.name) for field in fields(vo)}
    del values["id"]
    return ShownVO(**values, without_work_since=since)


def _source(
    new: Mapping[str, Any] | None, stored: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return the source to store, with its secrets, or refuse it with what is wrong."""
    if new is None:
        return None
    whole = sources.with_secrets(new, stored)
    sources.check_new(whole)
    return whole


def _require_right(runtime: Runtime, name: str, changes: ChangedVO) -> None:
    require_vo(runtime, name)
    access = runtime.database.actor.access
    if not OF_ONE_VO.issuperset(changes) and not access.may(Role.ADMIN):
        allowed = ", ".join(sorted(OF_ONE_VO))
        raise NotAllowed(f"settings of VO {name}", f"{access} may only change {allowed}")
