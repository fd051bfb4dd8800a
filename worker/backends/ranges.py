"""Runs of consecutive numbers, by which batch systems write many job ids briefly."""

from collections.abc import Iterable, Iterator
from itertools import groupby


def ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the first and the last number of each run."""
    for _, run in groupby(enumerate(sorted(set(numbers))), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]
