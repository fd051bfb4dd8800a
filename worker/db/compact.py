"""A compact form of the decisions of one tick: columns of numbers, packed into few bytes.

The values at the same place of all traces make a column: the free slots of all CEs, their chances,
and so on. A column in which all values are equal is stored as one value. Numbers are stored as
whole numbers, if necessary in millionths; any other value as the number of a word in a list.
Columns are written as differences to those of a base, which are the columns of another VO's tick
just before, if that is shorter. Nothing is rounded: what is read equals what was written.

    cells := zlib(length of the head, head as JSON, numbers of each column)
"""

import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import chain, islice
from math import copysign
from operator import add, sub
from typing import Any

from worker.db import sentences

Path = tuple[str | int, ...]
MICRO = 1_000_000
MOST = 2**61  # twice the difference of two numbers must fit into 64 bits
ABSENT = object()
"""Stands for a value that a trace does not have."""

GRANTED: Path = ("granted",)
TEMPLATE: Path = ("reason",)
TRACE = "trace"
_ONE, _WHOLE, _MICRO, _WORDS = range(4)
"""The kinds of columns: one value for all, whole numbers, millionths, numbers of words."""
_CHANGES, _SAME = 1, 2
"""How a column that the base has, too, is written: as differences, or not at all if it is equal."""
_FORMAT = 1
_HEAD = 4
LEVEL = 6


@dataclass(frozen=True)
class Cell:
    """The decision about one CE in one tick."""

    granted: int
    reason: str
    trace: Mapping[str, Any]


@dataclass
class TraceColumn:
    """The values of all CEs at one place of their traces."""

    path: Path
    kind: int
    words: list[Any] = field(default_factory=list)
    """The one value, or the words; `ABSENT` is not among them."""
    numbers: list[int] = field(default_factory=list)
    present: bytes = b""
    """One byte for each CE that says whether it has a value; empty if all have one."""

    def number(self, place: int) -> int:
        """Return the number of one CE."""
        return self.numbers[place]

    def value(self, place: int) -> Any:
        """Return the value of one CE, or `ABSENT`."""
        if self.kind == _ONE:
            return self.words[0]
        if self.present and not self.present[place]:
            return ABSENT
        number = self.number(place)
        if self.kind == _WORDS:
            return self.words[number]
        return number / MICRO if self.kind == _MICRO else number


class _Packed(TraceColumn):
    """A column that was read. A single number is read without unpacking the others."""

    def __init__(self, path: Path, kind: int, words: list[Any], packed: bytes, width: int) -> None:
        self.path = path
        self.kind = kind
        self.words = words
        self.present = b""
        self.before: TraceColumn | None = None
        self._packed = packed
        self._width = width

    @cached_property
    def numbers(self) -> list[int]:  # type: ignore[override]
        """The numbers of all CEs."""
        numbers = _unpack(self._packed, self._width)
        return numbers if self.before is None else list(map(add, numbers, self.before.numbers))

    def number(self, place: int) -> int:
        """Return the number of one CE."""
        places = len(self._packed) // self._width
        plain = int.from_bytes(self._packed[place::places], "little")
        number = _signed(plain)
        return number if self.before is None else number + self.before.number(place)


