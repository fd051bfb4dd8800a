"""The acts of the tormentor against processes and servers."""

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from random import Random

import psycopg
import redis

from tests.chaos.fleet import Member, children_of, send
from tests.chaos.pulse import Wound, stages
from tests.chaos.servers import Postgresql, Redis
from tests.chaos.world import Act, Held, World, pick

LOOK_FOR_A_CALL = 1.0
SELDOM = 0.15
WAYS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


def kill_process(world: World, dice: Random) -> list[Wound] | None:
    """Kill a process of a pool; seldom one of a worker that is still starting."""
    children = _children(world, beginning=dice.random() < SELDOM)
    victim = pick(dice, children)
    if victim is None or not send(victim, signal.SIGKILL):
        return None
    name = children[victim].name
    return [Wound("pool process killed", name, time.monotonic(), stages([f"did:{name}"]))]


def kill_caller(world: World, dice: Random) -> list[Wound] | None:
    """Kill a process at some moment of its call to a CE."""
    wait, stops, pause = dice.uniform(0, 0.08), dice.random() < 0.3, dice.uniform(0.2, 4)
    end = time.monotonic() + LOOK_FOR_A_CALL
    while time.monotonic() < end:
        children = _children(world)
        callers = world.site.callers(children)
        victim = pick(dice, callers)
        if victim is not None and (doubtful := _in_doubt(world)):
            helper = callers[victim]
            if stops and helper is not None:
                stopped_helper = Held([helper])
                world.later(pause, stopped_helper.let_go)
            time.sleep(wait)
            if not send(victim, signal.SIGKILL):
                return None
            recovery = stages([f"moved:{stamp}" for stamp in doubtful])
            return [Wound("killed while it called a CE", "", time.monotonic(), recovery)]
        time.sleep(0.02)
    return None


def kill_worker(world: World, dice: Random) -> list[Wound] | None:
    """Kill a worker, but not its pool."""
    return _kill_member(world, dice, "worker killed", whole=False)


def kill_whole_worker(world: World, dice: Random) -> list[Wound] | None:
    """Kill a worker with its pool, as the end of its host would."""
    return _kill_member(world, dice, "worker killed with its pool", whole=True)


def kill_beat(world: World, dice: Random) -> list[Wound] | None:
    """Kill a scheduler."""
    beats = {m.pid: m for m in world.fleet.alive(workers=False) if m.pid is not None}
    victim = pick(dice, beats)
    if victim is None:
        return None
    member = beats[victim]
    member.is_struck = True
    send(victim, signal.SIGKILL)
    back = stages([f"began:{member.name}"], ["ticked"])
    return [Wound("beat killed", member.name, time.monotonic(), back, strikes=True)]


def freeze_worker(world: World, dice: Random) -> list[Wound] | None:
    """Freeze a worker with its pool for a while; sometimes for longer than its leases last."""
    seconds = dice.uniform(1, 6) if dice.random() < 0.7 else world.time_limit * 1.2 + 3
    workers = {m.pid: m for m in world.fleet.alive(workers=True) if m.pid is not None}
    victim = pick(dice, workers)
    if victim is None:
        return None
    stopped_worker = Held([victim, *children_of([victim])])
    name = workers[victim].name

    def thaw() -> None:
        stopped_worker.let_go()
        again = stages([f"did:{name}"])
        world.pulse.strike([Wound("worker frozen", name, time.monotonic(), again, strikes=True)])

    world.later(seconds, thaw)
    return []


def freeze_process(world: World, dice: Random) -> list[Wound] | None:
    """Freeze a process of a pool for a while."""
    seconds = dice.uniform(1, world.time_limit * 1.5)
    children = _children(world)
    victim = pick(dice, children)
    if victim is None:
        return None
    stopped_process = Held([victim])
    name = children[victim].name

    def thaw() -> None:
        stopped_process.let_go()
        wound = Wound("pool process frozen", name, time.monotonic(), stages([f"did:{name}"]))
        world.pulse.strike([wound])

    world.later(seconds, thaw)
    return []


def flush(world: World, dice: Random) -> list[Wound] | None:
    """Delete every message."""
    if "redis" in world.out:
        return None
    with suppress(redis.RedisError):
        world.redis.flush()
    return _server_wounds(world, "Redis flushed")


