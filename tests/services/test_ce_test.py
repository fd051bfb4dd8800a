"""`ce test` finds and names what is wrong with a CE."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import refused
from tests.factories import a_ce, a_pilot
from tests.services.test_credentials import Listening, add_credential, asking, token
from tests.services.world import Fake, World
from worker.backends.sim.faults import Fault
from worker.db import ces, locks, payloads, vos
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Output
from worker.domain.errors import Unavailable, UnknownCE, UnknownVO
from worker.domain.vo import DEFAULT_VO
from worker.services import ce_calls
from worker.services.operate import pauses, pilots
from worker.services.operate.ce_test import CETestRequest, CETestStep, run_ce_test
from worker.services.operate.pilots import bounded
from worker.services.runtime import Runtime

SHORT: dict[str, Any] = {"queue_time": 5.0, "run_time": 20.0, "output_lines": 3}


def run(
    world: World, ce: CE | str, runtime: Runtime | None = None, **values: Any
) -> list[CETestStep]:
    name = ce if isinstance(ce, str) else ce.name
    request = CETestRequest(**{"pause": world.wait, **values})
    return list(run_ce_test(runtime or world.runtime(by_hand=True), name, request))


def names(steps: Sequence[CETestStep]) -> list[tuple[str, bool | None]]:
    return [(step.name, step.ok) for step in steps]


ALL_WELL = [
    *(("CE", True), ("options", True), ("credential", True), ("answer", True), ("listing", True))
]


def test_a_ce_that_is_well(world: World) -> None:
    ce = world.ce()
    world.sent(ce, 2)
    steps = run(world, ce)

    assert names(steps) == ALL_WELL
    assert steps[-2].finding == "a simulated CE of capacity 10"
    assert steps[-1].finding.startswith("2 jobs of this installation, 0 of them unknown")
    assert world.lease(ce) is None


def test_a_pilot_is_seen_from_its_reservation_to_its_last_words(world: World) -> None:
    ce = world.ce(**SHORT)
    steps = run(world, ce, pilot=True)

    assert names(steps[:5]) == ALL_WELL
    words = [step.finding.splitlines()[0].split(": ", 1)[1] for step in steps[5:]]
    assert [line.partition(" ")[0] for line in words] == [
        "reserved",
        "submitted",
        "running",
        "done;",
    ]
    assert [step.ok for step in steps[5:]] == [None, None, None, True]
    assert "pilot ends: COMPLETED" in steps[-1].finding
    assert world.statuses() == {"done": 1}


def test_a_pilot_that_fails_is_told_with_its_cause(world: World) -> None:
    ce = world.ce(success_rate=0.0, failures={"out_of_memory": 1}, **SHORT)
    step = run(world, ce, pilot=True)[-1]

    assert step.ok is False
    assert "failed (out_of_memory, it used more memory than it asked for)" in step.finding
    assert step.do == f"see its history: pilotage pilot show {world.pilots()[0].id}"


def test_a_pilot_that_had_no_work_is_called_so_beside_what_the_ce_calls_it(world: World) -> None:
    world.change(
        lambda tx: payloads.put(tx, "default", {"script": "x", "exit_codes": {"1": "empty"}})
    )
    ce = world.ce(success_rate=0.0, failures={"failed_fast": 1}, **SHORT)
    step = run(world, ce, pilot=True)[-1]

    assert step.ok is True
    assert "done (empty, FAILED_EARLY" in step.finding


def test_a_pilot_that_never_ends_is_waited_for_as_long_as_asked(world: World) -> None:
    ce = world.ce(queue_time=10**6)
    step = run(world, ce, pilot=True, patience=timedelta(minutes=2))[-1]

    assert (step.ok, "is still submitted after 2 min" in step.finding) == (False, True)
    assert world.statuses() == {"submitted": 1}


def test_a_pilot_holds_a_slot_as_any_other(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(1))
    world.make(a_pilot().on(ce).running())
    step = run(world, ce, pilot=True)[-1]

    assert step.ok is False
    assert step.finding == f"no slot of {ce.name} is free for VO default"
    assert step.do == "see why: pilotage plan --vo default"


def test_a_vo_that_may_have_no_pilots_is_named_as_the_reason(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(1))
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, limit=0))
    step = run(world, ce, pilot=True)[-1]

    assert (step.ok, step.finding) == (False, "the limit of VO default is 0")
    assert step.do is not None
    assert "--vo NAME" in step.do


@pytest.mark.parametrize("of", ["vo", "ce"])
def test_what_is_closed_is_named_as_the_reason(world: World, of: str) -> None:
    ce = world.ce(a_ce().with_capacity(1))
    name, table = (DEFAULT_VO, vos) if of == "vo" else (ce.name, ces)
    world.change(lambda tx: table.change(tx, name, draining=True))
    step = run(world, ce, pilot=True)[-1]

    assert (step.ok, step.finding) == (False, f"the {of.upper()} is draining")


def test_a_ce_that_the_vo_may_not_use_is_named_as_the_reason(world: World) -> None:
    ce = world.ce(a_ce().only_for(world.vo()))
    step = run(world, ce, pilot=True, vo=DEFAULT_VO)[-1]

    assert (step.ok, step.finding) == (False, "the CE is for other VOs")


def test_a_lost_reply_is_found_out_by_the_listing(world: World) -> None:
    ce = world.ce(**SHORT)
    world.fault(ce, Fault.LOSES_REPLY)

    def mend(seconds: float) -> None:
        world.wait(seconds)
        world.mend(ce)

    steps = run(world, ce, pilot=True, pause=mend)
    assert "submitting" in {step.finding.split()[-1] for step in steps}
    assert steps[-1].ok is True


BROKEN: dict[str, tuple[Fault, str, str, str]] = {
    "down": (Fault.DOWN, "answer", "connection refused", "that it runs"),
    "nonsense": (Fault.UNREADABLE, "answer", "not its language", "its back-end and its version"),
    "credential": (Fault.CREDENTIAL, "answer", "has expired", "pilotage credential list"),
    "cut short": (Fault.TRUNCATES, "listing", "it is not complete", "if this lasts"),
}


@pytest.mark.parametrize(("fault", "name", "message", "do"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_and_what_to_do(
    world: World, fault: Fault, name: str, message: str, do: str
) -> None:
    ce = world.ce()
    world.fault(ce, fault)
    step = run(world, ce)[-1]

    assert (step.name, step.ok) == (name, False)
    assert message in step.finding
    assert do in str(step.do)
    assert (world.health(ce).failed_calls, world.lease(ce)) == (0, None)


def test_options_that_cannot_be_read_end_it(world: World) -> None:
    ce = world.ce()
    world.change(lambda tx: ces.change(tx, ce.name, options={"queue_tim": 1}))
    steps = run(world, ce)

    assert names(steps) == [("CE", True), ("options", False)]
    assert "did you mean 'queue_time'?" in steps[-1].finding
    assert "pilotage ce set" in str(steps[-1].do)


def test_the_credential_of_each_vo_that_may_use_it_is_looked_at(world: World) -> None:
    good, bad, other = world.vo(), world.vo(), world.vo()
    ce = world.ce(a_ce().only_for(good, bad))
    add_credential(world, token(world, "good"), good.name)
    add_credential(world, world.home / "missing", bad.name)
    runtime = asking(world, Listening(), by_hand=True)
    steps = run(world, ce, runtime)
    by_ok = {step.ok: step for step in steps if step.name == "credential"}

    assert f"the token of VO {good.name} can be used" in by_ok[True].finding
    assert "its file is missing" in by_ok[False].finding
    assert by_ok[False].do == f"renew it, or see: pilotage credential show {bad.name} sim"
    assert other.name not in str(steps)
    assert steps[-1].name == "listing"
    # Without a usable credential the CE gets no request.
    assert names(run(world, ce, runtime, vo=bad.name))[-1] == ("credential", False)
    # One that is not stored cannot be renewed or shown.
    last = run(world, ce, runtime, vo=other.name)[-1]
    assert last.finding.startswith(f"VO {other.name} has no token for sim: add one")
    assert (last.ok, last.do) == (False, None)


def test_a_disabled_ce_is_checked_all_the_same(world: World) -> None:
    ce = world.ce(a_ce().disabled())
    steps = run(world, ce)

    assert "is disabled" in steps[0].finding
    assert steps[0].do == f"to send pilots again: pilotage ce enable {ce.name}"
    assert steps[-1].name == "listing"


def test_a_held_ce_is_called_so_and_how_the_hold_ends_is_said(world: World) -> None:
    ce = world.ce()
    pauses.pause(world.runtime(), ce.name, "new disks")
    steps = run(world, ce)

    assert f"{ce.name} is held (new disks)" in steps[0].finding
    assert steps[0].do == f"to send pilots again: pilotage ce resume {ce.name}"
    assert steps[-1].name == "listing"


def test_another_execution_is_waited_for(world: World) -> None:
    ce = world.ce()

    name = ce_calls.lease_name(ce.name)

    def hold(seconds: float) -> None:
        length = timedelta(seconds=seconds)
        world.change(lambda tx: locks.take_lease(tx, name, "another", world.clock, length))

    hold(20)
    assert names(run(world, ce)) == ALL_WELL
    hold(200)
    assert "another execution is calling the CE" in run(world, ce)[-1].finding


def test_what_is_unknown_is_named(world: World) -> None:
    with refused(UnknownCE, "nowhere"):
        run(world, "nowhere")
    with refused(UnknownVO, "nobody"):
        run(world, world.ce(), vo="nobody")


def test_output_is_asked_for_again_and_bounded(world: World) -> None:
    class Shy(Fake):
        failures = 2

        def output(self, job: Job) -> Output:
            self.note_call("output")
            if self.failures:
                self.failures -= 1
                raise Unavailable("busy")
            return Output(text="".join(f"line {n}\n" for n in range(200_000)))

    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    driver, delays = Shy(), list[float]()
    runtime = world.with_driver(driver)
    whole = pilots.read_output(runtime, str(pilot), pause=delays.append)

    assert (driver.calls, delays) == (["output"] * 3, list(pilots.PAUSES))
    assert whole.truncated
    assert len(whole.text) < pilots.LONGEST + 100
    assert "characters are left out here" in whole.text
    tail = pilots.output(runtime, str(pilot), tail=2)
    assert (tail.text, tail.truncated) == ("line 199998\nline 199999\n", True)
    assert pilots.output(runtime, str(pilot), tail=0).text == ""
    driver.failures = 3
    with refused(Unavailable, "busy"):
        pilots.read_output(runtime, str(pilot), pause=delays.append)


def test_short_output_is_whole() -> None:
    short = Output(text="a\nb")
    assert bounded(short, None) == bounded(short, 2) == bounded(short, 9) == short
    assert bounded(short, 1) == replace(short, text="b", truncated=True)
