"""The promises, judged after each commit of a play, by a clock that never goes back.

Besides what `Promises` judges, this looks at the reasons of each cycle and at what was pruned.
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
    """Judges the database of a play."""

    overlap = 0

    def __init__(
        self, engine: Engine, evidence: Evidence, clocks: Clocks, keep_final: timedelta
    ) -> None:
        self.clocks = clocks
        self.keep_final = keep_final
        self.pruned_stamps: set[str] = set()
        self.problems: list[str] = []
        self._ticks: dict[int, int] = {}
        self._end_times: dict[int, datetime | None] = {}
        self._wrote: set[tuple[str, ...]] = set()
        super().__init__(engine, evidence)
        event.listen(engine, "before_cursor_execute", self._note_statement)

    def close(self) -> None:
        """Stop looking."""
        event.remove(self.engine, "before_cursor_execute", self._note_statement)

    def commit(self) -> None:
        """Judge the last commit, and record what does not hold."""
        wrote, self._wrote = self._wrote, set()
        tables = {table for _, table in wrote}
        if "pilots" in tables:
            self._note_pruned()
        if "DELETE FROM" in {verb for verb, _ in wrote}:
            self._note_ticks()  # SQLite uses their numbers again, too
        if "decisions" in tables or ("INSERT INTO", "pilots") in wrote:
            self.problems += self._missing_reasons()
        if wrote:
            self.problems += self.look()

    def step(self) -> None:
        """Judge what holds between any two steps of a play: every job has one pilot."""
        with self.engine.connect() as connection:
            self.problems += self._jobs(connection)

    def rest(self) -> list[str]:
        """Judge the final state, when nothing happens any more."""
        with self.engine.connect() as connection:
            rows = connection.execute(PILOTS).mappings().all()
            jobs = simulated_jobs(connection, self.clocks.true)
            problems = [
                *self._jobs(connection),
                *fates(rows, {job.stamp: job for job in jobs}),
                *held_leases(connection, self.clocks.ours),
            ]
            if not self.clocks.was_set_back:
                problems += histories(connection, rows)
        assert self.evidence is not None
        return problems + [f"twice: {stamp} was sent again" for stamp in self.evidence.sent_twice()]

    def _judge(self, step: Step, delay: timedelta) -> list[str]:
        # The moments in the rows are by our clock, that of the last step by the ledger's.
        return super()._judge(replace(step, claimed_at=None), delay)

    def _remember(self, steps: Iterable[Step]) -> None:
        super()._remember(replace(step, at=self.clocks.ledger) for step in steps)

    def _note_statement(
        self, connection: object, cursor: object, statement: str, *_: object
    ) -> None:
        if match := _WRITES.search(statement):  # a claim begins with a SELECT
            self._wrote.add(match.groups())

    def _note_pruned(self) -> None:
        """Only a pilot that ended long enough ago may be deleted."""
        with self.engine.connect() as connection:
            rows = {row.id: row.ended_at for row in connection.execute(_ROWS)}
        for pilot_id in sorted(self._end_times.keys() - rows.keys()):
            ended_at = self._end_times[pilot_id]
            self.pruned_stamps.add(self._last.pop(pilot_id).stamp)
            if ended_at is None or ended_at >= self.clocks.ours - self.keep_final:
                self.problems.append(f"lost: pilot {pilot_id} was deleted, it ended at {ended_at}")
        if self._end_times.keys() - rows.keys():
            # SQLite uses the numbers of the last steps again.
            self._step_keys = {(step, pilot) for step, pilot in self._step_keys if pilot in rows}
        self._end_times = rows

    def _note_ticks(self) -> None:
        with self.engine.connect() as connection:
            self._ticks = ticks(connection)

    def _jobs(self, connection: Connection) -> list[str]:
        rows = connection.execute(PILOTS).mappings().all()
        return one_of_each(
            rows, simulated_jobs(connection, self.clocks.true), frozenset(self.pruned_stamps)
        )

    def _missing_reasons(self) -> list[str]:
        """A cycle gives a reason for each CE, and as many pilots are born as it says."""
        with self.engine.connect() as connection:
            new = list(decided(connection, self._ticks))
            names = set(connection.execute(select(ces.c.name)).scalars())
        self._note_ticks()
        grants: dict[str, Counter[str]] = {}
        for one in new:
            grants.setdefault(one.vo, Counter())[one.ce] += one.granted
        births: dict[str, Counter[str]] = {}
        for step in self._new_steps():
            if step.is_new:
                births.setdefault(step.vo, Counter())[step.ce] += 1
        return [
            *(
                f"reason: none for VO {one.vo} on CE {one.ce}"
                for one in new
                if not one.reason.strip()
            ),
            *(
                f"reason: a cycle of VO {vo} says nothing of CE {ce}"
                for vo, by_ce in grants.items()
                for ce in sorted(names - by_ce.keys())
            ),
            *(
                f"reason: born for VO {vo} are {births.get(vo)}, decided {grants.get(vo)}"
                for vo in sorted(births.keys() | grants.keys())
                if births.get(vo, Counter()) != +grants.get(vo, Counter())
            ),
        ]


_ROWS = select(pilots.c.id, pilots.c.ended_at)
