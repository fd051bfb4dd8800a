"""Reading a number out of an answer: the answer itself, or what a path of keys leads to."""

import json
from typing import Any

from worker.domain.errors import DemandUnknown


def number_in(text: str, path: str | None) -> int:
    """Read a whole number from JSON: `jobs.0.waiting` are its keys, in order, and positions."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        raise DemandUnknown(f"the answer is not JSON: {text[:60]!r}") from None
    for key in path.split(".") if path else ():
        found = _within(found, key)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise DemandUnknown(f"the answer is no whole number: {str(found)[:60]!r}")
    return found


def _within(found: Any, key: str) -> Any:
    if isinstance(found, dict) and key in found:
        return found[key]
    if isinstance(found, list) and key.isdigit() and int(key) < len(found):
        return found[int(key)]
    raise DemandUnknown(f"the answer has no {key!r}")
