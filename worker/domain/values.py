"""The values of VOs, CEs and credentials in requests that add or change one of them.

A value that is left out has its default in a new object, and stays as it is in a change.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Required

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, with_config
from typing_extensions import TypedDict

from worker.domain.change import LONGEST
from worker.domain.credential import CredentialKind


def _number(value: object) -> object:
    """Read a text from a query as a number, so that it is not taken as a time of day."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Seconds = Annotated[
    timedelta,
    BeforeValidator(_number),
    PlainSerializer(lambda length: length.total_seconds(), return_type=float),
    WithJsonSchema({"type": "number"}),
]
"""A length of time, in JSON as a number of seconds."""


class _Timeouts(TypedDict, total=False):
    wait_at_most: Annotated[Seconds | None, Field(description="Cancel pilots that wait longer.")]
    run_at_most: Annotated[Seconds | None, Field(description="Cancel pilots that run longer.")]
    silent_at_most: Annotated[
        Seconds | None, Field(description="Cancel pilots about which the CE is silent for longer.")
    ]


class _CEValues(_Timeouts, total=False):
    success_rate: Annotated[float, Field(description="The part of pilots that ends well, 0 to 1.")]
    waiting_limit: Annotated[
        int | None, Field(description="Pilots that may wait there; null: as many as the capacity.")
    ]
    enabled: Annotated[bool, Field(description="Whether pilots are sent to it.")]
    draining: Annotated[bool, Field(description="Whether it drains: no new pilots, its own go on.")]
    drain_by: Annotated[
        datetime | None, Field(description="When the drain cancels pilots that still wait.")
    ]
    end_running: Annotated[bool, Field(description="Whether it then cancels running pilots, too.")]
    cancel_strangers: Annotated[bool, Field(description="Whether unknown jobs there are ended.")]
    tags: Annotated[tuple[str, ...], Field(description="The words by which commands choose it.")]
    options: Annotated[
        Mapping[str, Any],
        Field(description="Options of its back-end; in a change, null removes an option."),
    ]
    only_for: Annotated[
        tuple[str, ...], Field(description="The only VOs that may use it; empty: all VOs.")
    ]


_Backend = Annotated[str, Field(description="Its kind of batch system.")]
_Capacity = Annotated[int, Field(description="The most pilots at once.")]


_Reason = Annotated[
    str | None, Field(max_length=LONGEST, description="The reason, shown to others.")
]


@with_config(extra="forbid")
class CEValues(_CEValues, total=False):
    """Values of a CE, and why they are changed."""

    reason: _Reason

    backend: _Backend
    capacity: _Capacity


@with_config(extra="forbid")
class NewCE(_CEValues, total=False):
    """A CE to be added."""

    name: Required[str]
    backend: Required[_Backend]
    capacity: Required[_Capacity]


@with_config(extra="forbid")
class VOValues(_Timeouts, total=False):
    """Values of a VO."""

    share: Annotated[float, Field(description="Its share where VOs compete for slots.")]
    limit: Annotated[int | None, Field(description="The most pilots at once; null: no limit.")]
    demand: Annotated[
        int | None, Field(description="Waiting and new pilots that it wants; null: any.")
    ]
    budget: Annotated[int | None, Field(description="The most new pilots in a tick.")]
    enabled: Annotated[bool, Field(description="Whether pilots are sent for it.")]
    draining: Annotated[bool, Field(description="Whether it drains: no new pilots, its own go on.")]
    cancel_surplus: Annotated[
        bool, Field(description="Whether waiting pilots above the demand are cancelled.")
    ]
    idle_at_most: Annotated[
        Seconds | None,
        Field(description="End pilots that say idle for longer while none are needed."),
    ]
    demand_min: Annotated[
        int | None,
        Field(description="The fewest pilots in all, also if fewer are wanted; null: none."),
    ]
    demand_max: Annotated[
        int | None,
        Field(description="The most pilots in all, also if more are wanted; null: any number."),
    ]
    scale_down_delay: Annotated[
        Seconds | None,
        Field(description="How long a lower answer of its source is ignored."),
    ]
    source: Annotated[
        Mapping[str, Any] | None,
        Field(description="Where its demand comes from: its kind, and the options of the kind."),
    ]


class ChangedVO(VOValues, total=False):
    """Values of a VO, and why they are changed."""

    reason: _Reason


class NewVO(VOValues, total=False):
    """A VO to be added."""

    name: Required[str]


_File = Annotated[str, Field(description="The path of its file on the hosts of workers.")]
_Renew = Annotated[
    tuple[str, ...] | None, Field(description="The words of the command that renews it.")
]


@with_config(extra="forbid")
class CredentialValues(TypedDict, total=False):
    """Values of a credential."""

    path: _File
    renew: _Renew


@with_config(extra="forbid")
class NewCredential(TypedDict, total=False):
    """A credential to be added."""

    backend: Required[str]
    kind: Required[CredentialKind]
    path: Required[_File]
    renew: _Renew
    vo: Annotated[str | None, Field(description="Its owner; left out, it is for all VOs.")]


OF_ONE_VO = frozenset({"demand", "enabled", "draining", "reason"})
"""The values of a VO that may be changed with the role operate for this VO only."""
OF_STEERING = frozenset({"enabled", "draining", "drain_by", "end_running", "reason"})
"""The values of a CE that may be changed with the role operate for all VOs."""
