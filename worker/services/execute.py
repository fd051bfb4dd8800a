"""One execution of a task: the same for a worker and by hand."""

import logging
import time

from worker.db import schedules
from worker.db.database import Database
from worker.domain.errors import Invalid, PilotageError
from worker.domain.schedule import Outcome, Scope
from worker.services import calling
from worker.services.catalogue import Task
from worker.services.parts import Done, Parts

log = logging.getLogger(__name__)


def execute(task: Task, subject: str | None, parts: Parts, *, dry_run: bool = False) -> Done:
    """Run a task for its VO or CE, or for all; note on its schedule how it went."""
    arguments = _arguments(task, subject)
    if dry_run:
        return task.plan(parts, *arguments)
    began = time.monotonic()
    outcome = Outcome.FAILED
    try:
        done = task.run(parts, *arguments)
        outcome = done.outcome
    except Exception:
        if task.scope is Scope.CE and subject is not None:
            calling.let_go(parts, subject)
        raise
    finally:
        _note(parts.database, task, subject, outcome, time.monotonic() - began)
    level = logging.WARNING if outcome is Outcome.FAILED else logging.INFO
    log.log(level, "%s: %s%s", " ".join(filter(None, (task.name, subject))), done, _told(done))
    return done


def _arguments(task: Task, subject: str | None) -> list[str]:
    if task.scope is Scope.GLOBAL:
        if subject is not None:
            raise Invalid(f"task {task.name}", "it is for all; name no VO or CE")
        return []
    if subject is None:
        raise Invalid(f"task {task.name}", f"name its {task.scope.upper()}: --{task.scope} NAME")
    return [subject]


def _note(
    database: Database, task: Task, subject: str | None, outcome: Outcome, seconds: float
) -> None:
    """Keep how it went. A skipped execution says nothing about the one that it made way for."""
    if outcome is Outcome.SKIPPED:
        return
    vo = subject if task.scope is Scope.VO else None
    try:
        with database.uow() as tx:
            schedules.finished(tx, task.name, vo, outcome, seconds)
    except PilotageError as error:  # the execution stands, whether or not it is noted
        log.warning("how %s went was not noted: %s", task.name, error)


def _told(done: Done) -> str:
    return f" ({'; '.join(done.lines)})" if done.outcome is Outcome.FAILED and done.lines else ""
