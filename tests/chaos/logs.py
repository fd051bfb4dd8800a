"""What the logs say: tracebacks by their final error, deadlocks, and long waits for a lock."""

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
"""Errors that faults cause, and why; with a package, only those that it raises."""

BEGINS = "Traceback (most recent call last)"
ENTRY = re.compile(r"\[?\d{4}-\d\d-\d\d[ T]\d\d:")
ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?([A-Za-z_]\w*)(?:\(|:|$)")
FRAME = re.compile(r'^\s+File "(?:.*/(?:site-packages|python3\.\d+)/|.*?/(?=worker/))?([\w<]+)')
LONG_WAIT = re.compile(r"still waiting for .* after ([\d.]+) ms")


def is_known(error: str) -> bool:
    """Return whether faults cause this error."""
    return error in KNOWN or error.split(" in ")[0] in KNOWN


def tracebacks(lines: Iterable[str]) -> Counter[str]:
    """Count the entries with a traceback by its final error and the package that raised it."""
    counts: Counter[str] = Counter()
    inside, package, last = False, "", ""
    for raw in lines:
        line = raw.rstrip("\n")
        if BEGINS in line:
            inside = True
        elif inside and line[:1].isspace():
            frame = FRAME.match(line)
            package = frame[1] if frame else package
        elif inside and line:
            # Frames are indented; the error after them is not.
            error = ERROR.match(line)
            last = f"{error[1] if error else line[:60]} in {package}"
            inside = False
        elif last and ENTRY.match(line):
            # All lines until the next entry of the log are one message: its last error counts.
            counts[last] += 1
            last = ""
    if last:
        counts[last] += 1
    return counts


def of(paths: Iterable[Path]) -> Counter[str]:
    """Count the tracebacks in some logs."""
    counts: Counter[str] = Counter()
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as lines:
            counts += tracebacks(lines)
    return counts


def deadlocks(server_log: Path) -> list[str]:
    """Return the lines about deadlocks in the log of PostgreSQL."""
    with server_log.open(encoding="utf-8", errors="replace") as lines:
        return [line.strip() for line in lines if "deadlock detected" in line]


def long_waits(server_log: Path) -> list[float]:
    """Return the waits for a lock of more than a second, in milliseconds at their first line."""
    with server_log.open(encoding="utf-8", errors="replace") as lines:
        return [float(match[1]) for line in lines if (match := LONG_WAIT.search(line))]
