"""The submitter is killed at any moment: one job for each stamp, or none at all."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.backends.htcondor_site import LIVES, CondorSite
from tests.testbeds.condor import Condor
from tests.testbeds.keeper import descendants
from worker.backends.conformance import Life
from worker.db.database import Database

MANY = 40
SUBMITTER = """
import json, sys
from pathlib import Path
from worker.backends.contract import Means, Order
from worker.backends.htcondor.driver import HTCondorDriver
from worker.backends.htcondor.options import HTCondorOptions
from worker.domain.ce import CE
name, options, token, stamps = json.loads(sys.argv[1])
means = Means(uow=None, home=Path("/unused"), now=None, credentials=lambda kind: {"v": Path(token)})
ce = CE(name=name, backend="htcondor", capacity=1)
driver = HTCondorDriver(ce, HTCondorOptions(**options), means)
print("ready", flush=True)
driver.submit([Order(stamp=stamp, vo="v") for stamp in stamps])
print("answered", flush=True)
"""


@pytest.fixture
def site(condor: Condor, sqlite_database: Database) -> Iterator[CondorSite]:
    site = CondorSite(condor, sqlite_database.uow)
    site.credentials = {"v": condor.token()}
    yield site
    site.close()


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.06, 0.1, 0.2, None])
def test_a_killed_submission_is_whole_or_nothing(site: CondorSite, delay: float | None) -> None:
    """The delay is in seconds after the start; None means right after the acceptance."""
    stamps = {order.stamp for order in site.orders(MANY)}
    options = {
        key: str(value) if "/" in str(value) else value for key, value in site.options.items()
    }
    arguments = json.dumps(
        [
            site.name,
            {**options, "command": LIVES[Life.LONG]},
            str(site.condor.token()),
            sorted(stamps),
        ]
    )
    script = '"$real" "$@" > /dev/null; touch "$0.accepted"; sleep 60'
    with site.replacing(**({"submit": script} if delay is None else {})):
        with subprocess.Popen(
            [sys.executable, "-c", SUBMITTER, arguments], stdout=subprocess.PIPE, text=True
        ) as submitter:
            assert submitter.stdout is not None
            assert submitter.stdout.readline() == "ready\n"
            if delay is None:
                mark = site.folder / "bin" / "condor_submit.accepted"
                site.until(mark.exists, "the acceptance")
            else:
                time.sleep(delay)
            family = [submitter.pid, *descendants(submitter.pid)]
            subprocess.run(["kill", "-9", *map(str, family)], check=False, capture_output=True)
        stamps_at_ce = [one.stamp for one in site.driver().find().jobs]
    assert len(stamps_at_ce) == len(set(stamps_at_ce))
    assert set(stamps_at_ce) in (set(), stamps)
    if delay is None:
        assert set(stamps_at_ce) == stamps
        assert {ad["PilotageStamp"] for ad in site.ads("true")} == stamps
