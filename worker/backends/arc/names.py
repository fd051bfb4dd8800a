"""The name of a job: the prefix of this installation, the stamp, and the CE."""

import re
from typing import NamedTuple

from worker.domain.pilot import STAMP_LENGTH

_NAME = re.compile(rf"(?P<stamp>[0-9a-f]{{{STAMP_LENGTH}}})(?:@(?P<ce>.+))?")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class ArcJobName(NamedTuple):
    """The parts of the name of one of our jobs. Earlier versions did not write the CE."""

    stamp: str
    ce: str | None = None


def job_name(prefix: str, stamp: str, ce: str) -> str:
    """Return the name of a pilot's job."""
    return f"{prefix}-{stamp}@{ce}"


def read_name(prefix: str, name: str | None) -> ArcJobName | None:
    """Read a job's name; `None` if the job is not ours."""
    whole = name or ""
    rest = whole.removeprefix(f"{prefix}-")
    match = _NAME.fullmatch(rest) if rest != whole else None
    return ArcJobName(match["stamp"], match["ce"]) if match is not None else None


def is_job_id(handle: str) -> bool:
    """Return whether an A-REX may have made this id."""
    return bool(_ID.fullmatch(handle))
