"""The table of tasks: the name, purpose, schedule and functions of each.

Celery's tasks, the scheduler, `pilotage task` and the documentation all read this one table.
Extensions add to it by the entry-point group `pilotage.tasks`.

The module of a task is imported at its first run: most commands read the table and run nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any

from worker import plugins
from worker.db import ces, pilot_reads, vos
from worker.db.uow import Transaction
from worker.domain.errors import ConfigurationError, UnknownTask
from worker.domain.nearest import nearest
from worker.domain.pilot import Status
from worker.domain.schedule import Scope
from worker.plugins import on_first_use
from worker.services.runtime import TaskResult

Run = Callable[..., TaskResult]
"""Takes the runtime, and the name of a VO or CE unless the task is global."""


def _no_subjects(tx: Transaction, now: datetime) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of work that is done again and again."""

    name: str
    about: str
    scope: Scope
    run: Run
    plan: Run
    queue: str
    subjects: Callable[[Transaction, datetime], list[str]] = _no_subjects
    every: float | None = None
    cron: str | None = None


_FOLDER = "worker.services.tasks"

PLAN = "plan"
"""The queue of tasks that only use the database."""

CALL = "call"
"""The queue of tasks that wait for others: CEs, demand sources, commands."""


def _built_in(name: str, about: str, **more: Any) -> Task:
    """Return a task of ours. Its module has its name, and so has the function in it."""
    module = f"{_FOLDER}.{name}"
    run, plan = on_first_use(module, name), on_first_use(module, "plan")
    return Task(name=name, about=about, run=run, plan=plan, **more)


BUILT_IN = (
    _built_in(
        "ask_demand",
        "Ask the source of a VO how many pilots it could use.",
        scope=Scope.VO,
        subjects=lambda tx, now: vos.with_source(tx),
        queue=CALL,
        every=60,
    ),
    _built_in(
        "submit_pilots",
        "Decide how many pilots of a VO each CE gets, and hold their slots.",
        scope=Scope.VO,
        subjects=lambda tx, now: vos.names(tx),
        queue=PLAN,
        every=60,
    ),
    _built_in(
        "dispatch",
        "Send the reserved pilots of a CE.",
        scope=Scope.CE,
        subjects=lambda tx, now: pilot_reads.ces_with(tx, Status.RESERVED),
        queue=CALL,
        every=60,
    ),
    _built_in(
        "check_pilots",
        "Ask a CE about the pilots whose check is due, and update their statuses.",
        scope=Scope.CE,
        subjects=pilot_reads.ces_with_due,
        queue=CALL,
        every=30,
    ),
    _built_in(
        "reconcile",
        "List what a CE has by stamp, and settle every pilot in doubt.",
        scope=Scope.CE,
        subjects=lambda tx, now: ces.names(tx),
        queue=CALL,
        every=120,
    ),
    _built_in(
        "learn",
        "Learn the chances of each CE from the outcomes of its pilots.",
        scope=Scope.GLOBAL,
        queue=PLAN,
        every=60,
    ),
    _built_in(
        "tally",
        "Fold the latest moves into the counts that status, slots and reports read.",
        scope=Scope.GLOBAL,
        queue=PLAN,
        every=30,
    ),
    _built_in(
        "sweep",
        "End the pauses made by hand whose time is over, and the pilots that are past a time-out, "
        "idle for too long, or left when a drain ends.",
        scope=Scope.GLOBAL,
        queue=PLAN,
        every=60,
    ),
    _built_in(
        "renew_credentials",
        "Check every credential, renew those that are due, warn of those that expire soon.",
        scope=Scope.GLOBAL,
        queue=CALL,
        every=60,
    ),
    _built_in(
        "webhook",
        "Send the waiting events to the receiver of the webhook.",
        scope=Scope.GLOBAL,
        queue=CALL,
        every=10,
    ),
    _built_in(
        "report",
        "Log and store a summary.",
        scope=Scope.GLOBAL,
        queue=PLAN,
        cron="0 * * * *",
    ),
    _built_in(
        "prune",
        "Delete old final pilots, decisions, reports and changes.",
        scope=Scope.GLOBAL,
        queue=PLAN,
        cron="30 3 * * *",
    ),
)


def import_all() -> None:
    """Import the modules of all built-in tasks, so that processes forked later share them."""
    for task in BUILT_IN:
        import_module(f"{_FOLDER}.{task.name}")


@cache
def tasks() -> dict[str, Task]:
    """Return every task by its name: ours and those of plug-ins."""
    by_name = {task.name: task for task in BUILT_IN}
    for task in plugins.load("pilotage.tasks", Task, "task").values():
        if by_name.setdefault(task.name, task) is not task:
            raise ConfigurationError(f"task {task.name}", "two distributions bring it")
    return by_name


def get(name: str) -> Task:
    by_name = tasks()
    if name not in by_name:
        raise UnknownTask(name, nearest(name, by_name))
    return by_name[name]
