"""The record of a CE's answer, also if the database refuses the part about one pilot.

It is one transaction, like every record. If a statement fails because of the values to store, the
transaction is rolled back and the record is made again in halves: a half that fails is undone and
halved again, until only the failing pilot is left. This pilot is left out, and all others are
recorded.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from worker.db import mover, pilots
from worker.db.driver_errors import first_line, is_of_data
from worker.db.mover import Moved
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.lines import short_line
from worker.domain.pilot import Check, Move
from worker.services import trials
from worker.services.ce_calls import CECall
from worker.services.runtime import Runtime
from worker.tracing import span

log = logging.getLogger(__name__)

Item = TypeVar("Item", Move, Check)
Part = TypeVar("Part")
Value = TypeVar("Value")

SHOWN = 20
"""How many of the pilots that were left out one execution names at most."""


class Recording:
    """One attempt to make a record: as a whole, or in halves."""

    def __init__(self, *, in_halves: bool = False) -> None:
        self._in_halves = in_halves
        self.left_out: dict[int, str] = {}
        """Why the part of a pilot could not be stored, by its id."""

    def move(self, tx: Transaction, moves: Sequence[Move], now: datetime) -> Moved:
        """Move pilots, like `mover.move`."""
        return _sum(self._write(tx, moves, lambda some: mover.move(tx, some, now)))

    def checked(self, tx: Transaction, checks: Sequence[Check], now: datetime) -> None:
        """Note checks, like `pilots.checked`."""
        self._write(tx, checks, lambda some: pilots.checked(tx, some, now))

    def lines(self) -> tuple[str, ...]:
        """Write which pilots were left out."""
        return tuple(
            f"the CE's answer about pilot {number} cannot be stored: {why}"
            for number, why in [*self.left_out.items()][:SHOWN]
        )

    def _write(
        self, tx: Transaction, items: Sequence[Item], write: Callable[[Sequence[Item]], Part]
    ) -> list[Part]:
        if not self._in_halves:
            return [write(items)]
        # In the order of the pilots' ids, in which every statement locks pilots.
        return self._halved(tx, sorted(items, key=lambda item: item.pilot_id), write)

    def _halved(
        self, tx: Transaction, items: Sequence[Item], write: Callable[[Sequence[Item]], Part]
    ) -> list[Part]:
        try:
            with tx.savepoint():
                return [write(items)]
        except Exception as error:
            if not is_of_data(error):
                raise
            if len(items) == 1:
                self.left_out[items[0].pilot_id] = _why(error)
                return []
        half: int = len(items) // 2
        halves = items[:half], items[half:]
        return [part for some in halves for part in self._halved(tx, some, write)]


def record(runtime: Runtime, write: Callable[[Transaction, Recording], Value]) -> Value:
    """Make a record in a transaction of its own; in halves if it cannot be stored as a whole."""
    try:
        with span("record"), runtime.database.uow() as tx:
            return write(tx, Recording())
    except Exception as error:
        if not is_of_data(error):
            raise
        log.warning("a record cannot be stored; it is tried again in halves: %s", _why(error))
    recording = Recording(in_halves=True)
    with runtime.database.uow() as tx:
        value = write(tx, recording)
    for line in recording.lines():
        log.warning("%s", line)
    return value


def record_receipts(
    call: CECall, claimed: Sequence[Reserved], moves: Sequence[Move]
) -> tuple[Moved, Recording]:
    """Record the results in the receipts of a call, and give its turn back."""

    def write(tx: Transaction, recording: Recording) -> tuple[Moved, Recording]:
        moved = recording.move(tx, moves, call.runtime.now())
        trials.note(tx, call.ce.name, claimed, moves, call.runtime.now())
        call.answered(tx)
        return moved, recording

    return record(call.runtime, write)


def _sum(parts: Sequence[Moved]) -> Moved:
    return Moved(
        moved=frozenset().union(*(part.moved for part in parts)),
        refused=frozenset().union(*(part.refused for part in parts)),
    )


def _why(error: Exception) -> str:
    """Return the database's message, without the statement and its parameters."""
    return short_line(first_line(getattr(error, "orig", None) or error))
