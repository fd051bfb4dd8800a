"""Plain sentences for values of the wrong kind or size, in place of the validator's own words."""

from collections.abc import Mapping
from typing import Any

_SENTENCES = {
    "int": "it must be a whole number",
    "float": "it must be a number",
    "decimal": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool": "it must be true or false",
    "string_type": "it must be text; write a number that is meant as text in double quotes",
    "string_too_short": "it must have at least {min_length} characters",
    "string_too_long": "it must have at most {max_length} characters",
    "string_pattern_mismatch": "it must match {pattern}",
    "greater_than_equal": "it must be at least {ge}",
    "greater_than": "it must be above {gt}",
    "less_than_equal": "it must be at most {le}",
    "less_than": "it must be below {lt}",
    "multiple_of": "it must be a multiple of {multiple_of}",
    "time_delta": "it must be a number of seconds",
    "datetime": "it must be a moment like 2026-01-31T12:00",
    "path": "it must be a path",
    "literal_error": "it must be {expected}",
    "enum": "it must be {expected}",
    "too_short": "it must have at least {min_length} entries",
    "too_long": "it must have at most {max_length} entries",
    "list": 'it must be a list, like ["a", "b"]',
    "tuple": 'it must be a list, like ["a", "b"]',
    "set": 'it must be a list, like ["a", "b"]',
    "frozen_set": 'it must be a list, like ["a", "b"]',
    "dict": 'it must be a table, like {{"a": 1}}',
    "mapping": 'it must be a table, like {{"a": 1}}',
    "model": "it must be a table",
    "dataclass": "it must be a table",
    "missing": "it must be given",
    "extra_forbidden": "there is no such key",
    "value_error": "{error}",
}
"""By the validator's name of the mistake, or by the beginning of that name."""


def place(problem: Mapping[str, Any]) -> str:
    """Return the name of the value that cannot be used, with dots between its parts."""
    return ".".join(map(str, problem["loc"]))


def reason(problem: Mapping[str, Any]) -> str:
    """Return why a value cannot be used. The value is not in it: it may be a secret."""
    kind = str(problem["type"])
    while kind not in _SENTENCES and "_" in kind:
        kind = kind.rpartition("_")[0]
    sentence = _SENTENCES.get(kind, "it is not a value of the right kind")
    return sentence.format_map(problem.get("ctx", {}))
