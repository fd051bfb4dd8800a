"""Supposed settings of a CE and a VO: a form, the same as a command, and what they would change."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.services.observe.plan import Supposed

NONE = "none"
"""The word for "without limit", as on the command line."""

LARGEST = 1_000_000_000
"""The largest number that can be supposed; sums of larger ones have no meaning."""


@dataclass(frozen=True, kw_only=True)
class SupposedField:
    """A value that can be supposed: the CE or VO that has it, and its present value."""

    name: str
    of: str
    label: str
    now: str
    typed: str = ""


NAMES = {
    "capacity": ("ce", "Capacity", False),
    "waiting_limit": ("ce", "Waiting limit", True),
    "success_rate": ("ce", "Success rate", False),
    "demand": ("vo", "Demand", True),
    "limit": ("vo", "Limit", True),
    "share": ("vo", "Share", False),
}
"""For each value: whether a CE or a VO has it, its label, and whether it may be without limit."""


def fields(
    ce: str, vo: str, now: Mapping[str, Any], typed: Mapping[str, str]
) -> list[SupposedField]:
    """Return the fields of the form."""
    return [
        SupposedField(
            name=name,
            of={"ce": ce, "vo": vo}[of],
            label=label,
            now=_written(now[name]),
            typed=typed.get(name, ""),
        )
        for name, (of, label, _) in NAMES.items()
    ]


def _written(value: Any) -> str:
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def typed_in(query: Mapping[str, str]) -> dict[str, str]:
    """Return the values that were typed, by name."""
    return {name: text for name in NAMES if (text := query.get(name, "").strip())}


def supposed(ce: str, vo: str, typed: Mapping[str, str]) -> Supposed:
    """Parse the typed values; the plan checks whether they are possible."""
    values = {name: _value(name, text) for name, text in typed.items()}
    of_ce = {name: value for name, value in values.items() if NAMES[name][0] == "ce"}
    of_vo = {name: value for name, value in values.items() if NAMES[name][0] == "vo"}
    return Supposed(ces={ce: of_ce} if of_ce else {}, vos={vo: of_vo} if of_vo else {})


def _value(name: str, text: str) -> float | None:
    _, label, may_be_none = NAMES[name]
    if text.lower() == NONE:
        if not may_be_none:
            raise Invalid(label, "it must be a number")
        return None
    try:
        value = json.loads(text.replace(",", ""))
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(label, "it must be a number" + (" or 'none'" if may_be_none else ""))
    if not 0 <= value <= LARGEST:
        raise Invalid(label, f"it must be between 0 and {LARGEST:,}")
    return value


def command(ce: str, vo: str, typed: Mapping[str, str]) -> str:
    """Return the command that does the same."""
    words = ["pilotage", "plan"]
    for name, text in typed.items():
        value = text.replace(",", "").lower()
        if name == "demand":
            words += ["--demand", f"{vo}={value}"]
        else:
            of, owner = NAMES[name][0], {"ce": ce, "vo": vo}[NAMES[name][0]]
            words += ["--set", f"{of}.{owner}.{name}={value}"]
    return shlex.join(words)


@dataclass(frozen=True, kw_only=True)
class WhatIfLine:
    """How many pilots there are in a plan with present values, and with supposed ones."""

    what: str
    was: int
    becomes: int
    reason: str = ""

    @property
    def more(self) -> int:
        return self.becomes - self.was


Plan = Mapping[str, Sequence[Decision]]


def compared(ce: str, was: Plan, becomes: Plan) -> list[WhatIfLine]:
    """Compare two plans: each VO at a CE, each VO at all CEs, and the sum of all."""
    lines = [
        WhatIfLine(
            what=f"{ce} for {vo}",
            was=_sum(was[vo], ce),
            becomes=_sum(becomes[vo], ce),
            reason=next((one.reason for one in becomes[vo] if one.ce == ce), ""),
        )
        for vo in becomes
    ]
    if len(becomes) > 1:
        lines += [
            WhatIfLine(what=f"all CEs for {vo}", was=_sum(was[vo]), becomes=_sum(becomes[vo]))
            for vo in becomes
        ]
    whole = WhatIfLine(
        what="all CEs, all VOs" if len(becomes) > 1 else "all CEs",
        was=sum(_sum(plan) for plan in was.values()),
        becomes=sum(_sum(plan) for plan in becomes.values()),
    )
    return [*lines, whole]


def _sum(plan: Sequence[Decision], ce: str | None = None) -> int:
    return sum(one.granted for one in plan if ce in (None, one.ce))
