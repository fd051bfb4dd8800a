"""Whether Pilotage can do its work: its database, its broker, its schedulers and its workers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.db import schedules
from worker.db.schedules import Schedule
from worker.domain.access import Role
from worker.domain.errors import PilotageError
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime
from worker.services.standstill import sentence, silence, standstills


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of an installation, and what is wrong with it, if anything is."""

    name: str
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Whether every part of an installation works."""

    is_ready: bool
    parts: list[Part]


@allowed_to(Role.READ)
def readiness(runtime: Runtime, checks: Mapping[str, Callable[[], object]]) -> Readiness:
    """Check every part. `checks` has the checks of the parts that a service cannot reach itself."""
    parts = [
        _part("database", lambda: _reach(runtime)),
        *(_part(name, check) for name, check in checks.items()),
        *_of_processes(runtime),
    ]
    return Readiness(is_ready=all(part.problem is None for part in parts), parts=parts)


def _part(name: str, check: Callable[[], object]) -> Part:
    try:
        check()
    except PilotageError as error:
        return Part(name=name, problem=str(error))
    return Part(name=name)


def _reach(runtime: Runtime) -> None:
    with runtime.database.uow() as tx:
        tx.ask_nothing()


def _of_processes(runtime: Runtime) -> list[Part]:
    try:
        with runtime.database.uow() as tx:
            ticks = schedules.get_all(tx)
    except PilotageError:
        why = "not known, because the database cannot be reached"
        return [Part(name=name, problem=why) for name in ("schedulers", "workers")]
    now = runtime.now()
    standing = [sentence(one, now) for one in standstills(ticks, now, runtime.lease)]
    return [
        Part(name="schedulers", problem=_schedulers(ticks, now)),
        Part(name="workers", problem="; ".join(standing) or None),
    ]


def _schedulers(ticks: list[Schedule], now: datetime) -> str | None:
    fired_at = max((tick.last_at for tick in ticks if tick.last_at), default=None)
    return silence(fired_at, now) if fired_at else "no task has ever fired: start a scheduler"
