"""CEs of the back-end local: processes of this host, their keepers and launchers."""

import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from tests.acceptance.processes import CELERY
from tests.backends.planting import plant_local
from tests.chaos.fleet import children_of, send
from tests.chaos.pulse import Wound, stages
from tests.chaos.sites import ground
from tests.chaos.sites.lying import by_file
from tests.chaos.sites.payload import Log
from tests.chaos.verdict import Job
from tests.chaos.world import Act, Held, World, command_of, folders_of, pick
from worker.backends.local.keeper.files import EXIT, WORK
from worker.db.database import Database
from worker.domain.pilot import STAMP_LENGTH

NUMBER = 12
LAUNCHER = "keeper.launch"


class LocalSite:
    """Processes of this host; all CEs are one state folder."""

    celery: Sequence[str] = CELERY

    def __init__(self, folder: Path, home: Path, database: Database) -> None:
        self._folder, self._log, self._place = folder, Log(folder), home / "local"
        self._orphans: set[str] = set()
        """The stamps of the pilots whose keepers were killed."""

    def build(self, database: Database) -> None:
        """Make CEs whose pilots live for a second or two; some fail by themselves."""
        life = {"check_soonest": 0.5, "check_latest": 2.0, "grace": 1.0}
        script = self._log.script(0.4, 1, 2, by_file(self._folder, f"../{EXIT}", plant_local))
        ground.build(database, "local", NUMBER, {"command": script, **life})

    def acts(self) -> list[Act]:
        """List what can be done to keepers, pilots and launchers."""
        return [
            Act("kill keepers", 2, self._kill_keepers),
            Act("kill pilots", 2, self._kill_pilots),
            Act("kill a launcher", 1, self._kill_launcher),
            Act("slow a launcher", 1, self._slow_launcher),
        ]

    def callers(self, children: Iterable[int]) -> dict[int, int | None]:
        """Find those that wait for a launcher."""
        parents = children_of(list(children))
        return {parent: child for child, parent in parents.items() if LAUNCHER in command_of(child)}

    def jobs(self) -> list[Job]:
        """Read the log of the pilots, and the folders of pilots that wrote nothing."""
        alive = {stamp for stamp in map(_stamp, self._processes().values()) if stamp}
        ran = [
            # Only its own word is known of an orphan.
            job._replace(broke=True) if job.lie and job.stamp in self._orphans else job
            for job in self._log.jobs(lambda stamp: stamp not in alive)
        ]
        stamps = {path.name for path in self._place.glob("*/*") if len(path.name) == STAMP_LENGTH}
        silent = stamps - {job.stamp for job in ran}
        return [*ran, *(Job(stamp, started=False) for stamp in silent)]

    def removals(self) -> set[str]:
        """Return nothing: processes are killed here, not removed."""
        return set()

    def mend(self) -> None:
        """Do nothing: a frozen process goes on by itself."""

    def end(self) -> None:
        """Kill whatever works in the state folder."""
        for pid in self._processes():
            send(pid, signal.SIGKILL)

    def _kill_keepers(self, world: World, dice: Random) -> list[Wound] | None:
        return self._kill(dice, "keeper killed", work=False)

    def _kill_pilots(self, world: World, dice: Random) -> list[Wound] | None:
        return self._kill(dice, "pilot killed", work=True)

    def _kill(self, dice: Random, kind: str, *, work: bool) -> list[Wound] | None:
        """Kill up to three; each pilot must end."""
        number = 1 + int(dice.random() * 3)
        victims = {
            pid: str(_stamp(place))
            for pid, place in self._processes().items()
            if (place.name == WORK) is work and _stamp(place)
        }
        wounds = []
        for _ in range(number):
            victim = pick(dice, victims)
            if victim is not None and send(victim, signal.SIGKILL):
                stamp = victims.pop(victim)
                if not work:
                    self._orphans.add(stamp)
                end = stages([f"ended:{stamp}"])
                wounds.append(Wound(kind, "", time.monotonic(), end))
        return wounds or None

    def _kill_launcher(self, world: World, dice: Random) -> list[Wound] | None:
        victim = self._launcher(world, dice)
        if victim is None or not send(victim, signal.SIGKILL):
            return None
        return [Wound("launcher killed", "", time.monotonic(), stages(["accepted"]))]

    def _slow_launcher(self, world: World, dice: Random) -> list[Wound] | None:
        """Freeze it for a while; sometimes until its worker gives up."""
        seconds = dice.uniform(1, 5) if dice.random() < 0.6 else world.time_limit + 3
        victim = self._launcher(world, dice)
        if victim is None:
            return None
        launcher = Held([victim])
        world.later(seconds, launcher.let_go)
        return []

    def _launcher(self, world: World, dice: Random) -> int | None:
        workers = [m.pid for m in world.fleet.alive(workers=True) if m.pid is not None]
        end = time.monotonic() + 1
        while time.monotonic() < end:
            helpers = self.callers(children_of(workers)).values()
            if helpers:
                return pick(dice, [helper for helper in helpers if helper is not None])
            time.sleep(0.02)
        return None

    def _processes(self) -> dict[int, Path]:
        return dict(folders_of(self._place))


def _stamp(place: Path) -> str | None:
    name = place.parent.name if place.name == WORK else place.name
    return name if len(name) == STAMP_LENGTH else None
