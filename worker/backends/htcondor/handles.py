"""The ids of jobs, `cluster.process`, and expressions that name many of them."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

_HANDLE = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)
RANGES = 400
"""Ranges that one expression holds; the longest word of a command line is 128 kB."""


def parsed(handle: str) -> tuple[int, int] | None:
    """Take an id apart; `None` for what is none."""
    found = _HANDLE.fullmatch(handle)
    return (int(found[1]), int(found[2])) if found else None


def expressions(ids: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Write expressions that together are true for these jobs and no others."""
    clauses = (_clause(*one) for one in _ranges(sorted(set(ids))))
    while some := list(islice(clauses, RANGES)):
        yield "(" + " || ".join(some) + ")"


def _ranges(ids: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    for cluster, members in groupby(ids, key=lambda one: one[0]):
        numbers = [number for _, number in members]
        low = high = numbers[0]
        for number in numbers[1:]:
            if number == high + 1:
                high = number
                continue
            yield cluster, low, high
            low = high = number
        yield cluster, low, high


def _clause(cluster: int, low: int, high: int) -> str:
    return f"(ClusterId == {cluster} && ProcId >= {low} && ProcId <= {high})"
