"""KEY=VALUE pairs, as people write options."""

import json
import math
from collections.abc import Sequence
from typing import Any

from worker.domain.errors import Invalid


def _number(text: str) -> float | str:
    return float(text) if math.isfinite(float(text)) else text


# JSON has no infinity, and a database refuses to store one as JSON, so it stays text.
_FINITE: dict[str, Any] = {"parse_float": _number, "parse_constant": str}


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE pairs. A value is read as JSON if it is JSON, and is text otherwise."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise Invalid("option", f"{pair!r} is not KEY=VALUE")
        options[key] = _read(value)
    return options


def written_pair(key: str, value: object) -> str:
    """Write a pair in one line, as `parse_pairs` reads it."""
    is_plain = isinstance(value, str) and value.isprintable() and value == value.strip()
    if is_plain and _read(str(value)) == value:
        return f"{key}={value}"
    return f"{key}={json.dumps(value, ensure_ascii=False, default=str)}"


def _read(value: str) -> Any:
    if value == "none":
        return None
    try:
        return json.loads(value, **_FINITE)
    except (ValueError, RecursionError):  # ValueError also for a number of thousands of digits
        return value
