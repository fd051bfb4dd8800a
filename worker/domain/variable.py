"""A variable of a payload: the kind of its values, its bounds and its default."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from worker.domain.template import written
from worker.domain.validation import FileTable
from worker.domain.words import Described

LONGEST = 8 * 1024
"""The longest value, in characters."""


class Kind(Described):
    """The kind of the values of a variable."""

    TEXT = "text", "A line of text."
    WHOLE = "whole", "A whole number."
    NUMBER = "number", "A number."
    FLAG = "flag", "`true` or `false`."


_NUMBERS = (Kind.WHOLE, Kind.NUMBER)
_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: lambda value: isinstance(value, str) and value.isprintable(),
    Kind.WHOLE: lambda value: type(value) is int,
    Kind.NUMBER: lambda value: type(value) in (int, float) and math.isfinite(value),
    Kind.FLAG: lambda value: type(value) is bool,
}


_NOUNS: Mapping[Kind, str] = {
    Kind.TEXT: "a line of text",
    Kind.WHOLE: "a whole number",
    Kind.NUMBER: "a number",
    Kind.FLAG: "true or false",
}


class Variable(FileTable):
    """Which values a variable may have, and its default."""

    kind: Kind = Field(default=Kind.TEXT, alias="type", strict=False)
    default: Any
    least: float | None = None
    most: float | None = None
    choices: tuple[Any, ...] = Field(default=(), exclude_if=lambda choices: not choices)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.kind not in _NUMBERS and (self.least, self.most) != (None, None):
            raise ValueError(f"a {self.kind} has neither least nor most")
        for choice in self.choices:
            self._fit(choice)
        self.check(self.default)
        return self

    def check(self, value: Any) -> None:
        """Raise `ValueError` for a value that does not fit."""
        self._fit(value)
        if self.kind in _NUMBERS:
            if self.least is not None and value < self.least:
                raise ValueError(f"{value} is below {self.least:g}")
            if self.most is not None and value > self.most:
                raise ValueError(f"{value} is above {self.most:g}")
        if self.choices and value not in self.choices:
            named = ", ".join(written(choice) for choice in self.choices)
            raise ValueError(f"{_short(value)} is not one of {named}")

    def _fit(self, value: Any) -> None:
        if not _FITS[self.kind](value):
            raise ValueError(f"{_short(value)} is not {_NOUNS[self.kind]}")
        if len(written(value)) > LONGEST:
            raise ValueError(f"a value is longer than {LONGEST} characters")


def _short(value: object) -> str:
    return repr(value)[:60]
