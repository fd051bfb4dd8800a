"""Runs of numbers that follow each other, as batch systems write many ids of jobs in few words."""

from collections.abc import Iterable, Iterator
from itertools import groupby


def ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the first and the last number of each run."""
    for _, run in groupby(enumerate(sorted(set(numbers))), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]
