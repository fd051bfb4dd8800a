"""Pilots by name: by number, stamp, beginning of a stamp, or id at the CE.

A number is the number of a pilot. If a CE is given, a word is first looked up among the ids that
the batch system of this CE shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from worker.db import pilot_reads
from worker.db.pilot_search import SHORTEST, is_beginning
from worker.db.uow import Transaction
from worker.domain.errors import AmbiguousPilot, UnknownPilot
from worker.domain.lengths import in_two_units
from worker.domain.pilot import STAMP_LENGTH, Pilot

CERTAIN = 12
"""The least length at which a word of digits only is taken for the beginning of a stamp."""

LISTED = 4
"""How many pilots the error about an ambiguous name lists at most."""


def pilots_named(
    tx: Transaction, words: Sequence[str], now: datetime, ce: str | None = None
) -> list[Pilot]:
    """Return the pilots with these names, each once; a name without a pilot is an error."""
    numbers = {word: int(word) for word in words if _is_number(word)}
    by_number = pilot_reads.by_ids(tx, numbers.values())
    by_word = {word: by_number[i] for word, i in numbers.items() if i in by_number}
    by_word |= pilot_reads.by_stamps(tx, {word for word in words if len(word) == STAMP_LENGTH})
    pilots = [_named(tx, word, by_word, now, ce) for word in words]
    return list({pilot.id: pilot for pilot in pilots}.values())


def _named(
    tx: Transaction, word: str, by_word: Mapping[str, Pilot], now: datetime, ce: str | None
) -> Pilot:
    exact = [by_word[word]] if word in by_word and ce in (None, by_word[word].ce) else []
    if exact and ce is None:
        return exact[0]
    candidates = (
        pilot_reads.by_handle(tx, word, ce, LISTED + 1) or exact or _begin_with(tx, word, ce)
    )
    if not candidates:
        place = () if ce is None else (f"on CE {ce}",)
        raise UnknownPilot(word[:64], *place, _ways(word))
    if len(candidates) > 1:
        raise AmbiguousPilot(word[:64], _list(candidates, now), _advice(candidates))
    return candidates[0]


def _ways(word: str) -> str:
    ways = "name a pilot by its number, its stamp or the beginning of it, or its id at the CE"
    if _is_number(word) and SHORTEST <= len(word) < CERTAIN:
        return f"{ways}; a beginning with digits only needs {CERTAIN} characters"
    return ways


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19


def _begin_with(tx: Transaction, word: str, ce: str | None) -> list[Pilot]:
    beginning = word.lower()
    # A few digits are the number or the id of a pilot that is gone, not the stamp of another pilot.
    if not is_beginning(beginning) or (_is_number(word) and len(word) < CERTAIN):
        return []
    return pilot_reads.by_beginning(tx, beginning, ce, LISTED + 1)


def _list(candidates: Sequence[Pilot], now: datetime) -> str:
    lines = [
        f"{pilot.id} on {pilot.ce} ({pilot.status}, {in_two_units(pilot.age(now))} old)"
        for pilot in candidates[:LISTED]
    ]
    return ", ".join([*lines, *(["and more"] if len(candidates) > LISTED else [])])


def _advice(candidates: Iterable[Pilot]) -> str:
    if len({pilot.ce for pilot in candidates}) > 1:
        return "name the CE with --ce, or the pilot by its number"
    return "name the pilot by its number"
