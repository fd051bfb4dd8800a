"""The use of a pilot that ended well: by its exit code, by its pilot report, by its run time.

The first of these that says anything decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from worker.domain.pilot import ExitMeaning, Move, Status, Use
from worker.domain.pilot_report import PilotReport


@dataclass(frozen=True, kw_only=True)
class UseRules:
    """The rules by which the use of a VO's pilots is decided."""

    exit_codes: Mapping[int, ExitMeaning] = field(default_factory=dict)
    useful_after: timedelta = timedelta()
    """A pilot that ends well before it has run for this time was short."""
    reports: bool = False
    """Whether the pilots send pilot reports."""


NO_RULES = UseRules()


def meaning_of(rules: UseRules, exit_code: int | None) -> ExitMeaning | None:
    """Return the meaning that the payload gives to an exit code, if it gives one."""
    return None if exit_code is None else rules.exit_codes.get(exit_code)


def use_of(rules: UseRules, meaning: ExitMeaning | None, ran: timedelta | None) -> Use:
    """Return the use of a pilot that ended well."""
    if meaning is ExitMeaning.EMPTY:
        return Use.EMPTY
    if meaning is None and ran is not None and ran < rules.useful_after:
        return Use.SHORT
    return Use.USEFUL


def with_report(move: Move, rules: UseRules, report: PilotReport | None) -> Move:
    """Return a move in which a good end has the use that its pilot reported.

    If the exit code has a meaning for the VO, that meaning counts, and not the report.
    """
    if report is None or report.use is None or move.to is not Status.DONE:
        return move
    if meaning_of(rules, move.exit_code) is not None:
        return move
    return replace(move, use=report.use)
