"""A compact form of sentences whose numbers are stored elsewhere: templates that point at them.

    "free 3; gets 2"  ->  ["free #; gets #", ["trace", "ce", "free"], ["granted"]]

A number that is not stored elsewhere is kept beside its template, and its pointer is null.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]
Values = Mapping[Path, Sequence[Any]]

WHOLE, HUNDREDTHS = "\0", "\1"
_NUMBER = re.compile(r"(?<![\d.])(?:[1-9]\d{0,11}|0)(?:\.\d\d)?(?!\d|\.\d)")
_SAMPLE = 8
"""The number of sentences with the same template in which the places of numbers are searched."""


def parse(
    texts: Sequence[str], values: Values, absent: object
) -> tuple[list[Any], list[list[Any]]]:
    """Return a template for each text, and the numbers that are not stored elsewhere."""
    split = [_split(text) for text in texts]
    # Keyed by the count of numbers, too: a text that itself contains a mark has none, and must not
    # be mixed with templates that look the same.
    alike: dict[tuple[str, int], list[int]] = {}
    for row, (template, numbers) in enumerate(split):
        alike.setdefault((template, len(numbers)), []).append(row)
    literals: list[list[Any]] = [
        [absent] * len(texts) for _ in range(max(len(numbers) for _, numbers in split))
    ]
    templates: list[Any] = [None] * len(texts)
    for (template, number_of), members in alike.items():
        paths = [_path(place, members, split, values) for place in range(number_of)]
        known: dict[tuple[Path | None, ...], list[Any]] = {}
        for row in members:
            pointers = list(paths)
            for place, text in enumerate(split[row][1]):
                path = paths[place]
                if path is None or _shown(values[path][row], text) != text:
                    pointers[place] = None
                    literals[place][row] = _literal(text)
            key = tuple(pointers)
            templates[row] = known.setdefault(key, [template, *pointers])
    return templates, literals


def write(values: Mapping[Path, Any], path: Path) -> str:
    """Write the sentence of one row."""
    template, *pointers = values[path]
    numbers = iter(
        values[*path, place] if pointer is None else values[tuple(pointer)]
        for place, pointer in enumerate(pointers)
    )
    return (
        re.sub(
            f"[{WHOLE}{HUNDREDTHS}]",
            lambda mark: str(next(numbers)) if mark[0] == WHOLE else f"{next(numbers):.2f}",
            template,
        )
        if pointers
        else template
    )


def _split(text: str) -> tuple[str, list[str]]:
    """Return a text without its numbers, and the numbers."""
    if WHOLE in text or HUNDREDTHS in text:
        return text, []
    numbers: list[str] = []

    def mark(found: re.Match[str]) -> str:
        numbers.append(found[0])
        return HUNDREDTHS if "." in found[0] else WHOLE

    return _NUMBER.sub(mark, text), numbers


def _path(
    place: int, members: Sequence[int], split: Sequence[tuple[str, list[str]]], values: Values
) -> Path | None:
    """Return the path at which a number of most of these sentences is stored, if there is one."""
    sample = members[:: max(1, len(members) // _SAMPLE)]
    texts = [(row, split[row][1][place]) for row in sample]
    best, most = None, len(texts) / 2
    for path, column in values.items():
        matches = sum(_shown(column[row], text) == text for row, text in texts)
        if matches > most:
            best, most = path, matches
    return best


def _shown(value: Any, like: str) -> str | None:
    """Write a value in the format of a number in a sentence."""
    if "." in like:
        return f"{value:.2f}" if type(value) is float else None
    return str(value) if type(value) is int else None


def _literal(text: str) -> float | int:
    return float(text) if "." in text else int(text)
