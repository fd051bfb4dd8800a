"""What failed pilots wrote: a few of each check are kept, and tell why they failed."""

from collections.abc import Sequence

from tests.factories import a_ce
from tests.services.world import Fake, World
from worker.backends.sim.faults import Fault
from worker.db import ces, outputs, retention, uow
from worker.domain.ce_answers import Job, Observed, Output
from worker.domain.errors import Unavailable
from worker.domain.pilot import Cause, Status
from worker.services.operate import pilots as service

OOM = "begin\nslurmstepd: error: Detected 1 oom_kill event in StepId=7.batch.\n"


class Ending(Fake):
    """Says of every pilot that it failed."""

    def __init__(self, text: str = OOM, cause: Cause | None = Cause.EXIT_CODE) -> None:
        super().__init__()
        self.text = text
        self.cause = cause
        self.open: list[bool] = []

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        self.called("poll")
        return [
            Observed(
                stamp=job.stamp,
                handle=job.handle,
                status=Status.FAILED,
                cause=self.cause,
                exit_code=1,
            )
            for job in jobs
        ]

    def output(self, job: Job) -> Output:
        self.called("output")
        self.open.append(uow.is_open())
        return Output(text=self.text)


def fail(world: World, driver: Fake, number: int = 5, kept: int = 2) -> list[int]:
    """Let so many pilots fail in one check."""
    ce = world.ce(a_ce().with_capacity(number))
    made = world.sent(ce, number)
    world.wait(100)
    world.check(ce, world.with_driver(driver, keep_failed_output=kept))
    assert world.statuses() == {"failed": number}
    return made


def kept(world: World, pilot: int) -> str | None:
    with world.database.uow() as tx:
        found = outputs.get(tx, pilot)
    return found.text if found else None


def test_a_few_are_kept_and_tell_why_they_failed(world: World) -> None:
    driver = Ending()
    made = fail(world, driver)

    assert driver.calls == ["poll", "output", "output"]
    assert driver.open == [False, False]
    assert [kept(world, one) for one in made] == [OOM, OOM, None, None, None]
    assert [world.pilot(one).cause for one in made] == [
        *(Cause.OUT_OF_MEMORY, Cause.OUT_OF_MEMORY),
        *(Cause.EXIT_CODE, Cause.EXIT_CODE, Cause.EXIT_CODE),
    ]


def test_what_the_ce_told_stays(world: World) -> None:
    made = fail(world, Ending(cause=Cause.NODE))
    assert world.pilot(made[0]).cause is Cause.NODE


def test_without_the_setting_nothing_is_fetched(world: World) -> None:
    driver = Ending()
    made = fail(world, driver, kept=0)
    assert (driver.calls, kept(world, made[0])) == (["poll"], None)


def test_a_ce_that_does_not_give_it_is_asked_once_and_the_end_is_recorded(world: World) -> None:
    class Mute(Ending):
        def output(self, job: Job) -> Output:
            self.called("output")
            raise Unavailable("no route")

    driver = Mute()
    made = fail(world, driver)
    assert driver.calls == ["poll", "output"]
    assert kept(world, made[0]) is None


def test_the_end_of_a_long_text_is_kept_without_secrets(world: World) -> None:
    made = fail(world, Ending("x" * 100_000 + " password=tiger\n\0end"))
    text = str(kept(world, made[0]))

    assert len(text) <= outputs.LONGEST
    assert text.endswith("x password=***\n\ufffdend")


def test_a_secret_at_the_border_of_what_is_kept_leaves_nothing(world: World) -> None:
    secret = "0123456789abcdef" * 4
    rest = "x" * (outputs.LONGEST - len(secret) // 2)
    made = fail(world, Ending(f"{rest} token={secret}\n{rest}"))
    assert set(str(kept(world, made[0]))) <= set("x\n token=***")


def test_what_was_kept_by_an_older_version_is_shown_without_secrets(world: World) -> None:
    made = fail(world, Ending(), kept=0)
    world.change(lambda tx: outputs.keep(tx, {made[0]: "token=hunter2 end"}, world.clock))
    gone = world.with_driver(Ending(text=""))
    assert service.output(gone, str(made[0])).text == "token=*** end"


def test_pilots_that_end_well_are_let_be(world: World) -> None:
    ce = world.ce(queue_time=1.0, run_time=1.0)
    world.sent(ce, 2)
    world.wait(100)
    driver = Fake()
    world.check(ce, world.with_driver(driver, keep_failed_output=2))
    assert (driver.calls, world.statuses()) == (["poll"], {"done": 2})


def test_what_was_kept_is_shown_where_the_ce_has_nothing(world: World) -> None:
    [made, *_] = fail(world, Ending())
    gone = world.with_driver(Ending(text=""))
    written = service.output(gone, str(made), tail=1)

    assert (written.text, written.kept_at) == (OOM.splitlines(keepends=True)[1], world.clock)
    assert service.output(world.with_driver(Ending("still there")), str(made)).kept_at is None
    name = world.pilot(made).ce
    with world.database.uow() as tx:
        ce = ces.get(tx, name)
    world.fault(ce, Fault.DOWN)
    assert service.read_output(world.runtime(), str(made), pause=world.wait).text == OOM


def test_it_goes_with_its_pilot(world: World) -> None:
    made = fail(world, Ending())
    world.change(lambda tx: retention.remove(tx, "pilots", world.clock.replace(year=2100), 100))
    assert kept(world, made[0]) is None


def test_what_is_kept_once_stays(world: World) -> None:
    made = fail(world, Ending())
    world.change(lambda tx: outputs.keep(tx, {made[0]: "other", made[2]: "new"}, world.clock))
    assert (kept(world, made[0]), kept(world, made[2])) == (OOM, "new")
