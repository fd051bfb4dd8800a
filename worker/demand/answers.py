"""Reading a number from an answer: the answer itself, or the value at a path of keys in it."""

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
    """How the value at the end of a path is read."""

    NUMBER = "number", "The number, also if it is written as a text."
    LENGTH = "length", "The number of items in the list."


def steps(path: str) -> Iterator[str]:
    """Split a path such as `a.b[0]["c.d"]` into its keys and positions; `ValueError` if invalid."""
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
    """The path of the number in the JSON: 'jobs[0].waiting'; left out, the whole answer is the
    number."""

    measure: Measure = Measure.NUMBER
    """What is read at the path: a number, or the length of a list."""

    def objection(self) -> str | None:
        """Return why the path is invalid, or another objection; `None` without any."""
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
    """Return the value at a path in JSON."""
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
    """Return the value as a whole number; a text or a float that is a whole number is accepted."""
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
