"""A payload: what the pilots of a VO run, as a template with typed variables.

Some variables are defined by Pilotage. A VO may add others, and may set other values for a CE.
Everything is checked when it is set. A value can never act as code: arguments are single words, and
a value that enters a script has only characters without a meaning for any shell.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from worker.domain import validation
from worker.domain.nearest import nearest
from worker.domain.pilot import ExitMeaning
from worker.domain.template import Open, Value, complete, fill, is_plain, names_in
from worker.domain.validation import FileTable
from worker.domain.variable import Variable

STAMP = "stamp"
"""The one variable that differs from pilot to pilot."""

SYSTEM = (STAMP, "vo", "ce", "backend", "tags")
"""The variables that every payload has."""

LARGEST_EXIT_CODE = 255
LONGEST_LIFE = 365 * 86_400
LONGEST_GRACE = 86_400
LONGEST_SCRIPT = 256 * 1024
LONGEST_WORD = 8 * 1024
MOST_WORDS = 200

_EXIT_CODE = re.compile(r"0|[1-9][0-9]{0,2}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


@dataclass(frozen=True)
class Fitted:
    """A payload for a CE, in which all variables except the stamp are filled in."""

    script: Open
    arguments: tuple[Open, ...]

    def for_pilot(self, stamp: str) -> tuple[str, tuple[str, ...]]:
        """Return the script and the arguments of one pilot."""
        words = tuple(complete(word, stamp) for word in self.arguments)
        return complete(self.script, stamp), words


class Payload(FileTable):
    """What the pilots of a VO run."""

    script: str
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = Field(default={})
    at: Mapping[str, Mapping[str, Any]] = Field(default={})
    exit_codes: Mapping[str, ExitMeaning] = Field(default={})
    """The meanings of the payload's exit codes."""
    useful_after: float | None = Field(default=None, ge=0, le=LONGEST_LIFE)
    """Seconds that a pilot must have run to have been of use; without it, this time is learnt from
    how long the VO's pilots live."""
    reports: bool = False
    """Whether each pilot gets a secret, with which it sends pilot reports."""
    grace: float | None = Field(default=None, gt=0, le=LONGEST_GRACE)
    """Seconds that a pilot has to finish after it is asked to end; without it, the CE decides."""

    @field_validator("exit_codes", mode="before")
    @classmethod
    def _are_exit_codes(cls, exit_codes: Any) -> Any:
        """Read the exit codes as texts: the keys of TOML and JSON are texts."""
        if not isinstance(exit_codes, Mapping):
            return exit_codes
        for code in exit_codes:
            if not _EXIT_CODE.fullmatch(str(code)) or int(code) > LARGEST_EXIT_CODE:
                raise ValueError(f"{str(code)[:20]!r} is not an exit code from 0 to 255")
        return {str(code): _exit_meaning(word) for code, word in exit_codes.items()}

    @field_validator("script")
    @classmethod
    def _is_a_script(cls, script: str) -> str:
        if not script.strip():
            raise ValueError("it is empty")
        if "\0" in script:
            raise ValueError("it holds a zero byte")
        try:
            length = len(script.encode())
        except UnicodeEncodeError:
            raise ValueError("it is not text") from None
        if length > LONGEST_SCRIPT:
            raise ValueError(f"it is longer than {LONGEST_SCRIPT} bytes")
        return script

    @field_validator("arguments")
    @classmethod
    def _are_words(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        if len(arguments) > MOST_WORDS:
            raise ValueError(f"there are more than {MOST_WORDS}")
        for word in arguments:
            if not word.isprintable() or len(word) > LONGEST_WORD:
                raise ValueError(f"{word[:60]!r} is not one line of text")
        return arguments

    @field_validator("variables")
    @classmethod
    def _have_names(cls, variables: Mapping[str, Variable]) -> Mapping[str, Variable]:
        for name in variables:
            if not _NAME.fullmatch(name):
                allowed = "use small letters, digits and _, beginning with a letter"
                raise ValueError(f"{name[:40]!r}: {allowed}")
            if name in SYSTEM:
                raise ValueError(f"{name!r}: it is a variable of the system itself")
        return variables

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        variables = (*SYSTEM, *self.variables)
        for name in names_in((self.script, *self.arguments)):
            if name not in variables:
                raise ValueError(f"unknown variable '@{{{name}}}': {nearest(name, variables)}")
        for ce, values in self.at.items():
            self._check_at(ce, values)
        in_script = {*names_in([self.script])} & self.variables.keys()
        for ce in ("", *self.at):
            for name in sorted(in_script):
                _check_plain(name, self.values(ce)[name])
        return self

    def values(self, ce: str) -> dict[str, Value]:
        """Return the values of the VO's own variables at a CE."""
        defaults = {name: variable.default for name, variable in self.variables.items()}
        return {**defaults, **self.at.get(ce, {})}

    def fitted(self, *, vo: str, ce: str, backend: str, tags: Sequence[str]) -> Fitted:
        """Fill in the values that are the same for all pilots of a VO at a CE."""
        system = {"vo": vo, "ce": ce, "backend": backend, "tags": ",".join(tags)}
        values = {**self.values(ce), **system}
        return Fitted(
            fill(self.script, values, STAMP),
            tuple(fill(word, values, STAMP) for word in self.arguments),
        )

    def _check_at(self, ce: str, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            place = f"at.{ce}.{name[:40]}"
            if name not in self.variables:
                raise ValueError(f"{place}: unknown variable; {nearest(name, self.variables)}")
            try:
                self.variables[name].check(value)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None


def read(values: Mapping[str, Any]) -> Payload:
    """Read a payload from plain values; refuse invalid ones."""
    return validation.read(Payload, values, "payload")


def plain(payload: Payload) -> dict[str, Any]:
    """Write a payload as the plain values that `read` reads."""
    values: dict[str, Any] = payload.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not payload.exit_codes:
        del values["exit_codes"]  # so that it equals a payload stored before this key existed
    if not payload.reports:
        del values["reports"]
    return values


def summary(payload: Mapping[str, Any] | None) -> str | None:
    """Describe a payload in a few words, with a hash that distinguishes it from others."""
    if payload is None:
        return None
    digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
    return f"a script of {len(payload.get('script', ''))} characters ({digest[:8]})"


def _exit_meaning(word: object) -> ExitMeaning:
    try:
        return ExitMeaning(str(word))
    except ValueError:
        raise ValueError(
            f"{str(word)[:40]!r}: {nearest(str(word), map(str, ExitMeaning))}"
        ) from None


def _check_plain(name: str, value: Value) -> None:
    if not is_plain(value):
        raise ValueError(
            f"variable {name!r}: {str(value)[:60]!r} cannot be put into the script, where a"
            " shell could run a part of it; give it as an argument"
        )
