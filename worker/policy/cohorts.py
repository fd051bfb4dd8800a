"""Cohorts: the pilots that began in the same minute and started well, and how many died young.

A CE may let every pilot pass its first minutes and kill it then. The good ends of pilots that began
before hide it for an hour. Looking at pilots by their beginning shows it at once: of those that
could have reached some age by now, none has.
"""

from collections.abc import Iterator, Sequence
from typing import Any

MARKS = (7.5, 10.0, 15.0, 20.0, 30.0, 45.0)
"""Ages in minutes at which survivors are counted. Older pilots than the last are forgotten."""

MINUTE = 60.0


class Cohorts:
    """The pilots of one CE that started well within the time of the last mark."""

    def __init__(self, stored: Sequence[Sequence[Any]] = ()) -> None:
        # minute -> [started, dead at each mark ...]
        self._cohorts = {cohort[0]: list(cohort[1:]) for cohort in stored}

    def stored(self) -> list[list[int]]:
        """Return the state to store: a cohort in which nobody died is two numbers."""
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
        """Count pilots in a row that died before a mark, the latest that could reach it first.

        Return also when the first of them began.
        """
        dead, since = 0, now
        for began, started, died in self._of_age(mark, now):
            if died < started:
                break
            dead, since = dead + died, began
        return dead, since

    def outliver(self, mark: int, since: float, now: float) -> float | None:
        """Return when the latest pilot that outlived the next mark began, or `None`.

        One that began before `since` does not count. It is the next mark and not this one, for a
        death may be known some minutes late.
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
