"""The back-end htcondor against HTCondor's own client: `python -m tests.bench.htcondor`.

Both do the same to a private pool, in turn: submit 1,000 jobs that never start, and ask for the
status of 1,000. The result is how many times as long ours takes.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.backends.htcondor_site import CondorSite
from tests.bench.turns import AIM, ratios
from tests.testbeds.condor import Condor, remove, up
from tests.testbeds.condor.configuration import SCHEDD
from worker.backends.htcondor.answers import ATTRIBUTES
from worker.backends.htcondor.memory import metadata
from worker.db.engine import make_engine, parse_url
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Job
from worker.domain.pilot import GROUP_SIZE

BARE = """executable = /bin/sh
transfer_executable = false
requirements = false
request_memory = 64
request_disk = 10240
+PilotageStamp = "$(Stamp)"
+PilotageInstance = "bare/{name}"
environment = "PILOTAGE_STAMP=$(Stamp)"
queue Stamp from (
{stamps}
)
"""


class Sides:
    """The same work by our driver and by hand."""

    def __init__(self, condor: Condor, uow: UnitOfWork) -> None:
        self.condor = condor
        self.site = CondorSite(condor, uow, submit={"requirements": "false"})
        self.jobs: list[Job] = []

    def submit(self) -> tuple[Callable[[], object], Callable[[], object]]:
        orders = self.site.orders(GROUP_SIZE)
        stamps = "\n".join(order.stamp for order in orders)
        description = BARE.format(name=self.site.name, stamps=stamps)

        def ours() -> None:
            self.jobs = self.site.send(orders)

        def bare() -> None:
            self.condor.call("submit", "-terse", "-name", SCHEDD, said=description)

        return ours, bare

    def status(self) -> tuple[Callable[[], object], Callable[[], object]]:
        constraint = f'PilotageInstance == "bare/{self.site.name}"'

        def bare() -> None:
            words = ["-allusers", "-name", SCHEDD, "-json", "-constraint", constraint]
            output = self.condor.call("q", *words, "-attributes", ",".join(ATTRIBUTES))
            assert len(json.loads(output)) == GROUP_SIZE

        def ours() -> None:
            assert len(self.site.driver().poll(self.jobs)) == GROUP_SIZE

        return ours, bare

    def clear(self) -> None:
        self.site.close()
        bare = f'PilotageInstance == "bare/{self.site.name}"'
        self.condor.call("rm", "-name", SCHEDD, "-constraint", bare)
        for prefix in ("pilotage", "bare"):
            self.site.leaves(f'PilotageInstance == "{prefix}/{self.site.name}"')


def rounds(condor: Condor, number: int = 5) -> Iterator[Sides]:
    """Yield this number of new beginnings."""
    engine = make_engine(parse_url("sqlite://"))
    metadata.create_all(engine)
    for _ in range(number):
        yield Sides(condor, UnitOfWork(engine))
    engine.dispose()


def main() -> int:
    """Measure on a pool of its own and print the ratios; the exit code is 0 if the aim is met."""
    os.umask(0)
    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as place:
        Path(place).chmod(0o711)
        condor = up(Path(place) / "condor", with_parent=True)
        try:
            factors = ratios(rounds(condor))
        finally:
            remove(condor.kept.folder)
    sys.stdout.write(json.dumps(factors) + "\n")
    return 0 if max(factors.values()) <= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
