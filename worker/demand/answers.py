"""Reading a number out of an answer: the answer itself, or what a path of keys leads to."""

import re
from collections.abc import Iterator
from typing import Any

from worker.backends import json_text
from worker.demand.contract import SourceOptions
from worker.domain.errors import DemandUnknown
from worker.domain.words import Described

_POSITION = re.compile(r"[0-9]{1,9}")
_STEP = re.compile(r'\.(?P<key>[^.\[\]"]+)|\[(?P<position>[0-9]{1,9})\]|\["(?P<quoted>[^"]+)"\]')
_WHOLE = re.compile(r"\s*-?[0-9]{1,20}\s*")


class Measure(Described):
    """What is read at the end of a path."""

    NUMBER = "number", "The number, also if it is written as a text."
    LENGTH = "length", "The number of items in the list."


def steps(path: str) -> Iterator[str]:
    """Split a path into its keys and positions: `a.b[0]["c.d"]`; a `ValueError` if it is none."""
    left = path if path.startswith("[") or not path else f".{path}"
    while left:
        step = _STEP.match(left)
        if step is None:
            raise ValueError(f"{path[:60]!r} is not a path like jobs[0].waiting")
        yield next(part for part in step.groups() if part is not None)
        left = left[step.end() :]


class AnswerOptions(SourceOptions):
    """The options of a source that answers JSON."""

    path: str | None = None
    """Where the number stands in the JSON: 'jobs[0].waiting'; left out, the answer is it."""

    measure: Measure = Measure.NUMBER
    """What is read there: a number, or the length of a list."""

    def objection(self) -> str | None:
        """Return why nothing can stand where the path leads."""
        try:
            list(steps(self.path or ""))
        except ValueError as error:
            return f"path: {error}"
        return super().objection()


def number_in(text: str, options: AnswerOptions) -> int:
    """Read a whole number from JSON, as the options say."""
    value = value_at(text, options.path)
    if options.measure is Measure.LENGTH:
        if not isinstance(value, list):
            raise DemandUnknown(f"the answer is not a list: {str(value)[:60]!r}")
        return len(value)
    return whole(value)


def value_at(text: str, path: str | None) -> Any:
    """Return what stands in JSON where a path leads to."""
    try:
        value: Any = json_text.read(text)
    except ValueError:
        raise DemandUnknown(f"the answer is not JSON: {text[:60]!r}") from None
    try:
        keys = list(steps(path or ""))
    except ValueError as error:
        raise DemandUnknown(f"path: {error}") from None
    for key in keys:
        value = _within(value, key)
    return value


def whole(value: Any) -> int:
    """Return a whole number, or what is written as one."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DemandUnknown(f"the answer is not a whole number: {str(value)[:60]!r}")
    return value


def _within(value: Any, key: str) -> Any:
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and _POSITION.fullmatch(key) and int(key) < len(value):
        return value[int(key)]
    raise DemandUnknown(f"the answer has no {key[:60]!r}")
