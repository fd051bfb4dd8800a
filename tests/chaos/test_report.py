"""The page of the documentation is what the reports of the runs say, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.__main__ import JUDGE
from tests.chaos.evidence import SUFFIX
from tests.chaos.judge import read
from tests.chaos.report import as_page, as_text

ROOT = Path(__file__).parents[2]
KINDS = ("local", "sim", "slurm", "htcondor", "arc")


def report(ce: str) -> Any:
    path = ROOT / "docs" / "chaos" / f"{ce}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_page_is_what_the_reports_say() -> None:
    facts, *others = map(report, KINDS)

    assert (ROOT / "docs" / "why" / "chaos.md").read_text(encoding="utf-8") == as_page(
        facts, others
    )


@pytest.mark.parametrize("ce", KINDS)
def test_the_report_is_of_a_run_that_ended_well_and_so_does_the_judge_say(ce: str) -> None:
    facts = report(ce)
    evidence = ROOT / "docs" / "chaos" / f"{ce}{SUFFIX}"
    judgement = subprocess.run([sys.executable, str(JUDGE), str(evidence)], check=False)

    assert (facts["ce"], facts["exit_code"], judgement.returncode) == (ce, 0, 0)
    assert not any(facts["verdict"].values())
    assert "verdict: 0 lost, 0 duplicate, 0 stuck, 0 exceeded" in as_text(facts)
    assert len(read(str(evidence))["pilot"]) == sum(facts["pilots"].values())
