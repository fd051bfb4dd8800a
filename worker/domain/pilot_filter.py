"""A filter of pilots: the same for a list and for an action on all pilots that it selects."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from worker.domain.errors import Invalid
from worker.domain.pilot import Cause, Status, Use
from worker.domain.values import Seconds


@dataclass(frozen=True, kw_only=True)
class PilotFilter:
    """Each value narrows the selection of pilots; a value that is not given does not."""

    search: str | None = None
    handle: str | None = None
    node: str | None = None
    statuses: Sequence[Status] = ()
    uses: Sequence[Use] = ()
    causes: Sequence[Cause] = ()
    ce: str | None = None
    tag: str | None = None
    """A tag of the CE."""
    vo: str | None = None
    older_than: Seconds | None = None
    """Only pilots that are not over, and whose slot was reserved longer ago than this."""

    def __post_init__(self) -> None:
        """Refuse an empty value: a script whose variable is empty does not mean all pilots."""
        for name, value in self.values().items():
            if value == "":
                raise Invalid(name, "it is empty")
        if self.older_than is not None and self.older_than < timedelta():
            raise Invalid("older than", "it is below zero")

    def values(self) -> dict[str, Any]:
        """Return the values that narrow the selection. An empty search does not."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["search"] = self.search or None
        return {
            name: value
            for name, value in values.items()
            if value is not None and (isinstance(value, str | timedelta) or value)
        }


ALL_PILOTS = PilotFilter()
"""Selects every pilot."""
