"""Values written as text for people."""

import json
from collections.abc import Callable, Mapping
from typing import Any

REASON = "reason"
"""The name of the value of a change that says why it was made."""


def word(value: object) -> str:
    """Write a value that was stored as JSON."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_option(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value) or "-"
    return str(value)


def settings(values: Mapping[str, Any], write: Callable[[object], str] = word) -> str:
    """Write values as a list in words; empty and false values are left out."""
    parts = (
        spaced(name) if value is True else f"{spaced(name)} {write(value)}"
        for name, value in values.items()
        if value or (value == 0 and value is not False)
    )
    return ", ".join(parts)


def change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Write each value that differs; for a new or removed object, write all its values."""
    if before is None or after is None:
        values = after or before or {}
        return settings({name: values[name] for name in values if name != "name"})
    return ", ".join(_step(name, was, after.get(name)) for name, was in before.items())


def _step(name: str, was: Any, becomes: Any) -> str:
    """Write one value that differs. A reason belongs to one change, so it has no value before."""
    if name == REASON and was is None:
        return f"{REASON} '{word(becomes)}'"
    return f"{spaced(name)} {word(was)} → {word(becomes)}"


def spaced(name: str) -> str:
    return name.replace("_", " ")


def _option(value: object) -> str:
    """Write the value of an option so that it can be typed as an option again."""
    if isinstance(value, str) and " " not in value:
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, ensure_ascii=False, default=str)
