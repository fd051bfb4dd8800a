"""`pilotage task`: the periodic tasks, by hand and by schedule."""

import traceback
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import as_json
from worker.cli.perform import perform
from worker.domain.errors import Invalid, TaskFailed
from worker.domain.schedule import Outcome, Scope
from worker.domain.vo import DEFAULT_VO
from worker.services.observe.tasks import list_tasks
from worker.services.runtime import TaskResult
from worker.services.tasks import catalogue, execute, ticks

MACHINES_ONLY = (
    *("every", "cron", "about", "is_stored"),
    *("firings_not_done", "not_done_since", "failed_at", "failed_for", "failure"),
)


@click.group(cls=Group, epilog=example("pilotage task run submit_pilots --vo default --dry-run"))
def task() -> None:
    """See the periodic tasks, run one now, change when they fire."""


@task.command("list", epilog=example("pilotage task list"))
@as_json
def list_(as_json: bool) -> None:
    """List the tasks, when each fires, and its last outcome."""
    rows = [asdict(line) for line in perform(list_tasks)]
    if as_json:
        show.as_json([{name: row[name] for name in row if name != "is_stored"} for row in rows])
        return
    for row in rows:
        if row["enabled"] and row["next"] is None and row["is_stored"]:
            row["next"] = "at once"
        row["seconds"] = None if row["seconds"] is None else f"{row['seconds']:.2f}"
    show.table(rows, [name for name in rows[0] if name not in MACHINES_ONLY], "no tasks found")
    for row in rows:
        if row["failed_at"]:
            show.say(_failure(row))


@task.command(epilog=example("pilotage task run dispatch --ce lyon --dry-run"))
@click.argument("name")
@click.option("--vo", help="Run the task for this VO.")
@click.option("--ce", help="Run the task for this CE.")
@click.option(
    "--dry-run", is_flag=True, help="Say what the task would do; change nothing, call no CE."
)
@click.option("--explain", is_flag=True, help="Show every step and reason.")
@click.option(
    "--pdb", "debug", is_flag=True, help="Open a debugger where the task raises an error."
)
@as_json
def run(
    name: str,
    vo: str | None,
    ce: str | None,
    dry_run: bool,
    explain: bool,
    debug: bool,
    as_json: bool,
) -> None:
    """Run a task now, in this process, without a broker. Locks apply; rate limits do not."""
    entry = catalogue.get(name)
    subject = _subject(entry, vo, ce)
    runtime = wiring.by_hand()
    try:
        if dry_run:
            done = execute.execute(entry, subject, runtime, dry_run=True)
        else:
            done = execute.to_the_end(entry, subject, runtime, partial(_progress, name))
    except Exception:
        if debug:
            traceback.print_exc()
            import pdb  # noqa: T100

            pdb.post_mortem()
        raise
    if as_json:
        show.as_json(asdict(done))
    else:
        show.say(f"{name}{f' {subject}' if subject else ''}: {done}")
        if explain or dry_run or done.outcome is not Outcome.OK:
            for line in done.lines:
                show.say(f"  {line}")
    if done.outcome is Outcome.FAILED:
        raise TaskFailed(name, subject or "all", *done.lines[:1])


@task.command(epilog=example("pilotage task schedule submit_pilots --every 30 --vo lhcb"))
@click.argument("name")
@click.option("--every", type=float, help="Seconds from one firing to the next.")
@click.option("--cron", help="A cron line, in UTC.")
@click.option("--vo", help="Only for this VO.")
def schedule(name: str, every: float | None, cron: str | None, vo: str | None) -> None:
    """Change when a task fires; running schedulers notice it."""
    if every is None and cron is None:
        raise Invalid(f"schedule of {name}", "give --every or --cron")
    _set(name, vo=vo, every=every, cron=cron)


@task.command(epilog=example("pilotage task enable reconcile"))
@click.argument("name")
@click.option("--vo", help="Only for this VO.")
def enable(name: str, vo: str | None) -> None:
    """Let a task fire again."""
    _set(name, vo=vo, enabled=True)


@task.command(epilog=example("pilotage task disable submit_pilots --vo lhcb"))
@click.argument("name")
@click.option("--vo", help="Only for this VO.")
def disable(name: str, vo: str | None) -> None:
    """Stop a task from firing."""
    _set(name, vo=vo, enabled=False)


def _failure(row: Mapping[str, Any]) -> str:
    subject = f" for {row['scope'].upper()} {row['failed_for']}" if row["failed_for"] else ""
    at = f"{row['failed_at']:%Y-%m-%d %H:%M:%S}Z"
    return f"{row['name']} failed{subject} at {at}: {row['failure']}"


def _subject(entry: catalogue.Task, vo: str | None, ce: str | None) -> str | None:
    """Return the VO or CE for which the task is run; refuse an option that its scope excludes."""
    wrong = "--ce" if ce is not None and entry.scope is not Scope.CE else None
    wrong = "--vo" if vo is not None and entry.scope is not Scope.VO else wrong
    if wrong:
        raise Invalid(f"task {entry.name}", f"its scope is {entry.scope}; leave {wrong} out")
    if entry.scope is Scope.VO:
        return vo or DEFAULT_VO
    return ce


def _progress(name: str, done: TaskResult) -> None:
    click.echo(f"{name}: {done}", err=True)


def _set(name: str, *, vo: str | None, **changes: Any) -> None:
    changed = perform(ticks.set_schedule, name, vo=vo, **changes)
    show.say(f"{name}{f' for VO {vo}' if vo else ''}: {changed.fires}")
