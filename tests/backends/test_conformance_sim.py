"""The simulator passes the conformance suite on both databases, with nothing skipped."""

import pytest

from tests.backends.sim_site import SimSite
from worker.backends.conformance import Conformance, Site
from worker.backends.conformance.neighbours import Neighbours
from worker.db.database import Database


class TestSim(Conformance):
    @pytest.fixture
    def site(self, database: Database) -> Site:
        return SimSite(database.uow)


class SilentSite(SimSite):
    tells_ce = False


class TestSimThatDoesNotTellOfWhichCEAJobIs(Neighbours):
    @pytest.fixture
    def site(self, database: Database) -> Site:
        return SilentSite(database.uow)
