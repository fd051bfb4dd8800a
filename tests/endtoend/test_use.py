"""Pilots that end well without work, at a real Slurm and through real workers.

A partition that ends pilots at once is paused while another one goes on. A VO that says by its exit
code that it has no work gets fewer pilots, and no CE is paused for it.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.backends.slurm_world import World
from tests.endtoend.crew import Crew
from tests.factories import a_vo
from tests.patience import until
from tests.testbeds.slurm import Slurm
from worker.db import ces, decisions, health, payloads, pilot_reads, vos, work
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.domain.ce import CE
from worker.domain.pilot import Pilot, Status, Use
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO

pytestmark = pytest.mark.slow

GOOD, HOLE, OWN = "site/main", "site/other", "site/own"
NO_WORK = 77
SCRIPT = """#!/bin/sh
case @{ce} in
  site/main) exec sleep 15 ;;
  site/other) exit 0 ;;
  *) exit 77 ;;
esac
"""
QUICK = {"survival": 5, "known_after": 3, "probe_soonest": 20, "probe_latest": 20}
"""Seconds instead of the minutes of a site whose pilots live for hours."""


class Site:
    """Two partitions for one VO, and a CE for a VO that has no work."""

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        self.home = world.folder / "home"
        options = {key: value for key, value in world.options.items() if key != "command"}
        options |= {"check_soonest": 0.5, "check_latest": 1.0}
        with database.uow() as tx:
            self.idle = a_vo().create(tx).name
            for vo in (DEFAULT_VO, self.idle):
                payloads.put(tx, vo, {"script": SCRIPT, "exit_codes": {str(NO_WORK): "empty"}})
                vos.change(tx, vo, budget=2)
            for name, partition, vo in (
                (GOOD, "main", DEFAULT_VO),
                (HOLE, "other", DEFAULT_VO),
                (OWN, "main", self.idle),
            ):
                one = CE(
                    name=name,
                    backend="slurm",
                    capacity=6,
                    options={**options, "partition": partition},
                )
                ces.add(tx, one)
                ces.allow(tx, name, [vo])

    def sending(self, ce: str) -> tuple[Sending, str | None]:
        with self.database.uow() as tx:
            record = health.get(tx, ce)
        return record.sending, record.sending_reason

    def reasons(self, ce: str) -> list[str]:
        """Return the reasons of the last decisions about a CE."""
        with self.database.uow() as tx:
            newest = PageRequest(descending=True)
            return [one.reason for one in decisions.find(tx, ce=ce, asked=newest).items]

    def pilots(self) -> list[Pilot]:
        with self.database.uow() as tx:
            return pilot_reads.find(tx, asked=PageRequest(limit=1000)).items

    def statuses(self) -> Counter[tuple[str, Status, Use | None]]:
        return Counter((pilot.ce, pilot.status, pilot.use) for pilot in self.pilots())

    def has_no_work(self) -> bool:
        with self.database.uow() as tx:
            return self.idle in work.without_work(tx)


@pytest.fixture
def site(slurm_cluster: Slurm, postgresql_database: Database) -> Iterator[Site]:
    world = World(slurm_cluster, postgresql_database.uow)
    yield Site(world, postgresql_database)
    world.end()


@pytest.mark.long
def test_a_partition_that_ends_pilots_at_once_is_paused_and_a_vo_without_work_blames_nobody(
    site: Site, crew: Crew
) -> None:
    crew.start(
        site.database,
        site.home,
        parameters=QUICK,
        submits_every=2,
        instance=site.world.prefix,
    )
    until(
        lambda: site.sending(HOLE)[0] is Sending.PAUSED and site.has_no_work(),
        "the pause of the bad partition and the VO that has no work",
        progress=site.statuses,
        pause=1,
    )
    before = site.statuses()
    until(
        lambda: (
            site.statuses()[GOOD, Status.DONE, Use.USEFUL]
            >= before[GOOD, Status.DONE, Use.USEFUL] + 6
        ),
        "six more useful pilots in the other partition",
        progress=site.statuses,
        pause=1,
    )
    crew.stop()

    assert "in a row ended for nothing" in str(site.sending(HOLE)[1])
    assert any("PAUSED: " in reason and "for nothing" in reason for reason in site.reasons(HOLE))
    assert any("(a trickle: since " in reason for reason in site.reasons(OWN))
    assert {site.sending(ce)[0] for ce in (GOOD, OWN)} == {Sending.NORMAL}
    done_pilots = [pilot for pilot in site.pilots() if pilot.status is Status.DONE]
    assert {pilot.use for pilot in done_pilots if pilot.ce == OWN} == {Use.EMPTY}
    assert {pilot.exit_code for pilot in done_pilots if pilot.ce == OWN} == {NO_WORK}
    assert {pilot.use for pilot in done_pilots if pilot.ce == GOOD} == {Use.USEFUL}
    assert not [pilot for pilot in site.pilots() if pilot.status is Status.FAILED]
