"""A play with its CEs and VOs: the faults of the CEs, and what operators do."""

from datetime import timedelta
from functools import partial
from typing import Any, Unpack

from tests.stateful.play import Play
from tests.stateful.troubles import Trouble
from worker.backends.sim.faults import Fault, switch_off, switch_on
from worker.db import payloads, pilot_reads
from worker.db.pages import PageRequest
from worker.domain.pilot import OCCUPYING, Pilot
from worker.domain.pilot_report import PilotState
from worker.domain.values import CEValues, ChangedVO, NewCE, NewVO
from worker.services import pilot_reports
from worker.services.operate import ce_inventory, vo_inventory

OPTIONS = {"spread": "fixed", "queue_time": 60.0, "run_time": 600.0, "call_timeout": 1e-6}
"""Every job waits a minute and runs for ten; a slow call is always too slow."""


class Site(Play):
    """The VOs, the CEs, and their time."""

    def work(self, seconds: int) -> None:
        """Let time pass, a scheduler look, and every message arrive; do nothing for 0 seconds."""
        if seconds:
            self.clocks.go_on(seconds)
            self.tick()
            self.deliver_all()

    def pilot(self, which: int) -> Pilot | None:
        """Return a pilot that occupies a slot, if there is one."""
        with self.world() as tx:
            pilots = pilot_reads.find(tx, statuses=OCCUPYING, asked=PageRequest(limit=100)).items
        return pilots[which % len(pilots)] if pilots else None

    # Faults of the CEs.

    def err(self, ce: str, trouble: Trouble, rate: float, times: int, ends: bool) -> None:
        """Give a CE a fault while the factory works."""
        fault, settings = trouble
        switch_on(self.world, ce, fault, rate, now=self.clocks.true, **settings)
        for _ in range(times):
            self.work(210)
        if ends:
            switch_off(self.world, ce, fault)

    def mend(self, ce: str) -> None:
        """End all faults of a CE."""
        switch_off(self.world, ce)

    def strike(self, pilot: Pilot, how: Fault) -> None:
        """Do something to the job of one pilot."""
        switch_on(self.world, pilot.ce, how, now=self.clocks.true, stamps=(pilot.stamp,))
        switch_off(self.world, pilot.ce, how)

    def speak(self, pilot: Pilot, state: PilotState, payloads: int) -> None:
        """Let a pilot report what it does; it may lie."""
        work = partial(pilot_reports.note, self.runtime(), pilot.stamp)
        self.by_operator(partial(work, state=state, payloads=payloads))

    # What operators do.

    def add_ce(
        self, name: str, capacity: int, waiting_limit: int | None, delay: float, **options: Any
    ) -> None:
        """Add a CE that cancels strangers at its place."""
        new: NewCE = {
            "name": name,
            "backend": "sim",
            "capacity": capacity,
            "waiting_limit": waiting_limit,
            "success_rate": 0.8,
            "cancel_strangers": True,
            "options": {**OPTIONS, "visibility_delay": delay, **options},
        }
        self.by_operator(partial(ce_inventory.add_ce, self.runtime(), new))

    def change_ce(self, name: str, **changes: Unpack[CEValues]) -> None:
        """Change a CE."""
        self.by_operator(partial(ce_inventory.change_ce, self.runtime(), name, changes))

    def remove_ce(self, name: str) -> None:
        """Remove a CE, if it never had a pilot."""
        self.by_operator(partial(ce_inventory.remove_ce, self.runtime(), name))

    def add_vo(self, new: NewVO) -> None:
        """Add a VO."""
        self.by_operator(partial(vo_inventory.add_vo, self.runtime(), new))

    def change_vo(self, name: str, **changes: Unpack[ChangedVO]) -> None:
        """Change a VO."""
        self.by_operator(partial(vo_inventory.change_vo, self.runtime(), name, changes))

    def let_speak(self, vo: str) -> None:
        """Let the pilots of a VO report what they do; idle ones are ended."""
        payload = {"script": "exit 0", "reports": True}
        with self.world() as tx:
            payloads.put(tx, vo, payload)
        self.change_vo(vo, idle_at_most=timedelta(minutes=2))
