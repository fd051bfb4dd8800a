"""The short form of the chaos: half a minute of torment or less, for each kind of CE."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT
from tests.chaos.__main__ import UNABLE
from tests.patience import LONGEST
from tests.session import PLAN
from tests.testbeds.packages import INSTALL_VARIABLE

REAL = (pytest.mark.testbed, pytest.mark.long)


@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.parametrize(
    ("ce", "kills", "starts"),
    [
        ("local", 28, 50),
        pytest.param("sim", 24, 50, marks=pytest.mark.long),
        pytest.param("slurm", 24, 20, marks=REAL),
        pytest.param("htcondor", 24, 20, marks=REAL),
        pytest.param("arc", 24, 15, marks=REAL),
    ],
)
def test_a_tormented_site_loses_nothing_doubles_nothing_and_keeps_every_limit(
    request: pytest.FixtureRequest, tmp_path: Path, ce: str, kills: int, starts: int
) -> None:
    plan = request.config.stash[PLAN]
    report = tmp_path / "chaos.json"
    words = [sys.executable, "-m", "tests.chaos", "--ce", ce, "--kills", str(kills)]
    words += ["--starts", str(starts)]
    process = subprocess.run(
        [*words, "--for", f"{kills}s", "--seed", "7", "--json", str(report)],
        check=False,
        capture_output=True,
        text=True,
        timeout=2 * LONGEST,
        cwd=ROOT,
        env={**os.environ, INSTALL_VARIABLE: str(int(plan.may_install))},
    )
    if process.returncode == UNABLE:
        say = pytest.fail if plan.required else pytest.skip
        say(process.stdout)

    assert process.returncode == 0, process.stdout + process.stderr
    report_facts = json.loads(report.read_text(encoding="utf-8"))
    assert report_facts["kills"] == kills
    assert report_facts["starts"] >= starts
    assert report_facts["snapshots"] > 20
    # A whole deck was dealt, but for the last cards of it.
    assert len(report_facts["acts"]) >= (10 if ce == "local" else 9)
