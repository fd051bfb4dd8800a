"""A variable of a payload: of which kind its values are, and what it is by default."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.template import Value, written
from worker.domain.words import Described

LONGEST = 8 * 1024
"""Characters that a value may have."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


class Kind(Described):
    """What the values of a variable are."""

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


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What a variable may be, and what it is where nothing else is said."""

    name: str
    kind: Kind
    default: Value
    least: float | None = None
    most: float | None = None
    choices: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Invalid(self.what, "use small letters, digits and _, beginning with a letter")
        if self.kind not in _NUMBERS and (self.least, self.most) != (None, None):
            raise Invalid(self.what, f"a {self.kind} has neither least nor most")
        for choice in self.choices:
            self._fit(choice)
        self.check(self.default)

    @property
    def what(self) -> str:
        """Name it in a message."""
        return f"payload: variable {self.name[:40]!r}"

    def check(self, value: Value) -> None:
        """Refuse a value that does not fit."""
        self._fit(value)
        if self.kind in _NUMBERS:
            assert isinstance(value, int | float)
            if self.least is not None and value < self.least:
                raise Invalid(self.what, f"{value} is below {self.least:g}")
            if self.most is not None and value > self.most:
                raise Invalid(self.what, f"{value} is above {self.most:g}")
        if self.choices and value not in self.choices:
            named = ", ".join(written(choice) for choice in self.choices)
            raise Invalid(self.what, f"{_short(value)} is none of {named}")

    def _fit(self, value: Value) -> None:
        if not _FITS[self.kind](value):
            raise Invalid(self.what, f"{_short(value)} is no {self.kind}")
        if len(written(value)) > LONGEST:
            raise Invalid(self.what, f"a value is longer than {LONGEST} characters")


def read(name: str, told: object) -> Variable:
    """Read a variable from plain values."""
    what = f"payload: variable {name[:40]!r}"
    values = table(what, told)
    keys(what, values, ("type", "default", "least", "most", "choices"))
    word = values.get("type", Kind.TEXT)
    if word not in set(Kind):
        raise Invalid(f"{what}: type {word!r}", nearest(str(word), map(str, Kind)))
    if "default" not in values:
        raise Invalid(what, "it needs a default")
    for key in ("least", "most"):
        if type(values.get(key, 0)) not in (int, float):
            raise Invalid(f"{what}: {key}", f"{_short(values[key])} is no number")
    if not isinstance(values.get("choices", []), list):
        raise Invalid(f"{what}: choices", "write them as a list")
    return Variable(
        name=name,
        kind=Kind(word),
        default=values["default"],
        least=values.get("least"),
        most=values.get("most"),
        choices=tuple(values.get("choices", ())),
    )


def plain(variable: Variable) -> dict[str, Any]:
    """Write a variable as the plain values that `read` reads."""
    told: dict[str, Any] = {"type": str(variable.kind), "default": variable.default}
    for key in ("least", "most"):
        if getattr(variable, key) is not None:
            told[key] = getattr(variable, key)
    return told | ({"choices": list(variable.choices)} if variable.choices else {})


def table(what: str, told: object) -> Mapping[str, Any]:
    """Refuse what is no table."""
    if not isinstance(told, Mapping):
        raise Invalid(what, "write it as a table")
    return told


def keys(what: str, told: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse keys that mean nothing."""
    for key in told:
        if key not in known:
            raise Invalid(f"{what}: unknown key {key!r}", nearest(key, known))


def _short(value: object) -> str:
    return repr(value)[:60]
