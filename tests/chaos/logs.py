"""What the logs say: each traceback by the error it ends in, deadlocks, long waits for a lock."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

KNOWN = {
    "DatabaseUnavailable": "the database was away, or ended in the middle of a statement",
    "DatabaseBusy": "who held a lock was stopped, and the others gave up waiting",
    "DatabaseFull": "the disk of the database was full",
    "WorkerLostError": "a process of the pool was killed; Celery says so",
    "Terminated": "a process of the pool was ended",
    "TimeLimitExceeded": "an execution hung and was ended at its time limit",
    "SoftTimeLimitExceeded": "an execution hung and was told that its time was up",
    "ConnectionError": "the broker was away",
    "TimeoutError": "the broker did not answer in time",
    "ConnectionRefusedError": "the broker was away",
    "ConnectionResetError": "the broker was ended",
    "BrokenPipeError": "a worker was killed and its pool lived on for a moment",
    "OperationalError": "the broker or the database was away",
    "BusyLoadingError": "the broker was starting",
    "EOFError": "a worker was killed and its pool lived on for a moment",
    "StopIteration in celery": "a pool lost processes while the broker was away; Celery ended",
    "UnpicklingError in billiard": "a process of the pool was killed in its answer; Celery ended",
    "UnicodeDecodeError in celery": "a process of the pool was killed in its answer; Celery ended",
    "ValueError in kombu": "a pool lost a process while the broker was away; Celery ended",
    "AttributeError in kombu": "Celery closes its gossip twice when the broker goes away",
}
"""Errors that faults bring about, and why; with a package, only those that it raises."""

BEGINS = "Traceback (most recent call last)"
ENTRY = re.compile(r"\[?\d{4}-\d\d-\d\d[ T]\d\d:")
ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?([A-Za-z_]\w*)(?:\(|:|$)")
FRAME = re.compile(r'^\s+File "(?:.*/(?:site-packages|python3\.\d+)/|.*?/(?=worker/))?([\w<]+)')
LONG_WAIT = re.compile(r"still waiting for .* after ([\d.]+) ms")


def is_known(error: str) -> bool:
    """Tell whether an error is one that faults bring about."""
    return error in KNOWN or error.split(" in ")[0] in KNOWN


def tracebacks(lines: Iterable[str]) -> Counter[str]:
    """Count entries with a traceback by the error that it ends in, and by who raised that."""
    found: Counter[str] = Counter()
    inside, package, last = False, "", ""
    for raw in lines:
        line = raw.rstrip("\n")
        if BEGINS in line:
            inside = True
        elif inside and line[:1].isspace():
            frame = FRAME.match(line)
            package = frame[1] if frame else package
        elif inside and line:
            # Frames are indented; the error that ends them is not.
            named = ERROR.match(line)
            last = f"{named[1] if named else line[:60]} in {package}"
            inside = False
        elif last and ENTRY.match(line):
            # Until the next entry of the log, all is one message: its errors led to the last.
            found[last] += 1
            last = ""
    if last:
        found[last] += 1
    return found


def of(paths: Iterable[Path]) -> Counter[str]:
    """Count the tracebacks in some logs."""
    found: Counter[str] = Counter()
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as lines:
            found += tracebacks(lines)
    return found


def deadlocks(server_log: Path) -> list[str]:
    """List what PostgreSQL says of deadlocks."""
    with server_log.open(encoding="utf-8", errors="replace") as lines:
        return [line.strip() for line in lines if "deadlock detected" in line]


def long_waits(server_log: Path) -> list[float]:
    """List the waits for a lock that were longer than a second, in milliseconds as first seen."""
    with server_log.open(encoding="utf-8", errors="replace") as lines:
        return [float(found[1]) for line in lines if (found := LONG_WAIT.search(line))]
