"""How a fault is tried: a site works, the fault comes and goes, and at the end nothing is wrong."""

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
    """Make a site that does nothing yet."""
    return make(Shape(ce="small", members=crew(), schedules=EVERY))


def working(make: Make) -> World:
    """Make a site, and wait until pilots come to its CEs."""
    world = site(make)
    begin(world)
    return world


def told_database(world: World, url: URL | str) -> None:
    """Tell all processes that are started from now on which database to use."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    world.fleet.told = {**world.fleet.told, "PILOTAGE_DATABASE_URL": text}


def said(world: World) -> str:
    """Return what all processes have said."""
    logs = (world.fleet.log(member) for member in world.fleet.members)
    return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def says(world: World, *parts: str) -> None:
    """Wait until the processes have said each of these in a line."""

    def missing() -> list[str]:
        text = said(world)
        return [part for part in parts if part not in text]

    reached = world.reaches(lambda: not missing(), progress=missing)
    assert reached, (missing(), said(world)[-3000:])


def works_again(world: World) -> None:
    """Wait until ticks are claimed, the worker works and pilots come to the CEs."""
    assert world.sees(["ticked", "moved", "accepted", "did:one"]), said(world)[-3000:]


def ends_well(world: World) -> None:
    """Settle, stop everybody and judge: no fault ended a process, and each said it in a line."""
    settle(world)
    starts = {member.name: member.starts for member in world.fleet.members}
    codes = world.fleet.stop()
    verdict = judged(world, [], codes)
    text = said(world)

    assert set(starts.values()) == {1}, (starts, world.fleet.own_ends)
    assert set(codes.values()) == {0}, codes
    assert BEGINS not in text, text[text.index(BEGINS) - 500 :][:8000]
    assert verdict.is_clean, (verdict, text[-6000:])
    for url in (world.redis.url, world.postgresql.dsn):
        assert str(urlsplit(url).password) not in text
