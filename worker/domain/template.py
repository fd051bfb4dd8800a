"""A text with places for values.

    @{queue}   stands for the value of queue
    @@{        stands for @{

No shell, and hardly any other language, uses this sign, so an existing script needs no change.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

Value = str | int | float | bool

Open = tuple[str, ...]
"""A text in which all values but one are filled in, split at the places of the missing value."""

_PLACE = re.compile(r"@(?:(@\{)|\{([A-Za-z0-9_.-]{0,80})\})")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*", re.ASCII)


def names_in(texts: Iterable[str]) -> Iterator[str]:
    """Return the names of the values that texts have a place for."""
    for text in texts:
        for place in _PLACE.finditer(text):
            if place[2] is not None:
                yield place[2]


def fill(text: str, values: Mapping[str, Value], left_open: str) -> Open:
    """Put values in their places, except the one that is left open."""
    parts, end = [""], 0
    for place in _PLACE.finditer(text):
        parts[-1] += text[end : place.start()]
        end = place.end()
        if place[2] is None:
            parts[-1] += place[1]
        elif place[2] == left_open:
            parts.append("")
        else:
            parts[-1] += written(values[place[2]])
    parts[-1] += text[end:]
    return tuple(parts)


def complete(parts: Open, value: str) -> str:
    """Put the last value in its places. A text without such a place is returned uncopied."""
    return parts[0] if len(parts) == 1 else value.join(parts)


def written(value: object) -> str:
    """Write a value for a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def is_plain(value: object) -> bool:
    """Return whether every shell reads a value literally, bare or in any quotes."""
    return _PLAIN.fullmatch(written(value)) is not None
