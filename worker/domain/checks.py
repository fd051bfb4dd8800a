"""Checks that values of the inventory share. Each raises `Invalid` with one clear line."""

import re
from datetime import timedelta

from worker.domain.errors import Invalid
from worker.domain.lengths import as_option

LARGEST = 2**31 - 1
"""The largest number that an integer column of the database holds."""

LONGEST = timedelta(days=3650)
"""The longest length of time that may be set."""

LONGEST_NAME = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}")


def require_name(what: str, value: str) -> None:
    """Refuse a name that could be misread in a shell, a log line or a URL."""
    if not _NAME.fullmatch(value):
        raise Invalid(
            f"{what} name {value[:40]!r}",
            "use 1 to 128 letters, digits and . _ : @ / + -, beginning with a letter or digit",
        )


def at_least(what: str, value: float | None, low: float) -> None:
    """Refuse a number that is below `low`, not finite, or too large to store. `None` is allowed."""
    if value is None:
        return
    if value != value:
        raise Invalid(what, f"{value} is not a number")
    if value < low:
        raise Invalid(what, f"{_short(value)} is below {low}")
    if value > LARGEST:
        raise Invalid(what, f"{_short(value)} is above {LARGEST}")


def _short(value: float) -> str:
    """Write a number. A number with very many digits is only called very large."""
    return "a very large number" if 1e30 < abs(value) < float("inf") else str(value)


def between(what: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside `low`..`high`."""
    at_least(what, value, low)
    if value > high:
        raise Invalid(what, f"{value} is above {high}")


def require_length(what: str, value: timedelta | None) -> None:
    """Refuse a length of time that is not whole seconds, is below 1 second, or is very long."""
    if value is None:
        return
    if value % timedelta(seconds=1) or value < timedelta(seconds=1):
        raise Invalid(what, "it must be whole seconds, 1s at least")
    if value > LONGEST:
        raise Invalid(what, f"{as_option(value)} is above {as_option(LONGEST)}")
