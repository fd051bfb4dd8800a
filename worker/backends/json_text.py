"""JSON that others wrote: read, or found to be none, whatever is in it."""

import json
from typing import Any

LONGEST_NUMBER = 20
"""Characters of a whole number; those that anybody means have 64 bits."""


def read(text: str | bytes) -> Any:
    """Read JSON, or raise a `ValueError`. A text may hold control characters as they are."""
    try:
        try:
            return json.loads(text, strict=False)
        except ValueError:
            # Python refuses a number of thousands of digits; what stands beside it is read.
            return json.loads(text, strict=False, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _integer(written: str) -> int | None:
    return int(written) if len(written) <= LONGEST_NUMBER else None
