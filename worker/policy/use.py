"""Use: what a pilot that ended well did: by its exit code, by its own word, by its life.

The first of them that says anything counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from worker.domain.pilot import ExitMeaning, Move, Status, Use
from worker.domain.pilot_report import PilotReport


@dataclass(frozen=True, kw_only=True)
class UseRules:
    """How the pilots of a VO show what they did."""

    exit_codes: Mapping[int, ExitMeaning] = field(default_factory=dict)
    useful_after: timedelta = timedelta()
    """One that ends well before it has run for this time was short."""
    reports: bool = False
    """Whether they say it themselves."""


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


def with_report(move: Move, rules: UseRules, report: PilotReport | None) -> Move:
    """Return a move in which a good end has the use that its pilot reported.

    What the exit code of a pilot means to its VO counts more than its report.
    """
    if report is None or report.use is None or move.to is not Status.DONE:
        return move
    if meaning_of(rules, move.exit_code) is not None:
        return move
    return replace(move, use=report.use)
