"""A frequent question takes as many statements for many CEs and pilots as for one."""

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_pilot
from tests.services.world import World
from worker.db.uow import Transaction
from worker.services.observe.timings import QUESTIONS, Question, subject_of, timings


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_costs_as_many_statements_for_many_as_for_one(
    world: World, question: Question
) -> None:
    counts = []
    for number in (1, 12):
        with world.database.uow() as tx:
            _furnish(tx, number)
        subject = subject_of(world.runtime())
        assert subject is not None
        with statements(world.database.engine) as sql:
            question.ask(world.runtime(), subject)
        counts.append(len(sql))

    assert counts[0] == counts[1] >= 1


def test_a_question_changes_nothing(world: World) -> None:
    with world.database.uow() as tx:
        _furnish(tx, 3)
    subject = subject_of(world.runtime())
    assert subject is not None

    with statements(world.database.engine) as sql:
        for question in QUESTIONS:
            question.ask(world.runtime(), subject)

    beginnings = {statement.split()[0] for statement in sql}
    assert beginnings <= {"BEGIN", "SELECT", "WITH"}
    assert not [s for s in sql if "INSERT" in s or "UPDATE " in s or "DELETE" in s]


def test_each_question_is_timed_and_compared_with_a_round_trip(world: World) -> None:
    with world.database.uow() as tx:
        _furnish(tx, 2)
    subject = subject_of(world.runtime())
    assert subject is not None

    results = list(timings(world.runtime(), subject, repeat=2))

    assert [one.question for one in results] == ["a round trip", *(q.name for q in QUESTIONS)]
    assert results[0].round_trips == 1
    assert all(0 < one.median <= one.p90 for one in results)


def test_the_ce_with_the_most_pilots_is_asked_about(world: World) -> None:
    with world.database.uow() as tx:
        a_ce().named("empty").create(tx)
        full = a_ce().named("full").create(tx)
        a_pilot().running().on(full).create(tx)

    subject = subject_of(world.runtime())

    assert subject is not None
    assert subject.ce == "full"


def _furnish(tx: Transaction, number: int) -> None:
    """Make CEs with one pilot in each status that a question is about."""
    for n in range(number):
        ce = a_ce().named(f"ce{n}of{number}").create(tx)
        a_pilot().running().on(ce).create(tx)
        a_pilot().done().on(ce).create(tx)
