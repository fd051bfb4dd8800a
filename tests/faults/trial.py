"""The steps of a test: a site works, a fault begins and ends, and the site works well again."""

from urllib.parse import urlsplit

from sqlalchemy import URL

from tests.chaos import fleet
from tests.chaos.conftest import Make
from tests.chaos.ending import begin, judged, settle
from tests.chaos.fleet import Member
from tests.chaos.logs import BEGINS
from tests.chaos.making import SCHEDULES, Shape
from tests.chaos.world import World

EVERY = {**SCHEDULES, "check_pilots": 2, "reconcile": 5, "sweep": 10}


def crew() -> list[Member]:
    return [fleet.worker("one", "plan,call", 2), fleet.beat("beat")]


def site(make: Make) -> World:
    """Make a site whose processes do not run yet."""
    return make(Shape(ce="small", members=crew(), schedules=EVERY))


def working(make: Make) -> World:
    """Make a site, and wait until pilots come to its CEs."""
    world = site(make)
    begin(world)
    return world


def set_database(world: World, url: URL | str) -> None:
    """Set the database of all processes that start from now on."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    world.fleet.told = {**world.fleet.told, "PILOTAGE_DATABASE_URL": text}


def output(world: World) -> str:
    """Return the logs of all processes."""
    logs = (world.fleet.log(member) for member in world.fleet.members)
    return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def says(world: World, *parts: str) -> None:
    """Wait until each of these texts is in the logs of the processes."""

    def missing_parts() -> list[str]:
        text = output(world)
        return [part for part in parts if part not in text]

    is_complete = world.reaches(lambda: not missing_parts(), progress=missing_parts)
    assert is_complete, (missing_parts(), output(world)[-3000:])


def works_again(world: World) -> None:
    """Wait until ticks are claimed, the worker works and pilots come to the CEs."""
    assert world.sees(["ticked", "moved", "accepted", "did:one"]), output(world)[-3000:]


def ends_well(world: World) -> None:
    """Settle, stop all processes and judge: no process has died, and none logged a traceback."""
    settle(world)
    starts = {member.name: member.starts for member in world.fleet.members}
    codes = world.fleet.stop()
    verdict = judged(world, [], codes)
    text = output(world)

    assert set(starts.values()) == {1}, (starts, world.fleet.own_ends)
    assert set(codes.values()) == {0}, codes
    assert BEGINS not in text, text[text.index(BEGINS) - 500 :][:8000]
    assert verdict.is_clean, (verdict, text[-6000:])
    for url in (world.redis.url, world.postgresql.dsn):
        assert str(urlsplit(url).password) not in text
