"""The tasks: what each is called, what it is for, when it fires, and what it runs.

Celery's tasks, the scheduler, `pilotage task` and the documentation all read this one table.
Extensions add to it by the entry-point group `pilotage.tasks`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from worker import plugins
from worker.db import ces, pilot_reads, vos
from worker.db.uow import Transaction
from worker.domain.errors import ConfigurationError, UnknownTask
from worker.domain.nearest import nearest
from worker.domain.pilot import Status
from worker.domain.schedule import Scope
from worker.services.runtime import TaskResult
from worker.services.tasks import (
    ask_demand,
    check_pilots,
    dispatch,
    learn,
    prune,
    reconcile,
    renew_credentials,
    report,
    submit_pilots,
    sweep,
)

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
"""The queue of tasks that call a CE, and may be slow."""


def _no_subjects(tx: Transaction, now: datetime) -> list[str]:
    return []


def _with_reserved(tx: Transaction, now: datetime) -> list[str]:
    return pilot_reads.ces_with(tx, Status.RESERVED)


BUILT_IN = (
    Task(
        name="ask_demand",
        about="Ask the source of a VO how many pilots it could use.",
        scope=Scope.VO,
        run=ask_demand.ask_demand,
        plan=ask_demand.plan,
        subjects=ask_demand.with_source,
        queue=CALL,
        every=60,
    ),
    Task(
        name="submit_pilots",
        about="Decide how many pilots of a VO each CE gets, and hold their slots.",
        scope=Scope.VO,
        run=submit_pilots.submit_pilots,
        plan=submit_pilots.plan,
        subjects=lambda tx, now: vos.names(tx),
        queue=PLAN,
        every=60,
    ),
    Task(
        name="dispatch",
        about="Send the reserved pilots of a CE.",
        scope=Scope.CE,
        run=dispatch.dispatch,
        plan=dispatch.plan,
        subjects=_with_reserved,
        queue=CALL,
        every=60,
    ),
    Task(
        name="check_pilots",
        about="Ask a CE after the pilots whose check is due, and advance their statuses.",
        scope=Scope.CE,
        run=check_pilots.check_pilots,
        plan=check_pilots.plan,
        subjects=pilot_reads.ces_with_due,
        queue=CALL,
        every=30,
    ),
    Task(
        name="reconcile",
        about="List what a CE has by stamp, and settle every pilot in doubt.",
        scope=Scope.CE,
        run=reconcile.reconcile,
        plan=reconcile.plan,
        subjects=lambda tx, now: ces.names(tx),
        queue=CALL,
        every=120,
    ),
    Task(
        name="learn",
        about="Fold what became of pilots into what is known of each CE.",
        scope=Scope.GLOBAL,
        run=learn.learn,
        plan=learn.plan,
        subjects=_no_subjects,
        queue=PLAN,
        every=60,
    ),
    Task(
        name="sweep",
        about="End pauses by hand and drains whose time is over.",
        scope=Scope.GLOBAL,
        run=sweep.sweep,
        plan=sweep.plan,
        subjects=_no_subjects,
        queue=PLAN,
        every=60,
    ),
    Task(
        name="renew_credentials",
        about="Look at every credential, renew those that are due, warn of those that end.",
        scope=Scope.GLOBAL,
        run=renew_credentials.renew_credentials,
        plan=renew_credentials.plan,
        subjects=_no_subjects,
        queue=CALL,
        every=60,
    ),
    Task(
        name="report",
        about="Log and store a summary.",
        scope=Scope.GLOBAL,
        run=report.report,
        plan=report.plan,
        subjects=_no_subjects,
        queue=PLAN,
        cron="0 * * * *",
    ),
    Task(
        name="prune",
        about="Forget final pilots, decisions and reports that are old enough.",
        scope=Scope.GLOBAL,
        run=prune.prune,
        plan=prune.plan,
        subjects=_no_subjects,
        queue=PLAN,
        cron="30 3 * * *",
    ),
)


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
