"""Executions that run while others do: each in a thread of its own, and only one at a time.

An execution is let go up to a place, others run, and it is let go again or killed. Who runs is
decided by the play alone, so the same play gives the same story.
"""

from collections.abc import Callable
from threading import Semaphore, Thread

from tests.crash.boundaries import Killed
from tests.stateful.boundaries import Script, Stage


class Execution(Script):
    """One execution, which can be kept waiting at a place."""

    def __init__(self, stage: Stage, name: str, work: Callable[[], None]) -> None:
        super().__init__()
        self.name = name
        self.is_over = False
        self.waits: str | None = None
        self._stage = stage
        self._work = work
        self._until: str | None = None
        self._broke: BaseException | None = None
        self._go, self._back = Semaphore(0), Semaphore(0)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self, until: str | None = None) -> None:
        """Let it run up to a place or to its end; an error of its own is raised here."""
        self._until, self.waits = until, None
        with self._stage.played_by(self):
            self._go.release()
            self._back.acquire()
        if self.is_over:
            self._thread.join()
        if self._broke is not None:
            raise self._broke

    def die(self) -> None:
        """Kill it where it waits."""
        self.is_dead = True
        self.go_on()

    def passes(self, place: str) -> None:
        super().passes(place)
        if place == self._until:
            self.waits = place
            self._back.release()
            self._go.acquire()
            super().passes(place)

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # who let it go on is told of it
            self._broke = error
        finally:
            self.is_over = True
            self._back.release()
