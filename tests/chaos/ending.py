"""The beginning and the end of a run: begin to work, settle after the faults, and judge."""

import signal
import time

from sqlalchemy import text

from tests.chaos import logs, observer, verdict
from tests.chaos.verdict import Row, Verdict
from tests.chaos.world import World
from worker.db import vos
from worker.db.database import Database

BETWEEN_LOOKS = 2.0


def begin(world: World) -> None:
    """Start everybody, and wait until pilots come to the CEs."""
    world.fleet.start()
    events = [*(f"began:{member.name}" for member in world.fleet.members), "accepted"]

    def missing_events() -> list[str]:
        return [event for event in events if event not in world.pulse.last]

    if not world.reaches(lambda: not missing_events(), progress=missing_events):
        raise LookupError("the site did not begin to work")


def settle(world: World) -> float:
    """End every fault, ask for no more pilots, and wait for the end of all; return the seconds."""
    began = time.monotonic()
    world.go_on(at_once=True)
    world.site.mend()
    # Some recoveries show by new pilots only.
    world.reaches(
        lambda: not world.pulse.open(),
        progress=lambda: [wound.progress for wound in world.pulse.open()],
    )
    close_vos(world.database)
    next_look = 0.0

    def is_quiet() -> bool:
        nonlocal next_look
        if time.monotonic() < next_look or world.pulse.open():
            return False
        next_look = time.monotonic() + BETWEEN_LOOKS
        all_rows = rows(world.database)
        return not verdict.stuck(all_rows) and not verdict.lost(all_rows, world.site.jobs())

    world.reaches(is_quiet)
    return time.monotonic() - began


def judged(world: World, exceeded: list[str], codes: dict[str, int | None]) -> Verdict:
    """Compare the CE with the database, after everybody was stopped."""
    all_rows, jobs = rows(world.database), world.site.jobs()
    steps = observer.steps(world.postgresql.dsn)
    tracebacks = logs.of(world.pulse.logs.values())
    processes = world.fleet.processes.left()
    return Verdict(
        lost=verdict.lost(all_rows, jobs),
        duplicate=verdict.duplicate(all_rows, jobs),
        stuck=verdict.stuck(all_rows),
        exceeded=[*exceeded, *observer.replay(observer.bounds(world.database), steps)],
        freed_too_soon=verdict.freed_too_soon(steps, jobs),
        ended_though_wanted=verdict.ended_though_wanted(all_rows, world.site.removals()),
        deadlocks=logs.deadlocks(world.postgresql.log),
        tracebacks=sorted(error for error in tracebacks if not logs.is_known(error)),
        never_recovered=[f"{wound.kind} {wound.victim}".strip() for wound in world.pulse.open()],
        left_behind=[
            *(f"{pid}: {words}" for pid, words in processes.items()),
            *(
                f"{name} ended with {code}"
                for name, code in codes.items()
                if code and not (code == -signal.SIGTERM and _was_only_beginning(world, name))
            ),
        ],
    )


def _was_only_beginning(world: World, name: str) -> bool:
    """Return whether a member was still starting, too early to be stopped in order."""
    return world.pulse.last.get(f"began:{name}", 0) < world.fleet.member(name).began


def close_vos(database: Database) -> None:
    """Disable every VO."""
    with database.uow() as tx:
        for name in vos.names(tx):
            vos.change(tx, name, enabled=False)


def rows(database: Database) -> list[Row]:
    """Return what the database says of every pilot."""
    query = text("SELECT stamp, status, cause, exit_code FROM pilots")
    with database.uow() as tx:
        return [Row._make(row) for row in tx.execute(query)]


def count(database: Database, table: str) -> int:
    """Count the rows of a table."""
    with database.uow() as tx:
        return int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
