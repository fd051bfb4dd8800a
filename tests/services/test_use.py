"""The use of pilots that ended well: it is recorded and learnt, and waste has its cause."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_vo
from tests.services.world import Fake, World
from worker.db import payloads, work
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed
from worker.domain.pilot import Cause, Status, Use
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.services.tasks import learn
from worker.services.tasks.dispatch import dispatch
from worker.services.tasks.submit_pilots import plan, submit_pilots

pytestmark = pytest.mark.slow


class Ends(Fake):
    """A CE where every pilot has ended after a time and with an exit code."""

    def __init__(self, exit_code: int, life: timedelta, world: World) -> None:
        super().__init__()
        self.exit_code = exit_code
        self.life = life
        self.world = world

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        good = self.exit_code == 0
        now = self.world.clock
        return [
            Observed(
                stamp=job.stamp,
                handle=job.handle,
                status=Status.DONE if good else Status.FAILED,
                cause=None if good else Cause.EXIT_CODE,
                exit_code=self.exit_code,
                started_at=now - self.life,
                ended_at=now,
            )
            for job in jobs
        ]


def set_payload(world: World, vo: str = DEFAULT_VO, **values: Any) -> None:
    """Set values of the payload of a VO."""
    world.change(lambda tx: payloads.put(tx, vo, {"script": "true", **values}))


def end_of(world: World, exit_code: int, seconds: float) -> tuple[Status, Cause | None, Use | None]:
    """Let a pilot end; return its status, cause and use."""
    ce = world.ce()
    [pilot_id] = world.sent(ce, 1)
    world.wait(seconds + 60)
    world.check(ce, world.with_driver(Ends(exit_code, timedelta(seconds=seconds), world)))
    pilot = world.pilot(pilot_id)
    return pilot.status, pilot.cause, pilot.use


CODES = {"0": "useful", "77": "empty", "78": "node"}


@pytest.mark.parametrize(
    ("exit_code", "became"),
    [
        (0, (Status.DONE, None, Use.USEFUL)),
        (77, (Status.DONE, None, Use.EMPTY)),
        (78, (Status.FAILED, Cause.NODE, None)),
        (1, (Status.FAILED, Cause.EXIT_CODE, None)),
    ],
)
def test_the_payload_says_what_an_exit_code_means(
    world: World, exit_code: int, became: tuple[Status, Cause | None, Use | None]
) -> None:
    set_payload(world, exit_codes=CODES)
    assert end_of(world, exit_code, 5) == became


@pytest.mark.parametrize(("seconds", "use"), [(89, Use.SHORT), (90, Use.USEFUL)])
def test_the_payload_says_how_long_one_must_have_run(world: World, seconds: int, use: Use) -> None:
    set_payload(world, useful_after=90)
    assert end_of(world, 0, seconds) == (Status.DONE, None, use)


def test_what_the_pilots_of_a_vo_usually_live_says_it_else(world: World) -> None:
    assert end_of(world, 0, 5) == (Status.DONE, None, Use.USEFUL)
    for _ in range(3):
        end_of(world, 0, 3600)
    learn.learn(world.runtime())
    assert end_of(world, 0, 200) == (Status.DONE, None, Use.SHORT)
    assert end_of(world, 0, 400) == (Status.DONE, None, Use.USEFUL)


def test_the_meanings_of_one_vo_are_not_those_of_another(world: World) -> None:
    vo = world.vo(a_vo().named("cms")).name
    set_payload(world, vo, exit_codes=CODES)
    assert end_of(world, 77, 5) == (Status.FAILED, Cause.EXIT_CODE, None)


# Whose fault it is


class Site:
    """Three CEs, and VOs whose pilots end there after set times."""

    def __init__(self, world: World, vos: Sequence[str] = (DEFAULT_VO,)) -> None:
        self.world = world
        self.ces = [world.ce(a_ce().named(n).with_capacity(6), check_latest=60.0) for n in "abc"]
        for vo in vos:
            set_payload(world, vo, useful_after=120)

    def work_for(self, minutes: int, lives: Mapping[tuple[str, str], float]) -> Counter[str]:
        """Work for some minutes; return how many pilots each VO sent to each CE.

        Pilots end well after the seconds in `lives` for their VO and CE, or else after ten minutes.
        """
        counts: Counter[str] = Counter()
        for _ in range(minutes):
            for vo in sorted({vo for vo, _ in lives} | {DEFAULT_VO}):
                submit_pilots(self.world.runtime(budget=4), vo)
            for ce in self.ces:
                counts[ce.name] += dispatch(self.world.runtime(), ce.name).counts.get(
                    "submitted", 0
                )
            self.world.wait(60)
            for ce in self.ces:
                self._check(ce, lives)
            learn.learn(self.world.runtime())
        return counts

    def _check(self, ce: CE, lives: Mapping[tuple[str, str], float]) -> None:
        self.world.check(ce, self.world.with_driver(Living(self.world, lives), by_hand=True))


class Living(Fake):
    """A CE where pilots begin at once and end when their time is over."""

    def __init__(self, world: World, lives: Mapping[tuple[str, str], float]) -> None:
        super().__init__()
        self.world = world
        self.lives = lives

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        by_stamp = {pilot.stamp: pilot for pilot in self.world.pilots()}
        return [self._observe(by_stamp[job.stamp]) for job in jobs]

    def _observe(self, pilot: Any) -> Observed:
        began = pilot.started_at or pilot.submitted_at
        life = timedelta(seconds=self.lives.get((pilot.vo, pilot.ce), 600))
        over = self.world.clock - began >= life
        return Observed(
            stamp=pilot.stamp,
            handle=pilot.handle,
            status=Status.DONE if over else Status.RUNNING,
            exit_code=0 if over else None,
            started_at=began,
            ended_at=began + life if over else None,
        )


def pause_reasons(world: World, site: Site) -> dict[str, str | None]:
    """Return the reason of each paused CE."""
    states = {ce.name: world.health(ce) for ce in site.ces}
    return {
        name: state.sending_reason
        for name, state in states.items()
        if state.sending is Sending.PAUSED
    }


def without_work(world: World) -> set[str]:
    with world.database.uow() as tx:
        return set(work.without_work(tx))


def test_a_ce_that_ends_pilots_at_once_is_paused_and_probed_and_the_others_go_on(
    world: World,
) -> None:
    site = Site(world)
    site.work_for(10, {})
    assert pause_reasons(world, site) == {}
    site.work_for(14, {(DEFAULT_VO, "a"): 5})
    [(name, reason)] = pause_reasons(world, site).items()
    assert name == "a"
    assert "pilots of VO default in a row ended for nothing; at other CEs" in str(reason)
    assert without_work(world) == set()

    counts = site.work_for(15, {(DEFAULT_VO, "a"): 5})
    assert 1 <= counts["a"] <= 5
    assert counts["b"] + counts["c"] > 10
    site.work_for(20, {})
    assert pause_reasons(world, site) == {}


def test_a_vo_without_work_blames_no_ce_and_keeps_a_trickle_until_it_finds_some(
    world: World,
) -> None:
    site = Site(world)
    site.work_for(15, {})
    nothing = {(DEFAULT_VO, ce.name): 5.0 for ce in site.ces}
    site.work_for(15, nothing)
    assert without_work(world) == {DEFAULT_VO}
    assert pause_reasons(world, site) == {}

    counts = site.work_for(20, nothing)
    assert 10 <= counts.total() <= 2 * 20
    reasons = plan(world.runtime(), DEFAULT_VO).lines
    assert all("(a trickle: since " in reason for reason in reasons)
    assert all("pilots in a row found no work, at 3 CEs)" in reason for reason in reasons)

    site.work_for(8, {})
    assert without_work(world) == set()
    assert site.work_for(10, {}).total() > 10


def test_the_cost_of_a_check_does_not_depend_on_how_pilots_ended(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(40))
    world.sent(ce, 40)
    world.wait(120)
    with statements(world.database.engine) as sql:
        world.check(ce, world.with_driver(Ends(0, timedelta(seconds=5), world)))
    assert len(sql) <= 13
