"""Outputs of failed pilots: each check keeps a few, and they show why the pilots failed."""

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
    """A CE that answers of every pilot that it failed."""

    def __init__(self, text: str = OOM, cause: Cause | None = Cause.EXIT_CODE) -> None:
        super().__init__()
        self.text = text
        self.cause = cause
        self.open: list[bool] = []

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        self.note_call("poll")
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
        self.note_call("output")
        self.open.append(uow.is_open())
        return Output(text=self.text)


def fail(world: World, driver: Fake, number: int = 5, keep: int = 2) -> list[int]:
    """Let pilots fail in one check; return their ids."""
    ce = world.ce(a_ce().with_capacity(number))
    ids = world.sent(ce, number)
    world.wait(100)
    world.check(ce, world.with_driver(driver, keep_failed_output=keep))
    assert world.statuses() == {"failed": number}
    return ids


def stored_text(world: World, pilot: int) -> str | None:
    with world.database.uow() as tx:
        output = outputs.get(tx, pilot)
    return output.text if output else None


def test_a_few_are_kept_and_tell_why_they_failed(world: World) -> None:
    driver = Ending()
    ids = fail(world, driver)

    assert driver.calls == ["poll", "output", "output"]
    assert driver.open == [False, False]
    assert [stored_text(world, one) for one in ids] == [OOM, OOM, None, None, None]
    assert [world.pilot(one).cause for one in ids] == [
        *(Cause.OUT_OF_MEMORY, Cause.OUT_OF_MEMORY),
        *(Cause.EXIT_CODE, Cause.EXIT_CODE, Cause.EXIT_CODE),
    ]


def test_what_the_ce_told_stays(world: World) -> None:
    ids = fail(world, Ending(cause=Cause.NODE))
    assert world.pilot(ids[0]).cause is Cause.NODE


def test_without_the_setting_nothing_is_fetched(world: World) -> None:
    driver = Ending()
    ids = fail(world, driver, keep=0)
    assert (driver.calls, stored_text(world, ids[0])) == (["poll"], None)


def test_a_ce_that_does_not_give_it_is_asked_once_and_the_end_is_recorded(world: World) -> None:
    class Mute(Ending):
        def output(self, job: Job) -> Output:
            self.note_call("output")
            raise Unavailable("no route")

    driver = Mute()
    ids = fail(world, driver)
    assert driver.calls == ["poll", "output"]
    assert stored_text(world, ids[0]) is None


def test_the_end_of_a_long_text_is_kept_without_secrets(world: World) -> None:
    ids = fail(world, Ending("x" * 100_000 + " password=tiger\n\0end"))
    text = str(stored_text(world, ids[0]))

    assert len(text) <= outputs.LONGEST
    assert text.endswith("x password=***\n\ufffdend")


def test_a_secret_at_the_border_of_what_is_kept_leaves_nothing(world: World) -> None:
    secret = "0123456789abcdef" * 4
    rest = "x" * (outputs.LONGEST - len(secret) // 2)
    ids = fail(world, Ending(f"{rest} token={secret}\n{rest}"))
    assert set(str(stored_text(world, ids[0]))) <= set("x\n token=***")


def test_what_was_kept_by_an_older_version_is_shown_without_secrets(world: World) -> None:
    ids = fail(world, Ending(), keep=0)
    world.change(lambda tx: outputs.keep(tx, {ids[0]: "token=hunter2 end"}, world.clock))
    runtime = world.with_driver(Ending(text=""))
    assert service.output(runtime, str(ids[0])).text == "token=*** end"


def test_pilots_that_end_well_are_let_be(world: World) -> None:
    ce = world.ce(queue_time=1.0, run_time=1.0)
    world.sent(ce, 2)
    world.wait(100)
    driver = Fake()
    world.check(ce, world.with_driver(driver, keep_failed_output=2))
    assert (driver.calls, world.statuses()) == (["poll"], {"done": 2})


def test_what_was_kept_is_shown_where_the_ce_has_nothing(world: World) -> None:
    [pilot, *_] = fail(world, Ending())
    runtime = world.with_driver(Ending(text=""))
    output = service.output(runtime, str(pilot), tail=1)

    assert (output.text, output.kept_at) == (OOM.splitlines(keepends=True)[1], world.clock)
    assert service.output(world.with_driver(Ending("still there")), str(pilot)).kept_at is None
    name = world.pilot(pilot).ce
    with world.database.uow() as tx:
        ce = ces.get(tx, name)
    world.fault(ce, Fault.DOWN)
    assert service.read_output(world.runtime(), str(pilot), pause=world.wait).text == OOM


def test_it_goes_with_its_pilot(world: World) -> None:
    ids = fail(world, Ending())
    world.change(lambda tx: retention.remove(tx, "pilots", world.clock.replace(year=2100), 100))
    assert stored_text(world, ids[0]) is None


def test_what_is_kept_once_stays(world: World) -> None:
    ids = fail(world, Ending())
    world.change(lambda tx: outputs.keep(tx, {ids[0]: "other", ids[2]: "new"}, world.clock))
    assert (stored_text(world, ids[0]), stored_text(world, ids[2])) == (OOM, "new")
