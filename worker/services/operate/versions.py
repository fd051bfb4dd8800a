"""Versions: two people who change one thing, and the second is told of the first."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from worker.domain.errors import ChangedMeanwhile


def version_of(settings: Mapping[str, Any]) -> str:
    """Return a word for some settings, another one for others."""
    text = json.dumps(settings, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_version(read: str, current: str, what: str) -> None:
    """Refuse a change of what is no longer as it was read."""
    if read != current:
        raise ChangedMeanwhile(what, "look at it again, then change it")
