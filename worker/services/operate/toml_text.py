"""Writing of plain values as TOML. Python's standard library only reads TOML."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from worker.domain.lengths import as_option

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def document(tables: Mapping[Sequence[str], Mapping[str, Any]]) -> str:
    """Write tables, each under its path. `None` is left out: TOML has no such value."""
    return "\n".join("\n".join(_table(path, values)) + "\n" for path, values in tables.items())


def _table(path: Sequence[str], values: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{'.'.join(map(key, path))}]"
    for name, item in values.items():
        if item is not None:
            yield f"{key(name)} = {_long(item) if isinstance(item, str) else value(item)}"


def key(name: str) -> str:
    """Write a key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else text(name)


def value(item: Any) -> str:
    """Write a value in one line."""
    if isinstance(item, str):
        return text(item)
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, datetime):
        return item.isoformat()
    if isinstance(item, timedelta):
        return text(as_option(item))
    if isinstance(item, int | float):
        return repr(item)
    if isinstance(item, Mapping):
        pairs = [f"{key(name)} = {value(element)}" for name, element in item.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    return f"[{', '.join(map(value, item))}]"


def text(item: str) -> str:
    """Write a text in quotes; a character that cannot be printed is written as its number."""
    return f'"{"".join(map(_character, item))}"'


def _character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _long(item: str) -> str:
    """Write a text of several lines between triple quotes, if it needs no escapes."""
    plain = all(c.isprintable() or c in "\n\t" for c in item)
    if "\n" in item and plain and "'''" not in item and not item.endswith("'"):
        return f"'''\n{item}'''"
    return text(item)
