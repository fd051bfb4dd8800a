"""Writing and reading of job names and comments."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from worker.backends.ranges import ranges
from worker.domain.pilot import GROUP_LENGTH, GROUP_SIZE, numbered
from worker.domain.texts import one_line

OURS = (
    "array", "bbf", "chdir", "cluster-constraint", "clusters", "comment", "dependency", "error",
    "export", "export-file", "get-user-env", "gid", "help", "hold", "ignore-pbs", "input",
    "job-name", "jobid", "kill-on-invalid-dep", "open-mode", "output", "parsable", "quiet",
    "test-only", "uid", "usage", "version", "verbose", "wait", "wrap",
)  # fmt: skip
"""Options of sbatch that only the driver may set: what runs, as which user, at which cluster, and
what sbatch prints."""

_NAME = re.compile(
    rf"(?P<group>[0-9a-f]{{{GROUP_LENGTH}}})"
    r"(?:\+(?P<offset>[0-9]{1,9})|\.(?P<number>[0-9]{1,10}))?"
)
_COMMENT = re.compile(r"\S+: vo=\S+ ce=(?P<ce>\S+) group=[0-9a-f]*")
LONGEST_TEXT = 300
"""Characters of a comment, and those that are kept of a word or a reason of Slurm."""


@dataclass(frozen=True)
class Names:
    """The names of our jobs.

    An array is named after the group of its pilots, and the number of a pilot is its index in the
    array; where a cluster's arrays are too small for that, the name has an offset, and the number
    is the index plus the offset. A single job has the number in its name.
    """

    prefix: str

    def array(self, group: str, offset: int) -> str:
        """Return the name of an array whose elements have this offset."""
        return f"{self.prefix}-{group}+{offset}" if offset else f"{self.prefix}-{group}"

    def single(self, group: str, number: int) -> str:
        """Return the name of a single job, outside any array."""
        return f"{self.prefix}-{group}.{number}"

    def read(self, name: str) -> "SlurmJobName | None":
        """Read the name of a job; return `None` if it is not one of ours."""
        return _read(self.prefix, name)


def comment(prefix: str, vo: str, ce: str, group: str) -> str:
    """Return the comment of the jobs of a group, which names their VO and their CE."""
    return one_line(f"{prefix}: vo={vo} ce={ce} group={group}", LONGEST_TEXT)


@lru_cache(maxsize=4096)
def ce_of(comment: str) -> str | None:
    """Return the CE that a job's comment names; `None` if it names none."""
    match = _COMMENT.fullmatch(comment.strip())
    return match["ce"] if match is not None else None


class SlurmJobName(NamedTuple):
    """The parts of the name of one of our jobs."""

    group: str
    offset: int
    number: int | None

    def stamp(self, index: int | None) -> str:
        """Return the stamp of a job or an array element; empty for an array without an index."""
        group, offset, number = self
        if number is not None:
            return numbered(group, number)
        return "" if index is None else numbered(group, index + offset)


@lru_cache(maxsize=4096)
def _read(prefix: str, name: str) -> SlurmJobName | None:
    begin = f"{prefix}-"
    match = _NAME.fullmatch(name, len(begin)) if name.startswith(begin) else None
    if match is None:
        return None
    number = None if match["number"] is None else int(match["number"])
    return SlurmJobName(match["group"], int(match["offset"] or 0), number)


def spans(numbers: list[int]) -> str:
    """Write numbers as Slurm writes them: 0-3,7,9-12."""
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges(numbers))


def numbers(written: str) -> list[int]:
    """Read numbers as Slurm writes them, `0-3,7%5` or `0-8:2`; none if Slurm shortened the list."""
    values: list[int] = []
    for piece in written.partition("%")[0].split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?", piece)
        if match is None:
            return []
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last - first > 1000 * GROUP_SIZE or step < 1:
            return []
        values += range(first, last + 1, step)
    return values
