"""The revisions that the files of a chain define.

The files are read as text: each command asks whether the database is up to date, and importing
Alembic for that would take long.
"""

import re
from ast import literal_eval
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from worker.domain.errors import ConfigurationError

Parents = tuple[str, ...]

_LINE = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*(.+)$", re.MULTILINE)


@cache
def revisions(folder: Path) -> Mapping[str, Parents]:
    """Return the revisions in a folder of migrations, each with the revisions that it follows.

    The files are read once: those of the running program count, even if another version is
    installed meanwhile.
    """
    parents: dict[str, Parents] = {}
    for file in (folder / "versions").glob("*.py"):
        values = dict(_LINE.findall(file.read_text(encoding="utf-8")))
        if "revision" in values:
            before = literal_eval(values.get("down_revision", "None"))
            followed = (before,) if isinstance(before, str) else tuple(before or ())
            parents[str(literal_eval(values["revision"]))] = followed
    return parents


def newest(parents: Mapping[str, Parents], chain: str) -> str:
    """Return the revision that no other follows; empty if there are no revisions."""
    followed = {revision for before in parents.values() for revision in before}
    heads = sorted(set(parents) - followed)
    if len(heads) > 1:
        raise ConfigurationError(f"chain {chain}", f"it has several ends: {', '.join(heads)}")
    return heads[0] if heads else ""
