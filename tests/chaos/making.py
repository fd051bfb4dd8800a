"""Makes a world: servers, a migrated database, a site, and a crew that is not started yet."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.processes import CELERY, Processes, settings_of
from tests.chaos import fleet, upgrade
from tests.chaos.fleet import Fleet, Member
from tests.chaos.pulse import Pulse
from tests.chaos.servers import Postgresql, Redis
from tests.chaos.sites import SITES
from tests.chaos.world import Disk, World
from tests.databases import backend_chains
from tests.integration.commits import watch
from worker.db.database import Database
from worker.services.operate import database as care

SCHEDULES = {
    "submit_pilots": 1,
    "dispatch": 2,
    "check_pilots": 1,
    "reconcile": 3,
    "learn": 5,
    "report": 7,
    "prune": 11,
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The parts of a world."""

    ce: str = "local"
    members: Sequence[Member]
    time_limit: float = 12.0
    schedules: Mapping[str, float] = field(default_factory=lambda: dict(SCHEDULES))
    disk: int | None = None
    """The size of the disk of the state folder; without a size, it is an ordinary folder."""
    tree: Path | None = None
    """The code of the version before, if the world begins with it."""


def usual_crew() -> list[Member]:
    """Four workers, each with a pool, and two beats."""
    return [
        fleet.worker("plan", "plan", 2),
        fleet.worker("call1", "call", 4),
        fleet.worker("call2", "call", 4),
        fleet.worker("both", "plan,call", 3),
        fleet.beat("beat1"),
        fleet.beat("beat2"),
    ]


@contextmanager
def world(folder: Path, shape: Shape) -> Iterator[World]:
    """Make everything; at the end of the block, end all of it."""
    home = folder / "home"
    with ExitStack() as stack:
        disk = Disk(home, shape.disk) if shape.disk is not None else None
        home.mkdir(mode=0o700, exist_ok=True)
        postgresql, redis = Postgresql(folder / "postgresql"), Redis(folder / "redis")
        stack.callback(postgresql.end)
        stack.callback(redis.end)
        postgresql.start()
        redis.start()
        database = Database(postgresql.url, backend_chains())
        stack.callback(database.engine.dispose)
        care.setup(database)
        watch(database.engine)
        site = SITES[shape.ce](folder, home, database)
        site.build(database)
        if shape.tree is not None:
            upgrade.put_back(database, folder)
        for member in shape.members:
            member.words = [*site.celery, *member.words[len(CELERY) :]]
            if shape.tree is not None:
                upgrade.as_before(member, shape.tree)
        processes = Processes(folder)
        values = {
            "database_url": database.url.render_as_string(hide_password=False),
            "broker_url": redis.url,
            "home": str(home),
            "config": str(_configuration(folder, shape)),
        }
        crew = Fleet(processes, settings_of(values), shape.members)
        logs = {member.name: crew.log(member) for member in shape.members}
        for log in logs.values():
            log.touch()
        pulse = Pulse(postgresql.dsn, logs)
        stack.callback(site.end)
        stack.callback(crew.end)
        stack.callback(pulse.close)
        yield World(
            crew, postgresql, redis, database, pulse, site, folder, home, disk, shape.time_limit
        )


def _configuration(folder: Path, shape: Shape) -> Path:
    lines = ["beat_interval = 0.5", f"time_limit = {shape.time_limit}"]
    # This policy pauses no CE that the tormentor breaks, so there is always something to do.
    lines.append('policy = "fill_all"')
    for task, every in shape.schedules.items():
        lines += [f"[schedules.{task}]", f"every = {every}"]
    path = folder / "pilotage.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
