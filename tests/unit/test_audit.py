"""The audit of dependencies: a weakness fails it, and what was not looked up is not called good."""

import sys
from pathlib import Path

import pytest

from tests import audit

GOOD = {"name": "celery", "version": "5", "vulns": []}
WEAK = {
    "name": "redis",
    "version": "8",
    "vulns": [{"id": "CVE-1", "fix_versions": ["9"]}, {"id": "CVE-2", "fix_versions": []}],
}
UNKNOWN = {"name": "vine", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "code", "lines"),
    [
        ([GOOD], 0, ["nothing is known against 1 packages"]),
        ([GOOD, WEAK], 1, ["redis 8: CVE-1, mended in 9", "redis 8: CVE-2"]),
        ([GOOD, UNKNOWN], 1, ["not looked up: vine"]),
        ([UNKNOWN, UNKNOWN], 0, ["skipped: the list of weaknesses does not answer"]),
        ([], 0, ["skipped: the list of weaknesses does not answer"]),
    ],
)
def test_a_report_is_read(packages: list[dict[str, object]], code: int, lines: list[str]) -> None:
    assert audit.verdict({"dependencies": packages}) == (code, lines)


def test_where_nothing_can_be_installed_the_audit_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("venv.create", lambda *_, **__: None)

    code, [line] = audit.audit(tmp_path / "lock", tmp_path)

    assert code == 0
    assert line.startswith("skipped: pip-audit cannot be installed: ")


def test_the_last_line_of_a_failure_is_kept() -> None:
    code = "import sys; print('said'); sys.exit('first\\nlast')"

    assert audit.run([sys.executable, "-c", code]) == ("said\n", "last")
