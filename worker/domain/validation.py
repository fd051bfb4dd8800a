"""Models of keys and values that come from outside, and errors of one line for wrong values.

The line has the name of the value, and a plain sentence instead of the validator's message. The
value itself is not in the line: it may be a secret.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from worker.domain.errors import Invalid
from worker.domain.nearest import nearest

UNKNOWN_KEY = "unknown_key"

LONGEST = 120
"""The longest name of a value, in characters."""

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
    "extra_forbidden": "unknown key",
    UNKNOWN_KEY: "unknown key {key!r}: {meant}",
    "value_error": "{error}",
}
"""Sentences by the validator's name of the mistake, or by the beginning of that name."""


class Table(BaseModel):
    """Values by their keys. An unknown key is an error that suggests the nearest known key."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: object) -> object:
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        for key in values if isinstance(values, Mapping) else ():
            if key not in keys and key not in cls.model_fields:
                meant = nearest(str(key), keys)
                # This error comes first: a mistyped key would otherwise be reported as missing.
                raise PydanticCustomError(UNKNOWN_KEY, "unknown", {"key": key, "meant": meant})
        return values


class FileTable(Table):
    """A table of a TOML file. Each value must have the right type; no value is converted."""

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


Read = TypeVar("Read", bound=Table)


def read(kind: type[Read], values: object, where: str = "") -> Read:
    """Make a table of plain values. An error names the value that cannot be used, and says why."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        named = [part for part in (where, place(first)) if part]
        raise Invalid(*named, reason(first)) from None


def read_options(
    kind: type[Read], values: Mapping[str, Any], owner: str, word: str = "option"
) -> Read:
    """Make options from a plain mapping. An error names the option and its owner."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name, why = place(first), reason(first)
        if first["type"] == UNKNOWN_KEY:
            name, why = first["ctx"]["key"], first["ctx"]["meant"]
        named = f"{word} {name!r}" if name else f"the {word}s"
        raise Invalid(f"{named} of {owner}", why) from None


@contextmanager
def naming_place(place: str) -> Iterator[None]:
    """Add the place in a file to every `Invalid` error that is raised in the block."""
    try:
        yield
    except Invalid as error:
        raise Invalid(place, *error.details) from None


def place(problem: Mapping[str, Any]) -> str:
    """Return the name of the value that cannot be used, with dots between its parts."""
    return ".".join(map(str, problem["loc"]))[:LONGEST]


def reason(problem: Mapping[str, Any]) -> str:
    """Return why a value cannot be used. The value is not in it: it may be a secret."""
    kind = str(problem["type"])
    while kind not in _SENTENCES and "_" in kind:
        kind = kind.rpartition("_")[0]
    sentence = _SENTENCES.get(kind, "it is not a value of the right kind")
    return sentence.format_map(problem.get("ctx", {}))
