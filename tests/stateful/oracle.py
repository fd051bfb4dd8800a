"""The promises, judged after each commit of a play, by a clock that never goes back.

To what `Promises` looks at come the reasons of each cycle, and what was pruned.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, event, select

from tests.crash.evidence import Evidence
from tests.crash.limits import Step
from tests.crash.promises import Promises
from tests.crash.rest import (
    PILOTS,
    decided,
    fates,
    held_leases,
    histories,
    one_of_each,
    simulated_jobs,
    ticks,
)
from tests.stateful.clocks import Clocks
from worker.db.tables import ces, pilots

_WRITES = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) (pilots|transitions|decisions|ces|vos)\b")


class Oracle(Promises):
    """Looks at the database of a play."""

    overlap = 0

    def __init__(
        self, engine: Engine, evidence: Evidence, clocks: Clocks, keep_final: timedelta
    ) -> None:
        self.clocks = clocks
        self.keep_final = keep_final
        self.pruned: set[str] = set()
        self.found: list[str] = []
        self._ticks: dict[int, int] = {}
        self._ended: dict[int, datetime | None] = {}
        self._wrote: set[tuple[str, ...]] = set()
        super().__init__(engine, evidence)
        event.listen(engine, "before_cursor_execute", self._note_statement)

    def close(self) -> None:
        """Look no more."""
        event.remove(self.engine, "before_cursor_execute", self._note_statement)

    def commit(self) -> None:
        """Judge the last commit, and keep what does not hold."""
        wrote, self._wrote = self._wrote, set()
        tables = {table for _, table in wrote}
        if "pilots" in tables:
            self._note_pruned()
        if "DELETE FROM" in {verb for verb, _ in wrote}:
            self._note_ticks()  # SQLite gives their numbers again, too
        if "decisions" in tables or ("INSERT INTO", "pilots") in wrote:
            self.found += self._unreasoned()
        if wrote:
            self.found += self.look()

    def step(self) -> None:
        """Judge what holds between any two steps of a play: every job has one pilot."""
        with self.engine.connect() as connection:
            self.found += self._jobs(connection)

    def rest(self) -> list[str]:
        """Judge the whole when nothing goes on any more."""
        with self.engine.connect() as connection:
            rows = connection.execute(PILOTS).mappings().all()
            jobs = simulated_jobs(connection, self.clocks.true)
            found = [
                *self._jobs(connection),
                *fates(rows, {job.stamp: job for job in jobs}),
                *held_leases(connection, self.clocks.ours),
            ]
            if not self.clocks.was_set_back:
                found += histories(connection, rows)
        assert self.evidence is not None
        return found + [f"twice: {stamp} was sent again" for stamp in self.evidence.sent_twice()]

    def _judge(self, step: Step, delay: timedelta) -> list[str]:
        # The moments in the rows are by our clock; the last step's is by the ledger's.
        return super()._judge(replace(step, claimed_at=None), delay)

    def _remember(self, steps: Iterable[Step]) -> None:
        super()._remember(replace(step, at=self.clocks.ledger) for step in steps)

    def _note_statement(
        self, connection: object, cursor: object, statement: str, *_: object
    ) -> None:
        if found := _WRITES.search(statement):  # a claim begins with what it chooses
            self._wrote.add(found.groups())

    def _note_pruned(self) -> None:
        """Only what has been over for long enough may go."""
        with self.engine.connect() as connection:
            rows = {row.id: row.ended_at for row in connection.execute(_ROWS)}
        for gone in sorted(self._ended.keys() - rows.keys()):
            ended_at = self._ended[gone]
            self.pruned.add(self._last.pop(gone).stamp)
            if ended_at is None or ended_at >= self.clocks.ours - self.keep_final:
                self.found.append(f"lost: pilot {gone} was deleted, it ended at {ended_at}")
        if self._ended.keys() - rows.keys():
            # SQLite gives the numbers of the last steps again.
            self._seen = {(step, pilot) for step, pilot in self._seen if pilot in rows}
        self._ended = rows

    def _note_ticks(self) -> None:
        with self.engine.connect() as connection:
            self._ticks = ticks(connection)

    def _jobs(self, connection: Connection) -> list[str]:
        rows = connection.execute(PILOTS).mappings().all()
        return one_of_each(
            rows, simulated_jobs(connection, self.clocks.true), frozenset(self.pruned)
        )

    def _unreasoned(self) -> list[str]:
        """A cycle says why of each CE, and as many pilots are born as it says."""
        with self.engine.connect() as connection:
            new = list(decided(connection, self._ticks))
            names = set(connection.execute(select(ces.c.name)).scalars())
        self._note_ticks()
        granted: dict[str, Counter[str]] = {}
        for one in new:
            granted.setdefault(one.vo, Counter())[one.ce] += one.granted
        born: dict[str, Counter[str]] = {}
        for step in self._new_steps():
            if step.is_new:
                born.setdefault(step.vo, Counter())[step.ce] += 1
        return [
            *(
                f"reason: none for VO {one.vo} on CE {one.ce}"
                for one in new
                if not one.reason.strip()
            ),
            *(
                f"reason: a cycle of VO {vo} says nothing of CE {ce}"
                for vo, decided in granted.items()
                for ce in sorted(names - decided.keys())
            ),
            *(
                f"reason: born for VO {vo} are {born.get(vo)}, decided {granted.get(vo)}"
                for vo in sorted(born.keys() | granted.keys())
                if born.get(vo, Counter()) != +granted.get(vo, Counter())
            ),
        ]


_ROWS = select(pilots.c.id, pilots.c.ended_at)
