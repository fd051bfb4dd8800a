"""The command `pilotage`: one group a noun. Here every error becomes one line and an exit code:
2 where the command was used wrongly, 1 otherwise.
"""

import gc
import sys
from collections.abc import Sequence

import click

from worker.cli.groups import Entry, LazyGroup, example
from worker.domain.errors import PilotageError

OBJECTS = 50_000
"""New objects after which Python looks for garbage."""

COMMANDS = {
    "up": Entry("worker.cli.up", "Start workers and beat, and show what they do, until Ctrl-C."),
    "status": Entry(
        "worker.cli.look", "Show the CEs, the pilots, and what happened last, and why."
    ),
    "top": Entry("worker.cli.look", "Show the same, live, until Ctrl-C."),
    "explain": Entry("worker.cli.look", "Explain why a CE got as many pilots as it did, or none."),
    "failures": Entry("worker.cli.failures", "Sum up why pilots failed lately."),
    "report": Entry("worker.cli.report", "Show the summaries that were stored, the latest first."),
    "metrics": Entry("worker.cli.metrics", "Print the numbers that Prometheus reads."),
    "plan": Entry("worker.cli.plan", "Show what the next cycle would do, and change nothing."),
    "simulate": Entry("worker.cli.simulate", "Compare policies on a made-up world."),
    "ce": Entry("worker.cli.ce", "Manage CEs."),
    "vo": Entry("worker.cli.vo", "Manage VOs."),
    "credential": Entry(
        "worker.cli.credential", "Manage credentials; the secrets stay in their files."
    ),
    "apply": Entry("worker.cli.apply", "Make VOs, CEs and schedules what a TOML file says."),
    "export": Entry(
        "worker.cli.apply",
        "Write VOs, CEs, payloads, schedules and credentials as TOML.",
    ),
    "pilot": Entry("worker.cli.pilot", "Look at pilots, and end them."),
    "task": Entry("worker.cli.task", "See the periodic tasks, run one now, change when they fire."),
    "db": Entry("worker.cli.db", "Manage the database."),
    "backend": Entry("worker.cli.backend", "See the back-ends and migrate their tables."),
}


def _complete_names(command: click.Command) -> None:
    from worker.cli.completion import complete_names

    complete_names(command)


@click.group(
    cls=LazyGroup, entries=COMMANDS, prepare=_complete_names, epilog=example("pilotage up --demo")
)
@click.version_option(package_name="pilotage")
def pilotage() -> None:
    """Keep pools of pilot jobs alive on Compute Elements."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    # A start makes many objects and hardly any garbage; to look for it costs a tenth of the start.
    gc.set_threshold(OBJECTS)
    code = run(arguments)
    if "worker.wiring" in sys.modules:
        sys.modules["worker.wiring"].close()
    gc.freeze()  # what is left goes with the process
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    try:
        pilotage.main(arguments, prog_name="pilotage", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.ClickException as error:
        return _complain(_usage(error), error.exit_code)
    except PilotageError as error:
        return _complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted")
    except click.exceptions.Exit as done:
        return done.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        return _complain(f"{error.filename}: {error.strerror}")
    return 0


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    message += "" if message.endswith((".", "?")) else "."
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "pilotage"
    return f"{message} See '{command} --help'."


def _complain(message: str, code: int = 1) -> int:
    from worker.cli.show import complain

    return complain(message, code)
