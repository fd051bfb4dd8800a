"""The demand as a number that a command prints."""

from pydantic import Field

from worker.backends.shell import run, without_our_settings
from worker.demand.answers import AnswerOptions, number_in
from worker.demand.contract import Source
from worker.domain.errors import BackendError, DemandUnknown

MOST = 1_000_000
"""The most bytes that the command may print."""


class CommandOptions(AnswerOptions):
    """A program of this host; it must be on every worker host that may run it."""

    command: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments, as a list; no shell is used. '{vo}' becomes the VO's name."""


def ask(vo: str, options: CommandOptions) -> int:
    """Run the command, and return the number that it prints."""
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
