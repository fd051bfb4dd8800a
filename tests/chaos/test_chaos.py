"""The short form of the chaos: half a minute of torment, each kind of act at least once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT
from tests.chaos.__main__ import UNABLE
from tests.session import PLAN

SECONDS = 300


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_tormented_site_loses_nothing_doubles_nothing_and_keeps_every_limit(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    report = tmp_path / "chaos.json"
    words = [sys.executable, "-m", "tests.chaos", "--kills", "28", "--for", "30s"]
    done = subprocess.run(
        [*words, "--seed", "7", "--json", str(report)],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=ROOT,
    )
    if done.returncode == UNABLE:
        say = pytest.fail if request.config.stash[PLAN].required else pytest.skip
        say(done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["kills"] == 28
    assert told["starts"] > 50
    assert told["snapshots"] > 20
    # A whole deck was dealt, but for the last cards of it.
    assert len(told["acts"]) >= 10
