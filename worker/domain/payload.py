"""A payload: what the pilots of a VO run, as a template with typed variables.

Some variables are the system's own. A VO may add others, and give a CE values of its own.
Everything is checked when it is set. A value can never become more than a value: arguments are
words, and what enters a script is made of characters that mean nothing to any shell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.domain import variable as variables_
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.template import Open, Value, complete, fill, is_plain, names_in
from worker.domain.variable import Variable, keys, table

STAMP = "stamp"
"""The one variable that differs from pilot to pilot."""

SYSTEM = (STAMP, "vo", "ce", "backend", "tags")
"""The variables that every payload has."""

LONGEST_SCRIPT = 256 * 1024
LONGEST_WORD = 8 * 1024
MOST_WORDS = 200


@dataclass(frozen=True)
class Fitted:
    """A payload as it is at a CE, in which nothing but the stamp is open."""

    script: Open
    arguments: tuple[Open, ...]

    def for_pilot(self, stamp: str) -> tuple[str, tuple[str, ...]]:
        """Return the script and the arguments of one pilot."""
        words = tuple(complete(word, stamp) for word in self.arguments)
        return complete(self.script, stamp), words


@dataclass(frozen=True, kw_only=True)
class Payload:
    """What the pilots of a VO run."""

    script: str
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    at: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_script(self.script)
        _check_arguments(self.arguments)
        for name in SYSTEM:
            if name in self.variables:
                raise Invalid(self.variables[name].what, "it is one of the system's own")
        known = (*SYSTEM, *self.variables)
        for name in names_in((self.script, *self.arguments)):
            if name not in known:
                raise Invalid(f"payload: unknown variable '@{{{name}}}'", nearest(name, known))
        for ce, values in self.at.items():
            self._check_at(ce, values)
        in_script = {*names_in([self.script])} & self.variables.keys()
        for ce in ("", *self.at):
            for name in sorted(in_script):
                _check_plain(name, self.values(ce)[name])

    def values(self, ce: str) -> dict[str, Value]:
        """Return what the VO's own variables are at a CE."""
        defaults = {name: variable.default for name, variable in self.variables.items()}
        return {**defaults, **self.at.get(ce, {})}

    def fitted(self, *, vo: str, ce: str, backend: str, tags: Sequence[str]) -> Fitted:
        """Fill in what is the same for all pilots of a VO at a CE."""
        system = {"vo": vo, "ce": ce, "backend": backend, "tags": ",".join(tags)}
        values = {**self.values(ce), **system}
        return Fitted(
            fill(self.script, values, STAMP),
            tuple(fill(word, values, STAMP) for word in self.arguments),
        )

    def _check_at(self, ce: str, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            if name not in self.variables:
                raise Invalid(f"payload at {ce}: {name!r}", nearest(name, self.variables))
            self.variables[name].check(value)


def read(told: Mapping[str, Any]) -> Payload:
    """Read a payload from plain values, or refuse what it cannot be."""
    keys("payload", told, ("script", "arguments", "variables", "at"))
    if not isinstance(told.get("script"), str):
        raise Invalid("payload", "it needs a script, a text")
    words = told.get("arguments", ())
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise Invalid("payload: arguments", "write them as a list of words")
    variables = table("payload: variables", told.get("variables", {}))
    at = table("payload: at", told.get("at", {}))
    return Payload(
        script=told["script"],
        arguments=tuple(words),
        variables={name: variables_.read(name, one) for name, one in variables.items()},
        at={ce: table(f"payload at {ce}", values) for ce, values in at.items()},
    )


def plain(payload: Payload) -> dict[str, Any]:
    """Write a payload as the plain values that `read` reads."""
    return {
        "script": payload.script,
        "arguments": list(payload.arguments),
        "variables": {name: variables_.plain(one) for name, one in payload.variables.items()},
        "at": {ce: dict(values) for ce, values in payload.at.items()},
    }


def _check_script(script: str) -> None:
    if not script.strip():
        raise Invalid("payload", "its script is empty")
    if "\0" in script:
        raise Invalid("payload", "its script holds a zero byte")
    try:
        length = len(script.encode())
    except UnicodeEncodeError:
        raise Invalid("payload", "its script is not text") from None
    if length > LONGEST_SCRIPT:
        raise Invalid("payload", f"its script is longer than {LONGEST_SCRIPT} bytes")


def _check_arguments(arguments: Sequence[str]) -> None:
    if len(arguments) > MOST_WORDS:
        raise Invalid("payload", f"it has more than {MOST_WORDS} arguments")
    for word in arguments:
        if not word.isprintable() or len(word) > LONGEST_WORD:
            raise Invalid("payload: argument", f"{word[:60]!r} is not one line of text")


def _check_plain(name: str, value: Value) -> None:
    if not is_plain(value):
        raise Invalid(
            f"payload: variable {name!r}",
            f"{str(value)[:60]!r} cannot enter the script, where a shell could take it for more"
            " than a value; hand it over as an argument",
        )
