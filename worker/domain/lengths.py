"""Lengths of time and moments as people write and read them."""

import re
from datetime import UTC, datetime, timedelta

_UNITS = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))
_TYPED = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1}
"""The units of a length that people type, in seconds; of two equal units the first is written."""
_LENGTH = re.compile(rf"([0-9]{{1,9}})({'|'.join(_TYPED)})")


def length(text: str) -> timedelta | None:
    """Read a length of time as people type it: 2h, 30min. Return `None` for any other text."""
    match = _LENGTH.fullmatch(text)
    return timedelta(seconds=int(match[1]) * _TYPED[match[2]]) if match else None


def as_option(value: timedelta) -> str:
    """Write whole seconds as `length` reads them, in the largest unit that divides them."""
    seconds = int(value.total_seconds())
    unit = next(unit for unit, size in _TYPED.items() if seconds % size == 0)
    return f"{seconds // _TYPED[unit]}{unit}"


def in_two_units(length: timedelta) -> str:
    """Write a length of time in its two largest units: 5 h 12 min."""
    left = max(0, int(length.total_seconds()))
    parts = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            plural = "s" if unit == "day" and count != 1 else ""
            parts.append(f"{count} {unit}{plural}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; a moment without a time zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment_of(seconds: float) -> datetime:
    """Return the moment so many seconds after the beginning of 1970, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


NEAR = timedelta(hours=12)
"""Within this distance a time of day means only one moment, even if midnight lies between."""


def clock(moment: datetime, now: datetime, *, seconds: bool = True) -> str:
    """Write a moment in UTC: without the date if it is near, without the time in another year."""
    if moment.date() == now.date() or abs(moment - now) < NEAR:
        return f"{moment:%H:%M:%S}Z" if seconds else f"{moment:%H:%M}Z"
    return f"{moment:%d %b %H:%M}Z" if moment.year == now.year else f"{moment:%Y-%m-%d}"
