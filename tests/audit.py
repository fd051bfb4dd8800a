"""Look up the locked versions in a list of known weaknesses: `python -m tests.audit LOCK`.

pip-audit is no dependency of ours: it is installed in a folder that is removed at the end. The
audit is skipped where pip-audit cannot be installed or the list of weaknesses does not answer.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AUDITOR = "pip-audit"
PATIENCE = 300.0
"""Seconds that the installation may take, and the audit."""


def audit(lock: Path, folder: Path) -> tuple[int, list[str]]:
    """Audit a lock; return the exit code and the lines to print."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", AUDITOR]
    if (problem := run(pip)[1]) is not None:
        return skipped(f"{AUDITOR} cannot be installed: {problem}")
    words = [python, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    output, problem = run([*words, "--progress-spinner", "off", "--requirement", str(lock)])
    try:
        return verdict(json.loads(output))
    except ValueError:
        return skipped(f"the list of weaknesses cannot be asked: {problem or 'no answer'}")


def run(words: list[str]) -> tuple[str, str | None]:
    """Run a program; return what it printed, and the last line of why it failed."""
    try:
        process = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", type(error).__name__
    lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
    return process.stdout, lines[-1] if process.returncode else None


def verdict(report: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Read the report. A package that was not looked up is not taken for good."""
    packages = report["dependencies"]
    absent = [one["name"] for one in packages if "skip_reason" in one]
    weak = [
        f"{one['name']} {one['version']}: {weakness['id']}"
        + (f", mended in {', '.join(mended)}" if (mended := weakness.get("fix_versions")) else "")
        for one in packages
        for weakness in one.get("vulns", ())
    ]
    if not packages or len(absent) == len(packages):
        return skipped("the list of weaknesses does not answer")
    unaudited = [f"not looked up: {', '.join(absent)}"] if absent else []
    good = [] if weak or absent else [f"nothing is known against {len(packages)} packages"]
    return (1 if weak or absent else 0), [*weak, *unaudited, *good]


def skipped(why: str) -> tuple[int, list[str]]:
    """Return the answer of an audit that was skipped."""
    return 0, [f"skipped: {why}"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pilotage-audit-") as place:
        code, lines = audit(Path(sys.argv[1]), Path(place))
    sys.stdout.write("".join(f"audit: {line}\n" for line in lines))
    sys.exit(code)
