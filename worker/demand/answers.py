"""Reading a number out of an answer: the answer itself, or what a path of keys leads to."""

import re
from typing import Any

from worker.backends import json_text
from worker.domain.errors import DemandUnknown

_POSITION = re.compile(r"[0-9]{1,9}")


def number_in(text: str, path: str | None) -> int:
    """Read a whole number from JSON: `jobs.0.waiting` are its keys, in order, and positions."""
    try:
        value: Any = json_text.read(text)
    except ValueError:
        raise DemandUnknown(f"the answer is not JSON: {text[:60]!r}") from None
    for key in path.split(".") if path else ():
        value = _within(value, key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DemandUnknown(f"the answer is no whole number: {str(value)[:60]!r}")
    return value


def _within(value: Any, key: str) -> Any:
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and _POSITION.fullmatch(key) and int(key) < len(value):
        return value[int(key)]
    raise DemandUnknown(f"the answer has no {key!r}")
