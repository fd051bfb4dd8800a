"""An upgrade in the middle: workers of the version before beside those of this one.

The code of the version before comes from the history of the repository: the commit before its
database was stored in `tests/data`. A world begins with it: its schema, its workers, its beats.
Then half of them are replaced by ours, which refuse to work; the database is migrated while the
others work on; ours begin to work beside them; and then the others are replaced, too.
"""

import io
import re
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import text

from tests.acceptance.processes import CELERY, PILOTAGE, ROOT
from tests.chaos.fleet import Member, children_of, send
from tests.chaos.sites.lying import LIES
from tests.chaos.world import World
from worker.db import chains
from worker.db.database import Database

VERSION = "0.1.0"
DUMP = "tests/data/0.1.0/postgresql.sql"
REVISION = re.compile(r"alembic_version_(\w+) VALUES \('(\w+)'\)")
REFUSAL = b"pilotage db"
GRACE = 30.0
"""Seconds until a supervisor kills a worker that does not stop. One of the version before may hang:
its pool writes long errors that it does not read any more."""
STILL = 60.0
"""Seconds without a task after which a worker of the version before counts as hanging."""
BESIDE = 10.0
"""Seconds that both versions run after the migration."""
HONEST = "no lies"


@dataclass(frozen=True, kw_only=True)
class Upgraded:
    """The result of an upgrade."""

    version: str
    refusals: int
    attempts: int
    seconds: float
    said: list[str]
    """The output of `db migrate` in the attempts that failed."""


def old_code(folder: Path) -> Path:
    """Extract the code of the version before from the history; raise LookupError without one."""
    tree = folder / VERSION
    try:
        commits = _git("log", "--diff-filter=A", "--format=%H", "--", DUMP).decode().split()
        names = ["worker", "celeryconfig.py", "pyproject.toml"]
        archive = _git("archive", "--format=zip", f"{commits[-1]}^", *names)
    except (OSError, IndexError, subprocess.CalledProcessError) as problem:
        raise LookupError(f"needs the git history, for the code of {VERSION}") from problem
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(tree)
    _install(tree)
    return tree


def _install(tree: Path) -> None:
    """Install the back-ends and policies of this tree in it."""
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {where}" for name, where in points.items())]
    metadata = tree / f"{project['name']}-{VERSION}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {VERSION}\n")
    (metadata / "entry_points.txt").write_text("\n".join(lines))


def put_back(database: Database, folder: Path) -> None:
    """Downgrade a new database to the schema of the version before.

    That version takes pilots of a neighbour for strangers, and believes liars: both are left out.
    """
    with database.uow() as tx:
        tx.execute(text("UPDATE ces SET cancel_strangers = false"))
    revisions = dict(REVISION.findall((ROOT / DUMP).read_text(encoding="utf-8")))
    for chain in reversed(database.chains):
        chains.downgrade(database.engine, chain, revisions[chain.name])
    (folder / LIES).rename(folder / HONEST)


def as_before(member: Member, tree: Path) -> None:
    """Make a member one of the version before."""
    member.words = [sys.executable, "-m", "celery", "-A", "worker", *member.words[len(CELERY) :]]
    member.environment = {"PYTHONPATH": str(tree)}
    member.version = VERSION


def upgrade(world: World) -> Upgraded:
    """Make the whole upgrade, step by step."""
    began = time.monotonic()
    members = world.fleet.members
    first = [member for n, member in enumerate(members) if n % 2]
    others = [member for member in members if member not in first]
    for member in first:
        _replace(world, member)
    _see(
        world,
        lambda: all(_count_refusals(world, member) for member in first),
        "a refusal by each new member",
    )
    _revive(world, others)
    _works(world, others)
    messages = _migrate(world)
    _works(world, first)
    world.live(BESIDE)
    for member in others:
        _replace(world, member)
    _works(world, members)
    with world.database.uow() as tx:
        tx.execute(text("UPDATE ces SET cancel_strangers = true"))
    (world.folder / HONEST).rename(world.folder / LIES)
    return Upgraded(
        version=VERSION,
        refusals=sum(_count_refusals(world, member) for member in first),
        attempts=len(messages) + 1,
        seconds=round(time.monotonic() - began, 1),
        said=messages,
    )


def _replace(world: World, member: Member) -> None:
    """Stop a member of the version before; the supervisor starts one of ours in its place."""
    starts, member.is_struck = member.starts, True
    member.words = [*CELERY, *member.words[len(CELERY) :]]
    member.environment, member.version = {}, ""
    world.pulse.turn(member.name, world.fleet.log(member))
    if (old := member.process) is not None and old.poll() is None:
        old.send_signal(signal.SIGTERM)
        if not world.live(GRACE, lambda: old.poll() is not None):
            for pid in [old.pid, *children_of([old.pid])]:
                send(pid, signal.SIGKILL)
    _see(world, lambda: member.starts > starts, f"the end of the old {member.name}")


def _migrate(world: World) -> list[str]:
    """Migrate while others work; return the output of each failed attempt."""
    processes, messages = world.fleet.processes, list[str]()
    for attempt in range(5):
        name = f"migrate{attempt}"
        migration = processes.start(name, [*PILOTAGE, "db", "migrate"], world.fleet.told)
        if _ends_well(world, migration):
            return messages
        messages.append(processes.said(name).strip())
    raise AssertionError(f"the database was not migrated: {messages}")


def _ends_well(world: World, migration: "subprocess.Popen[bytes]") -> bool:
    _see(world, lambda: migration.poll() is not None, "the end of the migration")
    return migration.returncode == 0


def _revive(world: World, members: Sequence[Member]) -> None:
    """Kill the workers of the version before that hang; the supervisor starts them again.

    Such a worker hangs for ever if it loses its broker while a process of its pool ends.
    """
    for member in members:
        if member.is_worker and not world.live(STILL, partial(_did_something, world, member)):
            member.is_struck = True
            if (process := member.process) is not None and process.poll() is None:
                for pid in [process.pid, *children_of([process.pid])]:
                    send(pid, signal.SIGKILL)


def _did_something(world: World, member: Member) -> bool:
    return world.pulse.last.get(f"did:{member.name}", 0) > time.monotonic() - STILL


def _works(world: World, members: Sequence[Member]) -> None:
    """Check that pilots come to the CEs, and that each of these workers does something."""
    names = [member.name for member in members if member.is_worker]
    if not world.sees(["accepted", *(f"did:{name}" for name in names)]):
        raise AssertionError(f"not all of {names} work")


def _count_refusals(world: World, member: Member) -> int:
    return world.fleet.log(member).read_bytes().count(REFUSAL)


def _see(world: World, condition: Callable[[], object], what: str) -> None:
    if not world.reaches(condition):
        raise AssertionError(f"waited in vain for {what}")


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout
