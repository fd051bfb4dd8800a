"""A CE that does not answer is shown with the time, the reason and the next attempt."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.expectations import refused
from tests.factories import a_ce, a_pilot
from tests.services.world import Broken, Fake, World
from worker.backends.sim.faults import Fault
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Listing, Observed
from worker.domain.errors import CalledElsewhere, Refused, Unavailable
from worker.domain.schedule import Outcome
from worker.domain.vo import DEFAULT_VO
from worker.policy.facts import Chances
from worker.policy.parameters import DEFAULTS
from worker.services import facts
from worker.services.ce_lines import CELine
from worker.services.observe.metrics import metrics
from worker.services.observe.overview import overview
from worker.services.operate.ce_diff import diff
from worker.services.operate.ce_inventory import show_ce
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import check_pilots, dispatch, learn, reconcile

CALLERS: dict[str, Callable[[Runtime, str], TaskResult]] = {
    "dispatch": dispatch.dispatch,
    "check_pilots": check_pilots.check_pilots,
    "reconcile": reconcile.reconcile,
}


def line(world: World, ce: CE) -> CELine:
    [ce_line] = [one for one in overview(world.runtime()).ces if one.name == ce.name]
    return ce_line


def numbers(runtime: Runtime, ce: CE) -> dict[str, float]:
    """Return the metrics of a CE by name, as Prometheus reads them."""
    return {
        family.name: sample.value
        for family in text_string_to_metric_families(metrics(runtime))
        for sample in family.samples
        if sample.labels.get("ce") == ce.name
    }


@pytest.mark.parametrize("run", CALLERS.values(), ids=CALLERS)
def test_every_call_that_fails_is_kept_with_its_moment_and_reason(
    world: World, run: Callable[[Runtime, str], TaskResult]
) -> None:
    ce = world.ce(a_ce().with_capacity(100), check_soonest=0.001, check_latest=0.001)
    world.sent(ce, 1)
    world.reserve(ce, 5)
    answered_at = world.clock
    world.wait(1)
    began = world.clock
    for _ in range(2):
        driver = Broken(Unavailable("squeue:\n Socket timed out"), after=False)
        assert run(world.with_driver(driver), ce.name).outcome is Outcome.FAILED
        world.wait(100)
        world.reserve(ce, 1)

    health = world.health(ce)
    assert (health.unanswered_since, health.last_answered_at) == (began, answered_at)
    assert (health.last_error, health.failed_calls) == ("squeue: Socket timed out", 2)
    again = f"{health.retry_at:%H:%M:%S}Z"
    assert line(world, ce).state == "not answering: squeue: Socket timed out"
    assert line(world, ce).trouble == (
        f"no answer for 3 min 20 s (squeue: Socket timed out), due to be asked again since {again}"
    )
    world.wait(-100)
    assert str(line(world, ce).trouble).endswith(f"asked again at {again}")
    world.wait(100)
    assert world.reconcile(ce).outcome is Outcome.OK
    health = world.health(ce)
    assert (health.unanswered_since, health.last_error) == (None, None)
    assert health.last_answered_at == world.clock
    assert (line(world, ce).state, line(world, ce).trouble) == ("normal", None)


def test_a_fault_of_the_simulated_ce_is_shown_in_the_numbers(world: World) -> None:
    ce = world.ce()
    world.reconcile(ce)
    answered_at = world.clock.timestamp()
    world.wait(60)
    world.fault(ce, Fault.DOWN)
    world.reconcile(ce)
    values = numbers(world.runtime(), ce)
    assert values["pilotage_ce_answered_timestamp_seconds"] == pytest.approx(answered_at)
    assert values["pilotage_ce_failed_calls"] == 1
    assert values["pilotage_ce_gets_pilots"] == 0
    assert show_ce(world.runtime(), ce.name).last_error == f"{ce.name}: connection refused"


def test_a_ce_that_refuses_answers(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 1)
    refusing = world.with_driver(Broken(Refused("refused", "no such queue"), after=False))
    dispatch.dispatch(refusing, ce.name)
    health = world.health(ce)
    assert (health.failed_calls, health.unanswered_since) == (1, None)
    assert health.last_answered_at == world.clock
    assert line(world, ce).state == f"calls refused: {health.last_error}"
    assert "no such queue" in str(line(world, ce).trouble)


def test_a_disabled_ce_is_disabled_and_a_draining_one_both(world: World) -> None:
    draining, disabled = world.ce(a_ce().draining()), world.ce(a_ce().disabled())
    for ce in (draining, disabled):
        world.reconcile(ce, world.with_driver(Broken(Unavailable("down"))))
    assert line(world, draining).state.startswith("not answering, draining: since ")
    assert line(world, disabled).state.startswith("disabled: since ")


def test_diff_forgives_what_is_answered_even_if_nothing_is_done(world: World) -> None:
    ce = world.ce()
    world.fault(ce, Fault.DOWN)
    with refused(Unavailable):
        diff(world.runtime(by_hand=True), ce.name, yes=False)
    assert world.health(ce).failed_calls == 1
    assert world.health(ce).unanswered_since == world.clock
    world.mend(ce)
    [pilot] = world.make(a_pilot().on(ce))
    assert pilot
    diff(world.runtime(by_hand=True), ce.name, yes=False)
    assert (world.health(ce).failed_calls, world.health(ce).retry_at) == (0, None)
    assert world.health(ce).unanswered_since is None


def test_diff_says_that_somebody_else_is_calling(world: World) -> None:
    ce = world.ce()

    class Meanwhile(Fake):
        def find(self) -> Listing:
            with refused(CalledElsewhere, f"CE {ce.name}", "try again"):
                diff(world.runtime(by_hand=True, holder="two"), ce.name, yes=False)
            return super().find()

    diff(world.with_driver(Meanwhile(), by_hand=True), ce.name, yes=False)


class Partial(Fake):
    """A driver that answers after the first pilots only."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.answers = answers

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return list(super().poll(jobs))[: self.answers]


@pytest.mark.parametrize(("answers", "failed_calls"), [(2, 0), (0, 1)])
def test_a_partial_answer_is_one_and_says_what_it_lacks(
    world: World, answers: int, failed_calls: int
) -> None:
    ce = world.ce(check_soonest=0.001, check_latest=0.001)
    world.sent(ce, 5)
    world.wait(1)
    world.reconcile(ce, world.with_driver(Broken(Unavailable("down"), after=False)))
    world.wait(60)
    result = world.check(ce, world.with_driver(Partial(answers)))

    message = f"no answer about {5 - answers} of 5 pilots"
    assert (result.outcome, result.lines) == (Outcome.OK, (message,))
    assert result.counts["unanswered"] == 5 - answers
    assert world.health(ce).failed_calls == failed_calls
    assert world.health(ce).last_error == message
    assert world.lease(ce) is None
    world.wait(600)
    world.check(ce)
    assert (world.health(ce).failed_calls, world.health(ce).last_error) == (0, None)


def test_a_last_error_is_one_bounded_line_without_a_secret(world: World) -> None:
    ce = world.ce()
    text = f"token: Bearer abcdefghijklmnopqrstuvwx\0\udcff\nsecond line {'y' * 2000}"
    world.reconcile(ce, world.with_driver(Broken(Unavailable(text))))
    error = world.health(ce).last_error
    assert error is not None
    assert len(error) == 300
    assert "abcdefghijkl" not in error
    assert error.isprintable()


def chances_of_the_allocation(runtime: Runtime, ce: CE) -> Chances:
    with runtime.database.uow() as tx:
        situation = facts.read(tx, DEFAULT_VO, runtime.now())
    [values] = facts.facts_of(situation, 10, runtime.parameters).ces
    assert values.chances is not None
    return values.chances


def test_screens_and_numbers_say_the_chances_that_the_allocation_goes_by(world: World) -> None:
    ce = world.ce()
    learn.learn(world.runtime())
    world.wait(1)
    for builder in (a_pilot().failed(), a_pilot().done()):
        world.make(builder.on(ce), 2)
    world.wait(60)
    learn.learn(world.runtime())
    world.wait(3600)
    default = world.runtime()
    own = replace(
        default, parameters=replace(DEFAULTS, half_life=timedelta(minutes=600), prior=0.5)
    )
    assert chances_of_the_allocation(default, ce) != chances_of_the_allocation(own, ce)
    for runtime in (default, own):
        chances = chances_of_the_allocation(runtime, ce)
        values = {name: round(value, 2) for name, value in asdict(chances).items()}
        assert show_ce(runtime, ce.name).chances == values
        [row] = overview(runtime).ces
        assert row.chance == chances.all
        assert numbers(runtime, ce)["pilotage_ce_chance"] == pytest.approx(chances.all)
