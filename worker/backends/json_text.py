"""Reading JSON that others wrote: any text gives a value or a `ValueError`."""

import json
from typing import Any

LONGEST_NUMBER = 20
"""The most characters of a whole number: no number of 64 bits has more."""


def read(text: str | bytes) -> Any:
    """Read JSON, or raise a `ValueError`. Strings in it may hold unescaped control characters."""
    try:
        try:
            return json.loads(text, strict=False)
        except ValueError:
            # Python refuses a number of thousands of digits: read it as `None`, and the rest.
            return json.loads(text, strict=False, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _integer(written: str) -> int | None:
    return int(written) if len(written) <= LONGEST_NUMBER else None
