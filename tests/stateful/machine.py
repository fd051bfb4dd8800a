"""The machine: what may happen to the system, in any order.

The shortest play that breaks a promise is printed as a story. Each rule is one event; after each
the promises must hold. At the end the faults are over, time passes, and all must come to rest.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.stateful.boundaries import PLACES, QUIET
from tests.stateful.site import Site
from tests.stateful.troubles import AT_SUBMISSION, ATLAS, IN_ITS_ANSWERS, WITH_ITS_JOBS
from worker.backends.sim.faults import Fault
from worker.db import uow
from worker.domain.pilot_report import PilotState
from worker.domain.vo import DEFAULT_VO

FIRST, SECOND, THIRD = "ce1", "ce2", "ce3"

ces = st.sampled_from((FIRST, SECOND))
any_ce = st.sampled_from((FIRST, SECOND, THIRD))
vos = st.sampled_from((DEFAULT_VO, ATLAS))
capacities = st.sampled_from((4, 3, 2, 1, 0))
limits = st.sampled_from((None, None, 5, 3, 1, 0))
which = st.integers(0, 5)
rates = st.sampled_from((1.0, 0.5))
times = st.sampled_from((4, 1))
ends = st.booleans()
then = st.sampled_from((61, 125, 20, 0, 700))
"""Seconds until a scheduler looks again; with 0 it does not."""

calling = st.sampled_from(("dispatch", "dispatch", "check_pilots", "reconcile"))
at_the_call = ("before the call", "after the call")
deadly = st.sampled_from((*at_the_call, *PLACES))
quiet = st.sampled_from((*at_the_call, *QUIET))
ANY = (
    ("submit_pilots", DEFAULT_VO),
    ("submit_pilots", ATLAS),
    *((task, ce) for task in ("dispatch", "check_pilots", "reconcile") for ce in (FIRST, SECOND)),
    ("learn", None),
    ("report", None),
    ("prune", None),
)

REST = (60, 120, 600, *(660,) * 20)
"""The steps of time until everything has come to rest."""


def _beside(neighbour: str) -> dict[str, Any]:
    """Put a CE at the place of another; a listing of either shows the jobs of both, without CE."""
    return {"neighbours": [neighbour], "tells_ce": False}


class Machine(RuleBasedStateMachine):
    """One play; it prints its story line by line."""

    def __init__(self, play: Site, tell: Callable[[str], object] = note) -> None:
        super().__init__()
        self.play = play
        self._say = tell

    # The site at first.

    @initialize(
        capacity=st.integers(1, 4), waiting_limit=limits, delay=st.sampled_from((0.0, 200.0))
    )
    def first_ce(self, capacity: int, waiting_limit: int | None, delay: float) -> None:
        self.play.add_ce(FIRST, capacity, waiting_limit, delay, **_beside(SECOND))

    @initialize(capacity=st.integers(1, 4), waiting_limit=limits)
    def second_ce(self, capacity: int, waiting_limit: int | None) -> None:
        times = {"queue_time": 20.0, "run_time": 60.0}
        self.play.add_ce(SECOND, capacity, waiting_limit, 0.0, **times, **_beside(FIRST))

    @initialize(limit=limits)
    def second_vo(self, limit: int | None) -> None:
        self.play.add_vo({"name": ATLAS, "limit": limit})
        self.play.let_speak(ATLAS)

    # What happens by itself. After each event the factory works on for a while.

    @rule(then=then)
    def the_factory_works(self, then: int) -> None:
        """Time passes, a scheduler looks, and every message arrives."""
        self.play.work(then)

    @rule(task=calling, place=deadly, then=then)
    def one_is_killed(self, task: str, place: str, then: int) -> None:
        self.play.lie_in_wait(task, place, dies=True)
        self.play.work(then)

    @precondition(lambda self: len(self.play.waiters) < 3)
    @rule(task=calling, place=quiet, then=then)
    def one_is_kept_waiting(self, task: str, place: str, then: int) -> None:
        self.play.lie_in_wait(task, place, dies=False)
        self.play.work(then)

    @precondition(lambda self: self.play.waiters)
    @rule(which=which, then=then)
    def one_that_waited_goes_on(self, which: int, then: int) -> None:
        self.play.go_on(which)
        self.play.work(then)

    @precondition(lambda self: self.play.waiters)
    @rule(which=which, then=then)
    def one_that_waited_is_killed(self, which: int, then: int) -> None:
        self.play.die(which)
        self.play.work(then)

    @rule(how=st.sampled_from(("not yet", "reversed", "twice", "never")), then=then)
    def a_scheduler_looks_and_messages_come(self, how: str, then: int) -> None:
        self.play.tick()
        self.play.deliver_all(how)
        self.play.work(then)

    @rule(task=st.sampled_from(ANY), dies=st.none() | st.sampled_from(PLACES), then=then)
    def a_task_is_run_by_hand(
        self, task: tuple[str, str | None], dies: str | None, then: int
    ) -> None:
        self.play.run(*task, dies=dies)
        self.play.work(then)

    @rule(
        what=st.sampled_from(("we sleep", "our clock is set")),
        hours=st.sampled_from((1, -1, 5, 60)),
        then=then,
    )
    def time_jumps(self, what: str, hours: int, then: int) -> None:
        if what == "we sleep":
            self.play.clocks.go_on(abs(hours) * 3600)
        else:
            self.play.clocks.set_by(hours * 3600)
        self.play.work(then)

    # Faults of the CEs.

    @rule(ce=ces, it=st.sampled_from(tuple(AT_SUBMISSION)), rate=rates, times=times, ends=ends)
    def a_ce_errs_at_submission(
        self, ce: str, it: str, rate: float, times: int, ends: bool
    ) -> None:
        self.play.err(ce, AT_SUBMISSION[it], rate, times, ends)

    @rule(ce=ces, it=st.sampled_from(tuple(IN_ITS_ANSWERS)), rate=rates, times=times, ends=ends)
    def a_ce_errs_in_its_answers(
        self, ce: str, it: str, rate: float, times: int, ends: bool
    ) -> None:
        self.play.err(ce, IN_ITS_ANSWERS[it], rate, times, ends)

    @rule(ce=ces, it=st.sampled_from(tuple(WITH_ITS_JOBS)), rate=rates, times=times, ends=ends)
    def a_ce_errs_with_its_jobs(
        self, ce: str, it: str, rate: float, times: int, ends: bool
    ) -> None:
        self.play.err(ce, WITH_ITS_JOBS[it], rate, times, ends)

    @rule(ce=ces, then=then)
    def a_ce_is_mended(self, ce: str, then: int) -> None:
        self.play.mend(ce)
        self.play.work(then)

    @rule(which=which, how=st.sampled_from((Fault.KILLS, Fault.REMOVES, Fault.REQUEUES)), then=then)
    def a_job_is_struck(self, which: int, how: Fault, then: int) -> None:
        pilot = self.play.pilot(which)
        if pilot:
            self.play.strike(pilot, how)
        self.play.work(then)

    @rule(which=which, state=st.sampled_from(PilotState), payloads=st.integers(0, 2), then=then)
    def a_pilot_speaks(self, which: int, state: PilotState, payloads: int, then: int) -> None:
        pilot = self.play.pilot(which)
        if pilot:
            self.play.speak(pilot, state, payloads)
        self.play.work(then)

    # What operators do.

    @rule(which=which, dies=st.none() | st.sampled_from(PLACES), then=then)
    def a_pilot_is_cancelled(self, which: int, dies: str | None, then: int) -> None:
        pilot = self.play.pilot(which)
        if pilot:
            self.play.cancel(pilot.stamp, dies)
        self.play.work(then)

    @rule(ce=ces, capacity=capacities, waiting_limit=limits, then=then)
    def a_ce_is_resized(self, ce: str, capacity: int, waiting_limit: int | None, then: int) -> None:
        self.play.change_ce(ce, capacity=capacity, waiting_limit=waiting_limit)
        self.play.work(then)

    @rule(ce=ces, to=st.sampled_from(("on", "off", "drain", "open to all", ATLAS)), then=then)
    def a_ce_is_switched(self, ce: str, to: str, then: int) -> None:
        if to in ("open to all", ATLAS):
            self.play.change_ce(ce, only_for=(ATLAS,) if to == ATLAS else ())
        else:
            self.play.change_ce(ce, enabled=to != "off", draining=to == "drain")
        self.play.work(then)

    @rule(vo=vos, limit=limits, demand=limits, enabled=st.sampled_from((True, True, False)))
    def a_vo_is_changed(
        self, vo: str, limit: int | None, demand: int | None, enabled: bool
    ) -> None:
        self.play.change_vo(vo, limit=limit, demand=demand, enabled=enabled)
        self.play.work(61)

    @rule(ce=any_ce, what=st.sampled_from(("add", "remove", "apply")), capacity=capacities)
    def the_inventory_changes(self, ce: str, what: str, capacity: int) -> None:
        if what == "add":
            self.play.add_ce(ce, capacity, None, 0.0)
        elif what == "remove":
            self.play.remove_ce(ce)
        else:  # the file names one CE and one VO only, so the others are disabled
            self.play.apply(
                f'[vo.{ATLAS}]\n[ce.{ce}]\nbackend = "sim"\ncapacity = {capacity}\n'
                'options = { spread = "fixed", queue_time = 30.0, call_timeout = 1e-6 }\n'
            )
        self.play.work(61)

    # What holds.

    @invariant()
    def the_promises_hold(self) -> None:
        self.play.oracle.step()
        self._tell()
        assert not uow.is_open()

    def teardown(self) -> None:
        try:
            self._tell()
            self._say("all is mended, and time passes")
            self._come_to_rest()
        finally:
            self.play.close()

    def _come_to_rest(self) -> None:
        for ce in (FIRST, SECOND, THIRD):
            self.play.mend(ce)
        self.play.ambush = None
        while self.play.waiters:
            self.play.go_on(0)
        for vo in (DEFAULT_VO, ATLAS):
            self.play.change_vo(vo, enabled=False)
        for seconds in REST:
            self.play.work(seconds)
            self._tell()
            problems = self.play.oracle.rest()
            if not problems:
                return
        raise AssertionError("\n".join(problems))

    def _tell(self) -> None:
        for line in self.play.story:
            self._say(f"    {line}")
        self.play.story.clear()
        assert not self.play.oracle.problems, "\n".join(self.play.oracle.problems)