class Columns:
    """All columns of a tick of one VO."""

    def __init__(self, columns: Sequence[TraceColumn], places: int) -> None:
        self.places = places
        self.columns = {column.path: column for column in columns}

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> "Columns":
        """Turn the decisions about all CEs into columns."""
        values = dict(_shred((TRACE,), [cell.trace for cell in cells]))
        values[GRANTED] = [cell.granted for cell in cells]
        templates, literals = sentences.parse([cell.reason for cell in cells], values, ABSENT)
        values[TEMPLATE] = templates
        for place, literal in enumerate(literals):
            # If no CE has this literal, there is no column: it would have no words.
            if any(value is not ABSENT for value in literal):
                values[*TEMPLATE, place] = literal
        return cls([_column(path, column) for path, column in values.items()], len(cells))

    def cell(self, place: int) -> Cell:
        """Return the decision about the CE at this place."""
        values = {path: column.value(place) for path, column in self.columns.items()}
        tree = _Branch()
        for path, value in values.items():
            if path[0] == TRACE and value is not ABSENT:
                _put(tree, path, value)
        return Cell(values[GRANTED], sentences.write(values, TEMPLATE), _grown(tree[TRACE]))

    def digest(self) -> bytes:
        """Return a digest that is equal only for equal columns."""
        digest = sha256(json.dumps([self.places, *map(_outline, self.columns.values())]).encode())
        for column in self.columns.values():
            digest.update(column.present)
            digest.update(array("q", column.numbers).tobytes())
        return digest.digest()

    def write(self, base: "Columns | None" = None) -> bytes:
        """Write all columns, as differences to a base if that is shorter."""
        outlines, parts = [], []
        for column in self.columns.values():
            before = None if base is None else base.columns.get(column.path)
            outline, numbers = _against(column, before)
            if numbers:
                width, packed = _pack(numbers)
                outline.append(width)
                parts += [column.present, packed]
            outlines.append(outline)
        head = json.dumps([_FORMAT, self.places, outlines], separators=(",", ":")).encode()
        packer = zlib.compressobj(LEVEL, zdict=_hint(base))
        raw = b"".join([len(head).to_bytes(_HEAD), head, *parts])
        return packer.compress(raw) + packer.flush()

    @classmethod
    def read(cls, cells: bytes, base: "Columns | None" = None) -> "Columns":
        """Read columns that were written, with the same base."""
        raw = zlib.decompressobj(zdict=_hint(base)).decompress(cells)
        begin = _HEAD + int.from_bytes(raw[:_HEAD])
        _, places, outlines = json.loads(raw[_HEAD:begin])
        columns: list[TraceColumn] = []
        for outline in outlines:
            path, kind, words, is_partial, against, *width = outline
            before = base.columns[tuple(path)] if base is not None and against else None
            if before is not None and against == _SAME:
                columns.append(before)
                continue
            if not width:
                columns.append(TraceColumn(tuple(path), kind, words))
                continue
            present = raw[begin : begin + places] if is_partial else b""
            begin += len(present)
            end = begin + places * width[0]
            column = _Packed(tuple(path), kind, words, raw[begin:end], width[0])
            column.present, begin = present, end
            if before is not None:
                column.before, column.words = before, [*before.words, *words]
            columns.append(column)
        return cls(columns, places)


def _shred(path: Path, values: Sequence[Any]) -> Iterator[tuple[Path, Sequence[Any]]]:
    """Split values into columns, as deep as all values have the same structure."""
    first = values[0]
    there = [value for value in values if value is not ABSENT]
    if len(path) > 1 and (all(value is first for value in values) or len(there) == 1 < len(values)):
        yield path, values
    elif names := _names(there):
        for name in names:
            parts = [ABSENT if value is ABSENT else value.get(name, ABSENT) for value in values]
            yield from _shred((*path, name), parts)
    elif places := _places(there):
        for place in range(places):
            parts = [ABSENT if value is ABSENT else value[place] for value in values]
            yield from _shred((*path, place), parts)
    else:
        yield path, values


def _names(values: Sequence[Any]) -> list[str]:
    """Return the names of all parts if all values are mappings with parts; else nothing."""
    if set(map(type, values)) != {dict} or not all(values):
        return []
    names = list(dict.fromkeys(chain.from_iterable(values)))
    return names if set(map(type, names)) == {str} else []


def _places(values: Sequence[Any]) -> int:
    """Return the length of the values if all are lists of the same length; else 0."""
    is_alike = set(map(type, values)) == {list} and len(set(map(len, values))) == 1
    return len(values[0]) if is_alike else 0


def _column(path: Path, values: Sequence[Any]) -> TraceColumn:
    """Return the shortest column for some values."""
    first = values[0]
    if first is not ABSENT and all(value is first for value in islice(values, 1, None)):
        return TraceColumn(path, _ONE, [first])
    kinds = set(map(type, values))
    present = b""
    if object in kinds:
        kinds.discard(object)
        present = bytes(value is not ABSENT for value in values)
    if kinds == {int}:
        numbers = [0 if value is ABSENT else value for value in values]
        if max(map(abs, numbers)) < MOST:
            return _numbers(path, _WHOLE, numbers, present)
    if kinds == {float} and (micros := _micros(values)):
        return _numbers(path, _MICRO, micros, present)
    # Many values are the same object, so each object is written as JSON once. Comparing values by
    # equality would not do: 1 == True.
    texts = {
        key: json.dumps(value)
        for key, value in {id(value): value for value in values}.items()
        if value is not ABSENT
    }
    words: dict[str, int] = {}
    numbers = [
        0 if value is ABSENT else words.setdefault(texts[id(value)], len(words)) for value in values
    ]
    vocabulary = [json.loads(word) for word in words]
    if len(vocabulary) == 1 and not present:
        return TraceColumn(path, _ONE, vocabulary)
    return TraceColumn(path, _WORDS, vocabulary, numbers, present)


