"""The inventory of CEs. One change is one unit of work."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from worker.backends import registry
from worker.db import ces, setters
from worker.db.changes import write_noted
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.ce import CE
from worker.domain.change import Setter, read_reason
from worker.domain.errors import ConfirmationNeeded, NotAllowed
from worker.domain.pages import FIRST, Page, PageRequest
from worker.domain.sending import Sending
from worker.domain.values import OF_STEERING, CEValues, NewCE, Seconds
from worker.services.allowed import allowed_to
from worker.services.ce_lines import NORMAL, states
from worker.services.operate import pauses
from worker.services.operate.versions import check_version, version_of
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class ListedCE:
    """A CE as a row of a list: its settings, and its state in a word."""

    name: str
    state: str
    backend: str
    capacity: int
    success_rate: float
    waiting_limit: int | None
    enabled: bool
    draining: bool
    drain_by: datetime | None
    end_running: bool
    wait_at_most: Seconds | None
    run_at_most: Seconds | None
    silent_at_most: Seconds | None
    cancel_strangers: bool
    open_to_all: bool
    tags: tuple[str, ...]
    options: Mapping[str, Any]
    set_by: Mapping[str, Setter]
    """Who keeps pilots away from the CE, since when and why, for each value that does so."""


@dataclass(frozen=True, kw_only=True)
class ShownCE(ListedCE):
    """A CE: its settings, its state, the state of its calls, and what was learnt about it."""

    only_for: list[str]
    """The only VOs that may use it; an empty list means all VOs."""
    calls: str | None
    failed_calls: int
    answered_at: datetime | None
    unanswered_since: datetime | None
    last_error: str | None
    retry_at: datetime | None
    sending: Sending
    sending_reason: str | None
    sending_since: datetime | None
    held_until: datetime | None
    unreconciled_since: datetime | None
    chances: Mapping[str, float]


SETTINGS = frozenset(field.name for field in fields(ListedCE)) - {"state", "set_by"} | {"only_for"}


def version(ce: ShownCE) -> str:
    """Return a hash of the settings of a CE, which changes when they change."""
    return version_of({name: getattr(ce, name) for name in SETTINGS})


@allowed_to(Role.ADMIN)
def add_ce(runtime: Runtime, new: NewCE) -> ShownCE:
    """Add a CE, open to all VOs or only to some."""
    values: dict[str, Any] = dict(new)
    only_for = values.pop("only_for", ())
    ce = CE(**values)
    registry.check_options(runtime.backends, ce.backend, ce.options)
    with runtime.database.uow() as tx:
        ces.add(tx, ce)
        if only_for:
            ces.allow(tx, ce.name, only_for)
        return tx.answer(_shown(tx, runtime, ce.name))


@allowed_to(Role.OPERATE)
def change_ce(
    runtime: Runtime, name: str, changes: CEValues, *, unless_changed: str | None = None
) -> ShownCE:
    """Change some values of a CE. Options are changed key by key; null removes an option.

    The role *operate* may change `enabled`, `draining`, `drain_by` and `end_running`; all other
    values need the role *admin*. If the version that was read is given, the CE is changed only if
    nobody else has changed it since.
    """
    if not OF_STEERING.issuperset(changes):
        _require_admin(runtime, name)
    values: dict[str, Any] = dict(changes)
    reason = read_reason(values.pop("reason", None))
    only_for: Collection[str] | None = values.pop("only_for", None)
    with runtime.database.uow() as tx:
        was = ces.get(tx, name, locked=True)
        if unless_changed is not None:
            check_version(unless_changed, version(_shown(tx, runtime, name)), f"CE {name}")
        merged = {**was.options, **values.get("options", {})}
        options = {key: value for key, value in merged.items() if value is not None}
        registry.check_options(runtime.backends, values.get("backend", was.backend), options)
        ces.change(tx, name, reason=reason, **{**values, "options": options})
        if only_for is not None:
            ces.allow(tx, name, only_for)
        write_noted(tx)
        return _shown(tx, runtime, name)


@allowed_to(Role.ADMIN)
def remove_ce(runtime: Runtime, name: str, *, yes: bool = True) -> None:
    """Remove a CE that has no pilots, not even in the history."""
    if not yes:
        raise ConfirmationNeeded(f"this would remove CE {name}")
    with runtime.database.uow() as tx:
        ces.remove(tx, name)


@allowed_to(Role.READ)
def show_ce(runtime: Runtime, name: str) -> ShownCE:
    """Show a CE: its settings, its state, and what was learnt about it."""
    with runtime.database.uow() as tx:
        return _shown(tx, runtime, name)


@allowed_to(Role.READ)
def list_ces(
    runtime: Runtime,
    *,
    search: str | None = None,
    backend: str | None = None,
    enabled: bool | None = None,
    tags: Collection[str] = (),
    page: PageRequest = FIRST,
) -> Page[ListedCE]:
    """List the CEs."""
    if backend is not None:
        registry.get(runtime.backends, backend)
    with runtime.database.uow() as tx:
        listed = ces.find(
            tx, search=search, backend=backend, enabled=enabled, tags=tags, asked=page
        )
        by_name, set_by = states(tx, runtime), setters.of_ces(tx)
    items = [
        ListedCE(
            state=by_name.get(ce.name, NORMAL), set_by=set_by.get(ce.name, {}), **_settings(ce)
        )
        for ce in listed.items
    ]
    return Page(items, listed.next)


@allowed_to(Role.READ)
def ce_names(runtime: Runtime) -> list[str]:
    """List the names of all CEs."""
    with runtime.database.uow() as tx:
        return ces.names(tx)


def _shown(tx: Transaction, runtime: Runtime, name: str) -> ShownCE:
    settings = _settings(ces.get(tx, name))
    return ShownCE(
        state=states(tx, runtime, name).get(name, NORMAL),
        **settings,
        set_by=setters.of_ces(tx, name).get(name, {}),
        only_for=ces.allowed(tx, name),
        **pauses.state(tx, runtime, name),
    )


def _settings(ce: CE) -> dict[str, Any]:
    values = {field.name: getattr(ce, field.name) for field in fields(ce)}
    del values["id"]
    return {**values, "options": dict(ce.options)}


def _require_admin(runtime: Runtime, name: str) -> None:
    actor = runtime.database.actor
    if not actor.access.may(Role.ADMIN):
        allowed = ", ".join(sorted(OF_STEERING))
        raise NotAllowed(f"settings of CE {name}", f"{actor.access} may only change {allowed}")
