"""The tasks: what each is called, what it is for, when it fires, and what it runs.

Celery's tasks, the scheduler, `pilotage task` and the documentation all read this one table.
Extensions add to it by the entry-point group `pilotage.tasks`.

What a task runs is imported when it runs first: most commands read the table and run nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from worker import plugins
from worker.db import ces, pilot_reads, vos
from worker.db.uow import Transaction
from worker.domain.errors import ConfigurationError, UnknownTask
from worker.domain.nearest import nearest
from worker.domain.pilot import Status
from worker.domain.schedule import Scope
from worker.services.runtime import TaskResult

Run = Callable[..., TaskResult]
"""Takes the runtime, and the name of a VO or CE unless the task is global."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of work that is done again and again."""

    name: str
    about: str
    scope: Scope
    run: Run
    plan: Run
    subjects: Callable[[Transaction, datetime], list[str]]
    queue: str
    every: float | None = None
    cron: str | None = None


PLAN = "plan"
"""The queue of tasks that only use the database."""

CALL = "call"
"""The queue of tasks that wait for others: CEs, demand sources, commands."""


def _no_subjects(tx: Transaction, now: datetime) -> list[str]:
    return []


def _with_reserved(tx: Transaction, now: datetime) -> list[str]:
    return pilot_reads.ces_with(tx, Status.RESERVED)


def _on_first_use(module: str, function: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        return getattr(_import(module), function)(*args, **options)

    return call


def _import(module: str) -> ModuleType:
    return import_module(f"worker.services.tasks.{module}")


BUILT_IN = (
    Task(
        name="ask_demand",
        about="Ask the source of a VO how many pilots it could use.",
        scope=Scope.VO,
        run=_on_first_use("ask_demand", "ask_demand"),
        plan=_on_first_use("ask_demand", "plan"),
        subjects=_on_first_use("ask_demand", "with_source"),
        queue=CALL,
        every=60,
    ),
    Task(
        name="submit_pilots",
        about="Decide how many pilots of a VO each CE gets, and hold their slots.",
        scope=Scope.VO,
        run=_on_first_use("submit_pilots", "submit_pilots"),
        plan=_on_first_use("submit_pilots", "plan"),
        subjects=lambda tx, now: vos.names(tx),
        queue=PLAN,
        every=60,
    ),
    Task(
        name="dispatch",
        about="Send the reserved pilots of a CE.",
        scope=Scope.CE,
        run=_on_first_use("dispatch", "dispatch"),
        plan=_on_first_use("dispatch", "plan"),
        subjects=_with_reserved,
        queue=CALL,
        every=60,
    ),
    Task(
        name="check_pilots",
        about="Ask a CE after the pilots whose check is due, and advance their statuses.",
        scope=Scope.CE,
        run=_on_first_use("check_pilots", "check_pilots"),
        plan=_on_first_use("check_pilots", "plan"),
        subjects=pilot_reads.ces_with_due,
        queue=CALL,
        every=30,
    ),
    Task(
        name="reconcile",
        about="List what a CE has by stamp, and settle every pilot in doubt.",
        scope=Scope.CE,
        run=_on_first_use("reconcile", "reconcile"),
        plan=_on_first_use("reconcile", "plan"),
        subjects=lambda tx, now: ces.names(tx),
        queue=CALL,
        every=120,
    ),
    Task(
        name="learn",
        about="Fold what became of pilots into what is known of each CE.",
        scope=Scope.GLOBAL,
        run=_on_first_use("learn", "learn"),
        plan=_on_first_use("learn", "plan"),
        subjects=_no_subjects,
        queue=PLAN,
        every=60,
    ),
    Task(
        name="sweep",
        about="End pauses by hand and drains whose time is over.",
        scope=Scope.GLOBAL,
        run=_on_first_use("sweep", "sweep"),
        plan=_on_first_use("sweep", "plan"),
        subjects=_no_subjects,
        queue=PLAN,
        every=60,
    ),
    Task(
        name="renew_credentials",
        about="Look at every credential, renew those that are due, warn of those that end.",
        scope=Scope.GLOBAL,
        run=_on_first_use("renew_credentials", "renew_credentials"),
        plan=_on_first_use("renew_credentials", "plan"),
        subjects=_no_subjects,
        queue=CALL,
        every=60,
    ),
    Task(
        name="report",
        about="Log and store a summary.",
        scope=Scope.GLOBAL,
        run=_on_first_use("report", "report"),
        plan=_on_first_use("report", "plan"),
        subjects=_no_subjects,
        queue=PLAN,
        cron="0 * * * *",
    ),
    Task(
        name="prune",
        about="Forget final pilots, decisions, reports and changes that are old enough.",
        scope=Scope.GLOBAL,
        run=_on_first_use("prune", "prune"),
        plan=_on_first_use("prune", "plan"),
        subjects=_no_subjects,
        queue=PLAN,
        cron="30 3 * * *",
    ),
)


def import_all() -> None:
    """Import what every built-in task runs, for a process that forks others that share it."""
    for task in BUILT_IN:
        _import(task.name)


@cache
def tasks() -> dict[str, Task]:
    """Return every task by its name, ours and those of extensions."""
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
