"""Versions of settings: if two people change the same thing, the second is told."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from worker.domain.errors import ChangedMeanwhile


def version_of(settings: Mapping[str, Any]) -> str:
    """Return a hash of some settings, which changes when they change."""
    text = json.dumps(settings, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_version(read: str, current: str, what: str) -> None:
    """Refuse a change if the settings are no longer those that were read."""
    if read != current:
        raise ChangedMeanwhile(what, "look at it again, then change it")
