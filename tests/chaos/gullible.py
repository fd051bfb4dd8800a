"""Celery with CEs of the back-end sim that believe what pilots say of themselves.

`python -m tests.chaos.gullible worker …` is what `celery -A pilotage worker …` is elsewhere.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from celery.__main__ import main

from tests.backends.sim_site import LIES
from tests.chaos.sites.lying import lie_of
from worker.domain.ce_answers import Job, Listing, Observed


def believe() -> None:
    """Let each simulated CE of this process, and of those that it forks, believe its pilots."""
    module = import_module("worker.backends.sim.driver")

    class Believing(module.SimDriver):  # type: ignore[misc,name-defined]
        def poll(self, jobs: Sequence[Job]) -> list[Observed]:
            return [_with_lie(one) for one in super().poll(jobs)]

        def find(self) -> Listing:
            listing: Listing = super().find()
            return replace(listing, jobs=[_with_lie(one) for one in listing.jobs])

    module.SimDriver = Believing  # type: ignore[attr-defined]


def _with_lie(one: Observed) -> Observed:
    lie = lie_of(one.stamp)
    return one if lie is None else one._replace(**LIES.get(lie, {}))


if __name__ == "__main__":
    import_module("pilotage")
    believe()
    sys.argv = ["celery", "-A", "pilotage", *sys.argv[1:]]
    sys.exit(main())
