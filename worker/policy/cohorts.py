"""Cohorts: the pilots that began in the same minute and started well, and how many died early.

A CE may let every pilot survive its first minutes and kill it after that. Meanwhile pilots that
began before still end well, and hide this for an hour. Grouping pilots by their beginning shows it
at once: none of the pilots that could have reached a certain age by now has reached it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

MARKS = (7.5, 10.0, 15.0, 20.0, 30.0, 45.0)
"""The ages in minutes at which survivors are counted. Pilots older than the last are dropped."""

MINUTE = 60.0


class Cohorts:
    """The pilots of one CE that started well, as far back as the last mark."""

    def __init__(self, stored: Sequence[Sequence[Any]] = ()) -> None:
        # minute -> [started, dead at each mark ...]
        self._cohorts = {cohort[0]: list(cohort[1:]) for cohort in stored}

    def stored(self) -> list[list[int]]:
        """Return the state to store: a cohort in which no pilot died is stored as two numbers."""
        return [
            [minute, *(cohort if any(cohort[1:]) else cohort[:1])]
            for minute, cohort in sorted(self._cohorts.items())
        ]

    def started(self, began: float, now: float) -> None:
        """Count a pilot that started well."""
        self._forget(now)
        self._cohorts.setdefault(int(began // MINUTE), [0])[0] += 1

    def died(self, began: float, ran: float) -> None:
        """Count the death of a pilot that started well."""
        cohort = self._cohorts.get(int(began // MINUTE))
        if cohort is None:
            return
        if len(cohort) == 1:
            cohort += [0] * len(MARKS)
        for number, mark in enumerate(MARKS, 1):
            if ran < mark * MINUTE:
                cohort[number] += 1

    def dead_in_a_row(self, mark: int, now: float) -> tuple[int, float]:
        """Count how many of the latest pilots in a row died before a mark.

        Only pilots that could have reached the mark by now count. Return also when the first of the
        pilots in this row began.
        """
        dead, since = 0, now
        for began, started, died in self._of_age(mark, now):
            if died < started:
                break
            dead, since = dead + died, began
        return dead, since

    def outliver(self, mark: int, since: float, now: float) -> float | None:
        """Return when the latest pilot that outlived the next mark began, or `None`.

        A pilot that began before `since` does not count. The next mark is used instead of this one
        because a death may become known some minutes late.
        """
        after = min(mark + 1, len(MARKS) - 1)
        for began, started, died in self._of_age(after, now):
            if began < since:
                return None
            if died < started:
                return began
        return None

    def _of_age(self, mark: int, now: float) -> Iterator[tuple[float, int, int]]:
        """Yield the cohorts that could have reached a mark, the latest first."""
        for minute in sorted(self._cohorts, reverse=True):
            cohort = self._cohorts[minute]
            if (minute + 1 + MARKS[mark]) * MINUTE <= now:
                yield minute * MINUTE, cohort[0], cohort[mark + 1] if len(cohort) > 1 else 0

    def _forget(self, now: float) -> None:
        oldest = now / MINUTE - MARKS[-1] - 2
        for minute in [minute for minute in self._cohorts if minute < oldest]:
            del self._cohorts[minute]
