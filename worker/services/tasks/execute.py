"""The execution of a task, the same for a worker and by hand."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from worker.db import schedules
from worker.db.changes import note
from worker.db.schedules import Execution
from worker.domain.change import Actor, Door
from worker.domain.errors import Invalid, PilotageError
from worker.domain.lines import reason, short_line
from worker.domain.schedule import Outcome, Scope
from worker.services.log_lines import Trigger, about
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks.catalogue import Task
from worker.tracing import span

log = logging.getLogger(__name__)


def execute(
    task: Task, subject: str | None, runtime: Runtime, *, dry_run: bool = False
) -> TaskResult:
    """Run a task for its VO or CE, or for all; note the outcome on its schedule."""
    arguments = _arguments(task, subject)
    if dry_run:
        return task.plan(runtime, *arguments)
    by = Trigger.HAND if runtime.by_hand else None
    of = {} if task.scope is Scope.GLOBAL else {str(task.scope): subject}
    with about(task=task.name, by=by, **of), span(task.name, by=by, **of) as traced:
        done = _execute(task, arguments, subject, _named(runtime, task))
        traced.set(
            outcome=done.outcome, **{name.replace(" ", "_"): n for name, n in done.counts.items()}
        )
        return done


def _execute(task: Task, arguments: list[str], subject: str | None, runtime: Runtime) -> TaskResult:
    began = time.monotonic()
    done, failure = TaskResult(outcome=Outcome.FAILED), "the execution was stopped from outside"
    try:
        done = task.run(runtime, *arguments)
        failure = short_line("; ".join(done.lines))
    except Exception as error:
        failure = reason(error)
        raise
    finally:
        _note(
            runtime,
            Execution(
                task=task.name,
                subject=subject,
                vo=subject if task.scope is Scope.VO else None,
                outcome=done.outcome,
                seconds=time.monotonic() - began,
                failure=failure,
                by_hand=runtime.by_hand,
            ),
        )
    level = logging.WARNING if done.outcome is Outcome.FAILED else logging.INFO
    log.log(
        level, "%s: %s%s", " ".join(filter(None, (task.name, subject))), done, _failure_lines(done)
    )
    return done


def to_the_end(
    task: Task, subject: str | None, runtime: Runtime, progress: Callable[[TaskResult], object]
) -> TaskResult:
    """Run a task until it leaves nothing to a next execution; each execution is noted by itself."""
    done = execute(task, subject, runtime)
    while done.left:
        progress(done)
        done = done.followed_by(execute(task, subject, runtime))
    return done


def _named(runtime: Runtime, task: Task) -> Runtime:
    """Set who makes the changes of an execution: the task in a worker, the person by hand."""
    if runtime.by_hand:
        actor = replace(runtime.database.actor, door=Door.TASK, command=None)
    else:
        actor = Actor(who=task.name, door=Door.WORKER)
    return replace(runtime, database=runtime.database.used_by(actor))


def _arguments(task: Task, subject: str | None) -> list[str]:
    if task.scope is Scope.GLOBAL:
        if subject is not None:
            raise Invalid(f"task {task.name}", "it works for all VOs and CEs; give no VO or CE")
        return []
    if subject is None:
        raise Invalid(f"task {task.name}", f"name its {task.scope.upper()}: --{task.scope} NAME")
    return [subject]


def _note(runtime: Runtime, execution: Execution) -> None:
    try:
        with runtime.database.uow() as tx:
            schedules.finished(tx, execution, runtime.now())
            if runtime.by_hand and execution.outcome is Outcome.OK:
                after = {"for": execution.subject, "outcome": execution.outcome}
                note(tx, "task", execution.task, "run", after=after)
    except PilotageError as error:  # the execution is valid, also if it could not be noted
        # A failed execution is reported elsewhere anyway, so this is only a debug line.
        level = logging.DEBUG if execution.outcome is Outcome.FAILED else logging.WARNING
        log.log(level, "the outcome of the task %s was not stored: %s", execution.task, error)


def _failure_lines(done: TaskResult) -> str:
    return f" ({'; '.join(done.lines)})" if done.outcome is Outcome.FAILED and done.lines else ""
