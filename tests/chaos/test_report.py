"""The page of the documentation is what the report of the run says, and nothing else."""

import json
from pathlib import Path

from tests.chaos.report import as_page, as_text

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "chaos.json"


def test_the_page_is_what_the_report_says() -> None:
    told = json.loads(REPORT.read_text(encoding="utf-8"))

    assert (ROOT / "docs" / "why" / "chaos.md").read_text(encoding="utf-8") == as_page(told)


def test_the_report_is_of_a_run_in_which_every_promise_held() -> None:
    told = json.loads(REPORT.read_text(encoding="utf-8"))
    # A traceback that nobody knew is worth a look, and breaks no promise.
    broken = {kind: n for kind, n in told["verdict"].items() if n and kind != "tracebacks"}

    assert broken == {}
    assert "verdict: 0 lost, 0 duplicate, 0 stuck, 0 exceeded" in as_text(told)
