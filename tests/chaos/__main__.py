"""Torment a real site: `python -m tests.chaos [--kills N] [--seed N] [--ce KIND] [--for DURATION]
[--upgrade]`.

The exit code is 1 if anything was lost, doubled, stuck or above a limit, or did not recover, as we
count or as the judge of the evidence counts; the folder of the run is then kept.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.evidence import NAME, SUFFIX
from tests.chaos.report import as_text
from tests.chaos.run import Plan, run
from tests.chaos.sites import SITES

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
UNABLE = 2
UPGRADED = ("local", "slurm")
JUDGE = Path(__file__).parent / "judge.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print the report; the exit code is 0 if every promise held."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.upgrade and arguments.ce not in UPGRADED:
        parser.error(f"--upgrade needs one of these CEs: {', '.join(UPGRADED)}")
    plan = Plan(
        kills=arguments.kills,
        seed=arguments.seed,
        ce=arguments.ce,
        seconds=arguments.seconds,
        starts=arguments.starts,
        upgrade=arguments.upgrade,
    )
    folder = Path(tempfile.mkdtemp(prefix="pilotage-chaos-"))
    folder.chmod(0o711)
    _say(f"logs and journal: {folder}")
    try:
        report = run(plan, folder)
    except LookupError as problem:
        _say(f"the run cannot be made: {problem}")
        return UNABLE
    evidence = folder / NAME
    words = [sys.executable, str(JUDGE), str(evidence)]
    judgement = subprocess.run(words, check=False, capture_output=True, text=True)
    code = judgement.returncode if report.verdict.is_clean else 1
    summary = {**report.as_json(), "exit_code": code}
    if arguments.json:
        arguments.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        shutil.copy(evidence, arguments.json.with_suffix(SUFFIX))
    _say(as_text(summary))
    _say(f"the judge of the evidence: {'; '.join(judgement.stdout.splitlines())}{judgement.stderr}")
    if code or arguments.keep:
        _say(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=60, metavar="N", help="processes to kill")
    parser.add_argument("--for", dest="seconds", type=_duration, default=60.0, metavar="DURATION")
    parser.add_argument("--starts", type=int, default=0, metavar="N", help="pilots to see start")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what is done, and when")
    parser.add_argument(
        "--upgrade",
        action="store_true",
        help="begin with workers of the version before, and upgrade in the middle (local, slurm)",
    )
    parser.add_argument("--ce", choices=sorted(SITES), default="local", help="the kind of CE")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the report there, and its evidence beside it",
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run anyway")
    return parser


def _duration(words: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", words)
    if match is None:
        raise argparse.ArgumentTypeError(f"{words!r} is no duration; write 90s, 15m or 1h")
    return float(match[1]) * UNITS[match[2]]


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
