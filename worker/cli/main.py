"""The command `pilotage`, with one group for each noun.

Every error is reported here as one line and an exit code: 2 for wrong usage, 130 after Ctrl-C, 143
after SIGTERM, 1 otherwise.
"""

import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from worker.cli.groups import Entry, LazyGroup, example
from worker.domain.errors import PilotageError

OBJECTS = 50_000
"""The number of new objects after which Python's garbage collector runs."""
BY_SIGNAL = 128
"""The exit code of a program that a signal ended is this plus the signal's number."""

COMMANDS = {
    "up": Entry(
        "worker.cli.up",
        "Start workers, beat and the server of the API, and show what they do, until Ctrl-C.",
    ),
    "status": Entry(
        "worker.cli.look", "Show the CEs, the pilots, the last decisions, and what happened last."
    ),
    "top": Entry("worker.cli.look", "Show what 'status' shows, refreshed until Ctrl-C."),
    "explain": Entry("worker.cli.look", "Explain how many pilots a CE got, and why."),
    "failures": Entry("worker.cli.failures", "Sum up why pilots failed lately."),
    "report": Entry("worker.cli.report", "Show the stored reports, or sums of what pilots did."),
    "audit": Entry("worker.cli.audit", "Show who changed what, the latest first."),
    "metrics": Entry("worker.cli.metrics", "Print the numbers that Prometheus reads."),
    "bench": Entry(
        "worker.cli.bench",
        "Measure how long the frequent queries of this installation take.",
    ),
    "web": Entry("worker.cli.web", "Serve the API, until SIGTERM or Ctrl-C."),
    "plan": Entry("worker.cli.plan", "Show what the next cycle would do, and change nothing."),
    "simulate": Entry("worker.cli.simulate", "Compare policies on a made-up world."),
    "ce": Entry("worker.cli.ce", "Manage CEs."),
    "vo": Entry("worker.cli.vo", "Manage VOs."),
    "credential": Entry(
        "worker.cli.credential", "Manage credentials; the secrets stay in their files."
    ),
    "token": Entry("worker.cli.token", "Manage the tokens of programs, and links to sign in."),
    "fleet": Entry(
        "worker.cli.fleet", "Write the files to run workers on several clusters, from a recipe."
    ),
    "webhook": Entry(
        "worker.cli.webhook", "Test the webhook, the address to which events are sent."
    ),
    "apply": Entry("worker.cli.apply", "Change VOs, CEs and schedules to what a TOML file says."),
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
@click.option("--server", metavar="URL", help="Use this server instead of the database.")
@click.option("--token-file", metavar="FILE", help="The file of the token for the server.")
def pilotage(server: str | None, token_file: str | None) -> None:
    """Keep pools of pilot jobs alive on Compute Elements."""
    if token_file is not None and server is None and not os.environ.get("PILOTAGE_SERVER"):
        raise click.UsageError("--token-file needs a server: name it with --server.")
    if server is not None or token_file is not None or "worker.wiring" in sys.modules:
        from worker import wiring

        wiring.use_server(server, token_file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    # The start creates many objects and hardly any garbage; the collector would take a tenth of its
    # time.
    gc.set_threshold(OBJECTS)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    # A sign that the terminal does not know must not end a command.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    # If the standard output is closed, the next opened file would get its descriptor, and so the
    # printed text.
    code = run(arguments) if sys.stdout else _complain("the standard output is closed")
    if "worker.wiring" in sys.modules:
        sys.modules["worker.wiring"].close()
    gc.freeze()  # the exit frees all objects anyway
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code. Every error becomes one line."""
    try:
        _require_text(sys.argv[1:] if arguments is None else arguments)
        pilotage.main(arguments, prog_name="pilotage", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.ClickException as error:
        return _complain(_usage(error), error.exit_code)
    except PilotageError as error:
        return _complain(str(error))
    except (click.Abort, KeyboardInterrupt, _Terminated) as error:
        return _ended(error)
    except click.exceptions.Exit as done:
        return done.exit_code
    except OSError as error:
        return _complain(_problem(error))
    return 0


def _require_text(words: Sequence[str]) -> None:
    """Refuse a word that was no text: neither a database nor a server takes it."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"An argument is not UTF-8: {word!a}") from None


class _Terminated(SystemExit):
    """This process was asked to end."""


def _terminate(number: int, frame: object) -> None:
    """End as after an error, which gives turns and locks back. A second signal ends at once."""
    signal.signal(number, signal.SIG_DFL)
    raise _Terminated


def _ended(error: BaseException) -> int:
    """Print that the command was interrupted. Click also raises Abort at the end of an input."""
    if isinstance(error, _Terminated):
        return _complain("ended by SIGTERM", BY_SIGNAL + signal.SIGTERM)
    by_key = any(isinstance(one, KeyboardInterrupt) for one in (error, error.__context__))
    return _complain("interrupted", BY_SIGNAL + signal.SIGINT if by_key else 1)


def _problem(error: OSError) -> str:
    """Return the line for a system error; only an error of the standard output has no file name."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.errno != errno.ENOSPC:
        raise error
    # At exit Python would try again to write the rest of the buffer, so it goes to /dev/null.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return f"the output cannot be written: {error.strerror}"


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    message += "" if message.endswith((".", "?")) else "."
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "pilotage"
    return f"{message} See '{command} --help'."


def _complain(message: str, code: int = 1) -> int:
    from worker.cli.show import complain

    return complain(message, code)
