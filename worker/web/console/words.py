"""The format of numbers, times and lists on every page."""

from datetime import UTC, datetime, timedelta

from worker.domain.lengths import in_two_units

NONE = "–"
"""The sign for a missing value."""


def number(value: float | None) -> str:
    """Write a quantity in groups of three digits. Ids are not quantities."""
    if value is None:
        return NONE
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return text.replace("-", "−")


def chance(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def percent(part: float, whole: float) -> str:
    """Write a part of something in percent."""
    return f"{100 * part / whole:.1f} %" if whole else NONE


def moment(value: datetime | None, now: datetime) -> str:
    """Write a moment in UTC: today's without the date, others with it."""
    if value is None:
        return NONE
    if value.astimezone(UTC).date() == now.astimezone(UTC).date():
        return f"{value:%H:%M:%S}"
    return f"{value:%d %b %H:%M}" if value.year == now.year else f"{value:%Y-%m-%d}"


def length(value: timedelta | float | None) -> str:
    """Write a length of time in its two largest units."""
    if value is None:
        return NONE
    return in_two_units(value if isinstance(value, timedelta) else timedelta(seconds=value))


def age(value: datetime | None, now: datetime) -> str:
    return NONE if value is None else f"{in_two_units(now - value)} ago"


def counted(value: int, word: str, words: str = "") -> str:
    """Write a number with its word: 1 pilot, 2 pilots."""
    return f"{number(value)} {word if value == 1 else words or word + 's'}"


def listed(words: list[str]) -> str:
    """Join words as in a sentence."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def seconds(value: float) -> str:
    """Write how long a call took, with two significant digits."""
    if value >= 100:
        return length(value)
    return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s" if value >= 0.001 else "0 s"
