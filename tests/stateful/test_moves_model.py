"""The mover and the notes of checks, against a model that is a page of plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.factories import MINUTE, NOW, a_ce, a_pilot
from tests.stateful.runs import some
from worker.db import mover, pilot_reads, pilots
from worker.db.pilots import CE_MAY_HAVE_IT
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.pilot import AT_CE, FINAL, MOVES, Check, Move, Status

NUMBER = 4
statuses = st.sampled_from(Status)
ways = st.tuples(statuses, st.none() | statuses)
checks = st.tuples(st.booleans(), st.booleans())
steps = st.one_of(
    st.tuples(st.just("move"), st.dictionaries(st.integers(0, NUMBER - 1), ways, max_size=NUMBER)),
    st.tuples(
        st.just("check"), st.dictionaries(st.integers(0, NUMBER - 1), checks, max_size=NUMBER)
    ),
)
Step = tuple[str, dict[int, tuple[Any, Any]]]


@dataclass
class Model:
    """One pilot, as it should be."""

    status: Status
    path: list[Status] = field(default_factory=list)
    requeues: int = 0
    attempts: int = 0
    misses: int = 0
    missing_since: datetime | None = None

    def move(self, to: Status, was: Status | None) -> bool:
        """Move, if that is legal."""
        if to not in MOVES[self.status] or was not in (None, self.status):
            return False
        self.requeues += (self.status, to) == (Status.RUNNING, Status.SUBMITTED)
        self.status = to
        self.path.append(to)
        self.attempts = self.misses = 0
        self.missing_since = None
        return True

    def check(self, answered: bool, missing: bool, now: datetime) -> None:
        """Note a check, if the CE has the pilot or may have it."""
        if self.status not in CE_MAY_HAVE_IT:
            return
        self.attempts = 0 if answered else self.attempts + 1
        if missing:
            self.misses += 1
            self.missing_since = self.missing_since or now
        elif answered:
            self.misses, self.missing_since = 0, None


Models = dict[int, Model]
Requests = dict[int, tuple[Any, Any]]


def test_pilots_are_where_the_model_says_whatever_is_asked_of_them(uow: UnitOfWork) -> None:
    @some(uow)
    @given(beginnings=st.tuples(*[statuses] * NUMBER), script=st.lists(steps, max_size=8))
    def holds(beginnings: Sequence[Status], script: Sequence[Step]) -> None:
        agree(uow, beginnings, script)

    holds()


def agree(uow: UnitOfWork, beginnings: Sequence[Status], script: Sequence[Step]) -> None:
    """Do the same to pilots and to their models, and compare them after each step."""
    with uow() as tx:
        ce = a_ce().with_capacity(NUMBER).create(tx)
        new_pilots = [a_pilot().on(ce).that_is(status).create(tx) for status in beginnings]
        models = {
            pilot.id: Model(pilot.status, [s.became for s in pilot_reads.history(tx, pilot.id)])
            for pilot in new_pilots
        }
    for number, (what, changes) in enumerate(script, start=1):
        now = NOW + number * MINUTE
        requests = {new_pilots[which].id: one for which, one in changes.items()}
        with uow() as tx:
            if what == "move":
                move(tx, models, requests, now)
            else:
                check(tx, models, requests, now)
        with uow() as tx:
            for pilot_id, model in models.items():
                compare(tx, pilot_id, model)


def move(tx: Transaction, models: Models, requests: Requests, now: datetime) -> None:
    """Move pilots and models."""
    outcome = mover.move(
        tx, [Move(pilot_id=i, to=to, was=was) for i, (to, was) in requests.items()], now
    )
    legal = {i for i, (to, was) in requests.items() if models[i].move(to, was)}
    assert outcome.moved == legal
    assert outcome.refused == requests.keys() - legal


def check(tx: Transaction, models: Models, requests: Requests, now: datetime) -> None:
    """Note checks of pilots and models."""
    notes = [
        Check(pilot_id=i, next_check_at=None, answered=answered, missing=missing)
        for i, (answered, missing) in requests.items()
    ]
    pilots.checked(tx, notes, now)
    for i, (answered, missing) in requests.items():
        models[i].check(answered, missing, now)


def compare(tx: Transaction, pilot_id: int, model: Model) -> None:
    """Compare a pilot and its history with its model."""
    pilot = pilot_reads.get(tx, pilot_id)
    history = pilot_reads.history(tx, pilot_id)
    assert [step.became for step in history] == model.path
    assert [step.was for step in history] == [None, *model.path[:-1]]
    assert (pilot.status, pilot.requeues) == (model.status, model.requeues)
    assert (pilot.attempts, pilot.misses) == (model.attempts, model.misses)
    assert pilot.missing_since == model.missing_since
    assert (pilot.ended_at is not None) == (model.status in FINAL)
    assert (pilot.next_check_at is not None) <= (model.status in AT_CE)
    assert (pilot.cause is not None) == (model.status is Status.FAILED)