def restart_redis(world: World, dice: Random) -> list[Wound] | None:
    """Stop Redis with all its content, and start it after a while."""
    how = (signal.SIGTERM, signal.SIGKILL)
    return _restart(world, dice, "redis", world.redis, how, "Redis restarted")


def restart_postgresql(world: World, dice: Random) -> list[Wound] | None:
    """Stop PostgreSQL in one of the three ways, and start it after a while."""
    return _restart(world, dice, "postgresql", world.postgresql, WAYS, "PostgreSQL restarted")


def fill_disk(world: World, dice: Random) -> list[Wound] | None:
    """Leave no room on the disk of the state folder for a while."""
    seconds, disk = dice.uniform(1, 5), world.disk
    if disk is None or "disk" in world.out:
        return None
    world.out.add("disk")
    disk.fill()

    def back() -> None:
        disk.free()
        world.out.discard("disk")
        again = stages(["accepted"])
        world.pulse.strike([Wound("disk full", "", time.monotonic(), again)])

    world.later(seconds, back)
    return []


ACTS = (
    Act("kill a process of a pool", 14, kill_process, kills=True),
    Act("kill a process that calls a CE", 7, kill_caller, kills=True),
    Act("kill a worker", 2, kill_worker, kills=True),
    Act("kill a worker with its pool", 1, kill_whole_worker, kills=True),
    Act("kill a beat", 2, kill_beat, kills=True),
    Act("freeze a worker", 1, freeze_worker),
    Act("freeze a process of a pool", 1, freeze_process),
    Act("flush Redis", 2, flush),
    Act("restart Redis", 1, restart_redis),
    Act("restart PostgreSQL", 1, restart_postgresql),
)
FILL_DISK = Act("fill the disk", 1, fill_disk)


def _kill_member(world: World, dice: Random, kind: str, *, whole: bool) -> list[Wound] | None:
    """Kill a worker, unless half of them are down already."""
    workers = _workers(world, beginning=dice.random() < SELDOM)
    victim = pick(dice, workers)
    all_of_them = sum(member.is_worker for member in world.fleet.members)
    if victim is None or len(workers) * 2 <= all_of_them:
        return None
    member = workers[victim]
    member.is_struck = True
    for pid in [victim, *(children_of([victim]) if whole else ())]:
        send(pid, signal.SIGKILL)
    back = stages([f"began:{member.name}"], [f"did:{member.name}"])
    return [Wound(kind, member.name, time.monotonic(), back, strikes=True)]


def _restart(
    world: World,
    dice: Random,
    name: str,
    server: Postgresql | Redis,
    ways: Sequence[signal.Signals],
    kind: str,
) -> list[Wound] | None:
    """Stop a server in one of these ways, and start it after a while."""
    seconds, how = dice.uniform(0.5, 4), dice.choice(ways)
    if name in world.out:
        return None
    world.out.add(name)
    server.stop(how)

    def back() -> None:
        server.start()
        world.out.discard(name)
        world.pulse.strike(_server_wounds(world, kind))

    world.later(seconds, back)
    return []


def _server_wounds(world: World, kind: str) -> list[Wound]:
    """Return the wounds of a server's stop: they heal by a tick and a move, and by each worker."""
    now = time.monotonic()
    names = [member.name for member in world.fleet.alive(workers=True)]
    return [
        Wound(kind, "", now, stages(["ticked"], ["moved"])),
        *(Wound(f"{kind}: a worker", name, now, stages([f"did:{name}"])) for name in names),
    ]


def _workers(world: World, *, beginning: bool = True) -> dict[int, Member]:
    """Return the workers by their pids; `beginning` includes those that are still starting."""
    return {
        m.pid: m
        for m in world.fleet.alive(workers=True)
        if m.pid is not None and (beginning or world.pulse.last.get(f"began:{m.name}", 0) > m.began)
    }


def _children(world: World, *, beginning: bool = True) -> dict[int, Member]:
    workers = _workers(world, beginning=beginning)
    return {child: workers[parent] for child, parent in children_of(list(workers)).items()}


def _in_doubt(world: World) -> list[str]:
    """Return the stamps of the pilots that are being sent, if the database answers."""
    query = "SELECT stamp FROM pilots WHERE status = 'submitting'"
    with (
        suppress(psycopg.Error),
        psycopg.connect(world.postgresql.dsn, connect_timeout=2) as connection,
    ):
        return [str(stamp) for (stamp,) in connection.execute(query)]
    return []
