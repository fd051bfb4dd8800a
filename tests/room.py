"""Bounds on memory: for a block of this process, or for a process of its own."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.acceptance.processes import ROOT
from tests.patience import LONGEST

MIB = 2**20

BEGIN = r"""
import gc, json, re, resource, sys, time
from pathlib import Path
told = json.loads(sys.argv[1])
def keep_to(room):
    gc.collect()
    used = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + room * 2**20,) * 2)
"""


@contextmanager
def room(mebibytes: int) -> Iterator[None]:
    """Check that the block needs no more memory than this at any time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mebibytes * MIB, f"it took {peak / MIB:.0f} MiB"


def answer_of(script: str, told: Mapping[str, object]) -> Any:
    """Run a script in a process of its own; return what it printed last, as JSON.

    The script finds `told`; `keep_to(N)` leaves it N MiB more than it has taken until then.
    """
    process = subprocess.run(
        [sys.executable, "-c", BEGIN + script, json.dumps(told)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])
