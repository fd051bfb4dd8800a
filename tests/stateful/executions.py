"""Executions that take turns: each in a thread of its own, and only one runs at a time.

An execution runs up to a place, others run, and it goes on or is killed. The play alone decides
which one runs, so the same play gives the same story.
"""

from collections.abc import Callable
from threading import Semaphore, Thread

from tests.crash.boundaries import Killed
from tests.stateful.boundaries import Script, Stage


class Execution(Script):
    """An execution that can be made to wait at a place."""

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
        except BaseException as error:  # noqa: BLE001  # `go_on` raises it
            self._broke = error
        finally:
            self.is_over = True
            self._back.release()
