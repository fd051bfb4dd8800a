"""The command `pilotage`: one group a noun. Here every error becomes one line and an exit code:
2 where the command was used wrongly, 1 otherwise.
"""

import sys
from collections.abc import Sequence

import click

from worker.cli import (
    apply,
    backend,
    ce,
    credential,
    db,
    failures,
    look,
    metrics,
    pilot,
    plan,
    simulate,
    task,
    up,
    vo,
)
from worker.cli.completion import complete_names
from worker.cli.options import Group, example
from worker.cli.show import complain
from worker.domain.errors import PilotageError


@click.group(cls=Group, epilog=example("pilotage up --demo"))
@click.version_option(package_name="pilotage")
def pilotage() -> None:
    """Keep pools of pilot jobs alive on Compute Elements."""


for command in (
    up.up,
    look.status,
    look.top,
    look.explain,
    failures.failures,
    metrics.metrics,
    plan.plan,
    simulate.simulate,
    ce.ce,
    vo.vo,
    credential.credential,
    apply.apply,
    apply.export,
    pilot.pilot,
    task.task,
    db.db,
    backend.backend,
):
    pilotage.add_command(command)
complete_names(pilotage)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; tell the exit code."""
    try:
        pilotage.main(arguments, prog_name="pilotage", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.ClickException as error:
        return complain(_usage(error), error.exit_code)
    except PilotageError as error:
        return complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        return complain("interrupted")
    except click.exceptions.Exit as done:
        return done.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        return complain(f"{error.filename}: {error.strerror}")
    return 0


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    message += "" if message.endswith((".", "?")) else "."
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "pilotage"
    return f"{message} See '{command} --help'."
