"""The page of the documentation is what the reports of the runs say, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.report import as_page, as_text

ROOT = Path(__file__).parents[2]
KINDS = ("local", "slurm", "htcondor", "arc")


def report(ce: str) -> Any:
    path = ROOT / "docs" / "chaos" / f"{ce}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_page_is_what_the_reports_say() -> None:
    told, *others = map(report, KINDS)

    assert (ROOT / "docs" / "why" / "chaos.md").read_text(encoding="utf-8") == as_page(told, others)


@pytest.mark.parametrize("ce", KINDS)
def test_the_report_is_of_a_run_in_which_every_promise_held(ce: str) -> None:
    told = report(ce)
    assert told["ce"] == ce
    # A traceback that nobody knew is worth a look, and breaks no promise.
    broken = {kind: n for kind, n in told["verdict"].items() if n and kind != "tracebacks"}

    assert broken == {}
    assert "verdict: 0 lost, 0 duplicate, 0 stuck, 0 exceeded" in as_text(told)
