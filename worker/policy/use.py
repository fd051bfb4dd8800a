"""Use: what a pilot that ended well did, as far as its exit code and its life show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from worker.domain.pilot import ExitMeaning, Use


@dataclass(frozen=True, kw_only=True)
class UseRules:
    """How the pilots of a VO show what they did."""

    exit_codes: Mapping[int, ExitMeaning] = field(default_factory=dict)
    useful_after: timedelta = timedelta()
    """One that ends well before it has run for this time was short."""


NO_RULES = UseRules()


def meaning_of(rules: UseRules, exit_code: int | None) -> ExitMeaning | None:
    """Return what the payload means by an exit code, if it means something."""
    return None if exit_code is None else rules.exit_codes.get(exit_code)


def use_of(rules: UseRules, meaning: ExitMeaning | None, ran: timedelta | None) -> Use:
    """Return what a pilot did that ended well."""
    if meaning is ExitMeaning.EMPTY:
        return Use.EMPTY
    if meaning is None and ran is not None and ran < rules.useful_after:
        return Use.SHORT
    return Use.USEFUL
