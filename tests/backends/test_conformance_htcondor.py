"""A real HTCondor passes the conformance suite."""

from collections.abc import Iterator

import pytest

from tests.backends.htcondor_site import CondorSite
from tests.testbeds.condor import Condor
from worker.backends.conformance import Conformance, Site
from worker.db.database import Database


class TestHTCondor(Conformance):
    @pytest.fixture
    def site(self, condor: Condor, sqlite_database: Database) -> Iterator[Site]:
        site = CondorSite(condor, sqlite_database.uow)
        yield site
        site.close()
