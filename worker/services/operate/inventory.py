"""The inventory: which VOs and CEs there are. One change is one unit of work."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import ces, demands, pilot_reads, vos
from worker.db.database import Database
from worker.db.pages import Page, PageRequest
from worker.demand import registry as sources
from worker.domain.ce import CE
from worker.domain.errors import ConfirmationNeeded, InUse
from worker.domain.vo import DEFAULT_VO, VO


def add_ce(
    database: Database, backends: Mapping[str, Backend], ce: CE, only_for: Collection[str] = ()
) -> CE:
    """Add a CE, open to all VOs or only for some."""
    registry.check_options(backends, ce.backend, ce.options)
    with database.uow() as tx:
        ces.add(tx, ce)
        if only_for:
            ces.allow(tx, ce.name, only_for)
        return ces.get(tx, ce.name)


def change_ce(
    database: Database,
    backends: Mapping[str, Backend],
    name: str,
    changes: Mapping[str, Any],
    only_for: Collection[str] | None = None,
) -> CE:
    """Change some values of a CE. Options are changed key by key; `None` takes one away."""
    with database.uow() as tx:
        was = ces.get(tx, name)
        merged = {**was.options, **changes.get("options", {})}
        options = {key: value for key, value in merged.items() if value is not None}
        registry.check_options(backends, changes.get("backend", was.backend), options)
        ces.change(tx, name, **{**changes, "options": options})
        if only_for is not None:
            ces.allow(tx, name, only_for)
        return ces.get(tx, name)


def remove_ce(database: Database, name: str, *, yes: bool) -> None:
    """Remove a CE that never had a pilot."""
    if not yes:
        raise ConfirmationNeeded(f"this would remove CE {name}", "say --yes if you mean it")
    with database.uow() as tx:
        ces.remove(tx, name)


def show_ce(database: Database, name: str) -> tuple[CE, list[str]]:
    """Read a CE, and the VOs that may use it; none means all."""
    with database.uow() as tx:
        return ces.get(tx, name), ces.allowed(tx, name)


def list_ces(
    database: Database,
    backends: Mapping[str, Backend],
    *,
    search: str | None = None,
    backend: str | None = None,
    enabled: bool | None = None,
    tags: Collection[str] = (),
    **asked: Any,
) -> Page[CE]:
    """List CEs: one page, asked for as `PageRequest` says."""
    if backend is not None:
        registry.get(backends, backend)
    with database.uow() as tx:
        return ces.find(
            tx,
            search=search,
            backend=backend,
            enabled=enabled,
            tags=tags,
            asked=PageRequest(**asked),
        )


def add_vo(database: Database, vo: VO) -> VO:
    """Add a VO."""
    with database.uow() as tx:
        vos.add(tx, replace(vo, source=_source(vo.source, None)))
        return _shown(vos.get(tx, vo.name))


def change_vo(database: Database, name: str, changes: Mapping[str, Any]) -> VO:
    """Change some values of a VO."""
    with database.uow() as tx:
        if "source" in changes:
            stored = vos.get(tx, name).source
            changes = {**changes, "source": _source(changes["source"], stored)}
            demands.forget(tx, name)
        return _shown(vos.change(tx, name, **changes))


def above_limit(database: Database, name: str) -> str | None:
    """Return what becomes of the pilots of a VO that has more than its limit, if it has."""
    with database.uow() as tx:
        limit, active = vos.get(tx, name).limit, pilot_reads.count_active(tx, vo=name)
    if limit is None or active <= limit:
        return None
    return f"{active} pilots now, above the limit: none is ended, and none is added until it holds"


def _source(
    told: Mapping[str, Any] | None, stored: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return what is to be stored of a source, or say what is wrong with it."""
    if told is None:
        return None
    whole = sources.with_secrets(told, stored)
    sources.check_new(whole)
    return whole


def _shown(vo: VO) -> VO:
    """Return a VO as it may be shown, without the secrets of its source."""
    return vo if vo.source is None else replace(vo, source=sources.shown(vo.source))


def remove_vo(database: Database, name: str, *, yes: bool) -> None:
    """Remove a VO that never had a pilot."""
    if not yes:
        raise ConfirmationNeeded(f"this would remove VO {name}", "say --yes if you mean it")
    if name == DEFAULT_VO:
        raise InUse("VO", name, "it is meant wherever none is named; you may disable it")
    with database.uow() as tx:
        vos.remove(tx, name)


def show_vo(database: Database, name: str) -> VO:
    """Read a VO as it may be shown."""
    with database.uow() as tx:
        return _shown(vos.get(tx, name))


def require(database: Database, *, ce: str | None = None, vo: str | None = None) -> None:
    """Refuse a CE or VO that does not exist."""
    with database.uow() as tx:
        if ce is not None:
            ces.get(tx, ce)
        if vo is not None:
            vos.get(tx, vo)


def ce_names(database: Database) -> list[str]:
    """Name every CE."""
    with database.uow() as tx:
        return ces.names(tx)


def vo_names(database: Database) -> list[str]:
    """Name every VO."""
    with database.uow() as tx:
        return vos.names(tx)


def list_vos(
    database: Database, *, search: str | None = None, enabled: bool | None = None, **asked: Any
) -> Page[VO]:
    """List VOs: one page, asked for as `PageRequest` says."""
    with database.uow() as tx:
        page = vos.find(tx, search=search, enabled=enabled, asked=PageRequest(**asked))
        return replace(page, items=[_shown(vo) for vo in page.items])
