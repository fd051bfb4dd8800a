"""Reasons as one bounded line without secrets, as they are stored for a CE or a task, and shown."""

from worker.domain.errors import PilotageError, Unavailable
from worker.domain.secrets import without_secrets
from worker.domain.texts import one_line

LONGEST = 300
"""The longest stored line, in characters."""


def short_line(text: str, longest: int = LONGEST) -> str:
    """Write a text in one line, cut if it is too long, without whatever looks like a secret.

    Characters that cannot be shown are replaced: the text may be a pilot's, and a terminal obeys
    some of them.
    """
    line = " ".join(one_line(without_secrets(text)).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def reason(error: BaseException) -> str:
    """Write the reason of a failure. For `Unavailable`, write only the details."""
    if isinstance(error, Unavailable) and error.details:
        return short_line(": ".join(str(part) for part in error.details))
    if isinstance(error, PilotageError):
        return short_line(str(error))
    return short_line(f"{type(error).__name__}: {error}")