def _numbers(path: Path, kind: int, numbers: list[int], present: bytes) -> TraceColumn:
    if not present and numbers.count(numbers[0]) == len(numbers):
        return TraceColumn(path, _ONE, [numbers[0] / MICRO if kind == _MICRO else numbers[0]])
    return TraceColumn(path, kind, [], numbers, present)


def _micros(values: Sequence[Any]) -> list[int]:
    """Return numbers in millionths; an empty list if that would not be exact."""
    numbers = []
    for value in values:
        if value is ABSENT:
            numbers.append(0)
        elif abs(value) < MOST / MICRO and (number := round(value * MICRO)) / MICRO == value:
            if not number and copysign(1, value) < 0:
                return []
            numbers.append(number)
        else:
            return []
    return numbers


def _outline(column: TraceColumn) -> list[Any]:
    """Return the description of a column for the head."""
    return [column.path, column.kind, column.words, int(bool(column.present)), 0]


def _against(column: TraceColumn, base: TraceColumn | None) -> tuple[list[Any], list[int]]:
    """Return the outline and the numbers of a column, as differences to the base if shorter."""
    outline = _outline(column)
    if base is not None and column.numbers and _all_of(column) == _all_of(base):
        return [column.path, column.kind, [], 0, _SAME], []
    if base is None or base.kind != column.kind or column.kind == _ONE:
        return outline, column.numbers
    numbers = column.numbers
    if column.kind == _WORDS:
        number_of = {json.dumps(word): number for number, word in enumerate(base.words)}
        places = [number_of.setdefault(json.dumps(word), len(number_of)) for word in column.words]
        outline[2] = [json.loads(word) for word in islice(number_of, len(base.words), None)]
        numbers = [places[number] for number in numbers]
    changes = list(map(sub, numbers, base.numbers))
    if column.kind == _WORDS or _bits(changes) < _bits(numbers):
        outline[4] = _CHANGES
        return outline, changes
    return outline, numbers


def _all_of(column: TraceColumn) -> tuple[Any, ...]:
    return column.kind, column.words, column.numbers, column.present


def _bits(numbers: list[int]) -> int:
    return sum(map(int.bit_length, numbers))


def _pack(numbers: list[int]) -> tuple[int, bytes]:
    """Write numbers, each in as many bytes as the largest needs: the first bytes of all numbers,
    then the second bytes of all, and so on.
    """
    plain = [2 * number if number >= 0 else -2 * number - 1 for number in numbers]
    width = max(1, (max(plain).bit_length() + 7) // 8)
    whole = array("Q", plain)
    if _IS_BIG:
        whole.byteswap()
    raw = whole.tobytes()
    return width, b"".join(raw[n::8] for n in range(width))


def _unpack(packed: bytes, width: int) -> list[int]:
    places = len(packed) // width
    raw = bytearray(8 * places)
    for n in range(width):
        raw[n::8] = packed[n * places : (n + 1) * places]
    whole = array("Q", bytes(raw))
    if _IS_BIG:
        whole.byteswap()
    return [_signed(number) for number in whole]


def _signed(plain: int) -> int:
    return -(plain >> 1) - 1 if plain & 1 else plain >> 1


_IS_BIG = array("Q", [1]).tobytes()[0] == 0


def _hint(base: Columns | None) -> bytes:
    """Return the preset dictionary for zlib: a text that the head of the cells resembles."""
    return (
        b""
        if base is None
        else json.dumps(
            [_outline(c) for c in base.columns.values()], separators=(",", ":")
        ).encode()
    )


class _Branch(dict[str | int, Any]):
    """A part of a trace that is being rebuilt from columns."""


def _put(tree: _Branch, path: Path, value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, _Branch())
    tree[path[-1]] = value


def _grown(tree: Any) -> Any:
    """Return the value of a branch: a list if its keys are places, else a mapping."""
    if not isinstance(tree, _Branch):
        return tree
    parts = {name: _grown(part) for name, part in tree.items()}
    return list(parts.values()) if 0 in parts else parts
