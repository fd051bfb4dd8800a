"""Lengths of time and moments as one says them."""

from datetime import datetime, timedelta

_UNITS = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))


def spoken(length: timedelta) -> str:
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


def clock(moment: datetime, now: datetime, *, seconds: bool = True) -> str:
    """Write a moment in UTC: of today without the date, of another year without the time."""
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}Z" if seconds else f"{moment:%H:%M}Z"
    return f"{moment:%d %b %H:%M}Z" if moment.year == now.year else f"{moment:%Y-%m-%d}"
