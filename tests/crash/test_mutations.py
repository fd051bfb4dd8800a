"""A broken build is noticed: one for each mistake that would break a promise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.crash.harness import Explorer, Report, Thrift, kill, suspend
from tests.crash.life import begin
from tests.crash.mutations import MUTATIONS, DoesNotApply, Mutation
from tests.crash.system import Command, System
from tests.factories import NOW
from worker.backends.sim.faults import Fault
from worker.db import pilots
from worker.domain.pilot import Grant
from worker.domain.vo import DEFAULT_VO

LATER = NOW + timedelta(seconds=60)
"""Pilots are at the CEs by then."""


NONE = Thrift(tasks=("none of them",))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What brings a mistake to light: faults for some minutes, and a disturbance of some tasks."""

    faults: Mapping[Fault, Mapping[str, Any]] = field(default_factory=dict)
    minutes: float = 4
    life: float = 3
    thrift: Thrift = NONE
    disturb: Any = kill
    commands: tuple[Command, ...] = ()

    def run(self, system: System, share: float = 1.0) -> Report:
        """Live for some minutes, disturb the tasks, and recover; stop at the first problem."""
        begin(system, self.faults, NOW + timedelta(minutes=self.minutes))
        if self.commands:
            system.commands = [(NOW, command) for command in self.commands]
        explorer = Explorer(system, replace(self.thrift, share=share), self.disturb)
        return explorer.explore(system.save(), NOW + timedelta(minutes=self.life))


def reserves(vo: str, ce: str) -> Command:
    """Let somebody reserve three pilots, whoever else is reserving."""

    def command(system: System) -> None:
        with system.database.uow() as tx:
            pilots.reserve(tx, [Grant(vo=vo, ce=ce, count=3)], system.clock)

    return command


BETWEEN = Thrift(statements=True, tasks=("dispatch",))
UNDISTURBED = Trial()
CALLS = Trial(thrift=BETWEEN, life=1)
PAUSES = Trial(thrift=replace(BETWEEN, repeated=False), disturb=suspend, life=1)
PLANS = Trial(thrift=replace(BETWEEN, tasks=("submit_pilots",)), life=1)
CROWDS = Trial(
    life=0.1,
    thrift=Thrift(tasks=("command",), recovers=False),
    disturb=suspend,
    commands=(reserves("one", "alpha"), reserves(DEFAULT_VO, "alpha"), reserves("one", "beta")),
)
NO_REPLY = Trial(faults={Fault.LOSES_REPLY: {"share": 0.5}})
CUT_SHORT = Trial(faults={Fault.LOSES_REPLY: {}, Fault.TRUNCATES: {"share": 1.0}}, minutes=15)
FORGETFUL = Trial(faults={Fault.FORGETS: {"since": LATER}}, minutes=25)
SILENT = Trial(faults={Fault.ANSWERS_NOTHING: {"since": LATER}}, minutes=25)
DOWN = Trial(faults={Fault.DOWN: {"since": LATER}})

SHOWN_BY: Mapping[str, tuple[Trial, str]] = {
    "calls_before_the_claim_is_committed": (CALLS, "twice"),
    "records_before_the_ce_has_answered": (UNDISTURBED, "not known"),
    "records_whatever_the_pilot_is_by_now": (PAUSES, "not known"),
    "sends_those_in_doubt_again": (NO_REPLY, "twice"),
    "takes_a_failed_call_for_a_refusal": (NO_REPLY, "not known"),
    "does_not_lock_the_ce": (CROWDS, "too many: capacity"),
    "does_not_lock_the_vo": (CROWDS, "too many: limit"),
    "decides_in_another_transaction": (PLANS, "reason"),
    "nudges_before_the_commit": (UNDISTURBED, "early"),
    "gives_up_after_one_listing": (NO_REPLY, "not known"),
    "ignores_the_visibility_delay": (NO_REPLY, "not known"),
    "trusts_an_incomplete_listing": (CUT_SHORT, "not known"),
    "adopts_no_lost_pilot": (FORGETFUL, "fate"),
    "takes_an_error_for_an_absence": (DOWN, "not known"),
    "takes_no_answer_for_an_absence": (SILENT, "not known"),
    "loses_a_pilot_at_its_first_absence": (FORGETFUL, "not known"),
    "never_takes_over_a_lease": (CALLS, "fate"),
}
"""For each mutation, the trial that shows it and the word by which the oracle names it."""

LOCKS = {name for name, (trial, _) in SHOWN_BY.items() if trial is CROWDS}
"""A transaction on SQLite is the only writer: a missing lock makes no difference."""


def test_every_mutation_has_something_that_shows_it() -> None:
    assert SHOWN_BY.keys() == MUTATIONS.keys()
    assert len(MUTATIONS) >= 8


@pytest.mark.parametrize("name", sorted(SHOWN_BY.keys() - LOCKS))
def test_a_broken_build_is_noticed(sqlite_system: System, name: str) -> None:
    trial, word = SHOWN_BY[name]
    with MUTATIONS[name].applied():
        report = trial.run(sqlite_system)

    assert [line for line in report.problems if line.startswith(word)], report.problems


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_a_missing_lock_is_noticed(postgresql_system: System, name: str) -> None:
    trial, word = SHOWN_BY[name]
    with MUTATIONS[name].applied():
        report = trial.run(postgresql_system)

    assert [line for line in report.problems if line.startswith(word)], report.problems


def test_the_sound_build_passes_all_of_these_trials(sqlite_system: System, patient: bool) -> None:
    blank = sqlite_system.save()
    for trial in {id(trial): trial for trial, _ in SHOWN_BY.values()}.values():
        sqlite_system.restore(blank)
        assert trial.run(sqlite_system, share=1.0 if patient else 0.1).problems == []


def test_the_sound_build_has_its_locks(postgresql_system: System) -> None:
    assert CROWDS.run(postgresql_system).problems == []


def test_a_mutation_that_no_longer_applies_is_an_error() -> None:
    stale = Mutation(
        about="", function="worker.db.pilots.record", pieces={"no such piece": ""}, names={}
    )
    with pytest.raises(DoesNotApply, match="no such piece"), stale.applied():
        pass
