"""The evidence of a run, for others to judge: lines of JSON, compressed, each of one kind.

    limit    at a moment, a capacity, a waiting limit or the limit of a VO came into force
    pilot    what the database says of a pilot at the end
    step     a step of a pilot, at the moment of its commit, in the order of the commits
    job      the site's own record: when a job began, and when and how it ended
    removed  a job that the tormentor removed at the CE

Moments are seconds from the begin of the run. An unknown value is null.
"""

import json
import lzma
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.chaos.observer import Limit, Step
from tests.chaos.verdict import Job, Row

SUFFIX = ".jsonl.xz"
NAME = f"evidence{SUFFIX}"


def write(
    path: Path,
    began: datetime,
    limits: Sequence[Limit],
    rows: Sequence[Row],
    steps: Sequence[Step],
    jobs: Sequence[Job],
    removed: Collection[str],
) -> None:
    """Write the evidence."""
    lines = [
        *_limits(began, limits),
        *_pilots(rows, {step.stamp: step for step in steps}),
        *_steps(began, steps),
        *_jobs(began, jobs),
        *({"kind": "removed", "stamp": stamp} for stamp in sorted(removed)),
    ]
    with lzma.open(path, "wt", encoding="utf-8", preset=6) as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def _limits(began: datetime, limits: Sequence[Limit]) -> Iterator[dict[str, Any]]:
    for limit in limits:
        at = max(0.0, round(limit.at - began.timestamp(), 6))
        yield {"kind": "limit", "at": at, "of": limit.of, "name": limit.name, "most": limit.most}


def _pilots(rows: Sequence[Row], steps: dict[str, Step]) -> Iterator[dict[str, Any]]:
    for row in rows:
        step = steps.get(row.stamp)
        where = {"ce": step and step.ce, "vo": step and step.vo}
        how = {"status": row.status, "cause": row.cause, "code": row.exit_code}
        yield {"kind": "pilot", "stamp": row.stamp, **where, **how}


def _steps(began: datetime, steps: Sequence[Step]) -> Iterator[dict[str, Any]]:
    for step in steps:
        at = _seconds(began, step.committed.timestamp())
        move = {"from": step.was, "to": step.became}
        yield {"kind": "step", "at": at, "stamp": step.stamp, **move}


def _jobs(began: datetime, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
    for job in jobs:
        when = {
            "started": job.started,
            "began": _seconds(began, job.began),
            "ended": _seconds(began, job.until),
        }
        how = {"code": job.code, "goes_on": not job.ended, "lie": job.lie, "broke": job.broke}
        yield {"kind": "job", "stamp": job.stamp, **when, **how}


def _seconds(began: datetime, moment: float | None) -> float | None:
    return None if moment is None else round(moment - began.timestamp(), 6)
