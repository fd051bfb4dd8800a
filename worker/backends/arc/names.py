"""The name of a job: the prefix of this installation, and the stamp."""

import re

from worker.domain.pilot import STAMP_LENGTH

_STAMP = re.compile(rf"[0-9a-f]{{{STAMP_LENGTH}}}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def job_name(prefix: str, stamp: str) -> str:
    """Name the job of a pilot."""
    return f"{prefix}-{stamp}"


def stamp_of(prefix: str, name: str | None) -> str | None:
    """Read the stamp off a job's name; `None` if the job is not ours."""
    given = name or ""
    stamp = given.removeprefix(f"{prefix}-")
    return stamp if stamp != given and _STAMP.fullmatch(stamp) else None


def is_job_id(handle: str) -> bool:
    """Tell whether an A-REX may have made this id."""
    return bool(_ID.fullmatch(handle))
