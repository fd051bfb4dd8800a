"""The demand as a command prints it."""

from pydantic import Field

from worker.backends.shell import run, without_our_settings
from worker.demand.answers import AnswerOptions, number_in
from worker.demand.contract import Source
from worker.domain.errors import BackendError, DemandUnknown

MOST = 1_000_000
"""Bytes that it may print."""


class CommandOptions(AnswerOptions):
    """A program of this host; each worker host that may ask needs it."""

    command: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments, as a list. No shell reads it. '{vo}' becomes the VO's name."""


def ask(vo: str, options: CommandOptions) -> int:
    """Run the command."""
    argv = [word.replace("{vo}", vo) for word in options.command]
    try:
        done = run(argv, timeout=options.timeout, limit=MOST, env=without_our_settings())
    except BackendError as error:
        raise DemandUnknown(*error.details) from error
    if done.exit_code != 0:
        raise DemandUnknown(argv[0], f"exit code {done.exit_code}")
    return number_in(done.stdout, options)


COMMAND = Source(
    name="command", about="A command that prints the number.", options=CommandOptions, ask=ask
)
