"""The cause of a failure that the CE does not name."""

from datetime import datetime, timedelta

import pytest

from tests.factories import NOW
from worker.domain.pilot import Cause
from worker.policy.failures import FAST, VAGUE, cause_of, refined

JUDGED = {
    "told": (Cause.OUT_OF_MEMORY, NOW - 2 * FAST, Cause.OUT_OF_MEMORY),
    "told_though_it_never_ran": (Cause.REMOVED, None, Cause.REMOVED),
    "never_started": (None, None, Cause.NEVER_STARTED),
    "nobody_knows_but_it_never_ran": (Cause.UNKNOWN, None, Cause.NEVER_STARTED),
    "soon": (None, NOW - FAST + timedelta(seconds=1), Cause.FAILED_FAST),
    "late": (None, NOW - FAST, Cause.FAILED_LATE),
    "nobody_knows_but_late": (Cause.UNKNOWN, NOW - 2 * FAST, Cause.FAILED_LATE),
    "before_it_started": (None, NOW + FAST, Cause.FAILED_FAST),
}


@pytest.mark.parametrize(("cause", "started_at", "result"), JUDGED.values(), ids=JUDGED)
def test_a_cause_is_what_the_ce_told_or_how_long_the_pilot_ran(
    cause: Cause | None, started_at: datetime | None, result: Cause
) -> None:
    assert cause_of(cause, started_at, NOW) is result


WORDS = {
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY,
    "Out Of Memory: Killed process 4711 (pilot)": Cause.OUT_OF_MEMORY,
    "Detected 1 oom_kill event in StepId=7.batch": Cause.OUT_OF_MEMORY,
    "memory usage exceeded request_memory": Cause.OUT_OF_MEMORY,
    "Error from slot1: Job has gone over cgroup memory limit; it exceeded": Cause.OUT_OF_MEMORY,
    "LRMS error: (271) job killed: wall time 3605 exceeded limit 3600": Cause.WALLTIME,
    "TIMEOUT": Cause.WALLTIME,
    "CANCELLED AT 2026-03-01T12:00:00 DUE TO TIME LIMIT": Cause.WALLTIME,
    "Job exceeded its allowed run time": Cause.WALLTIME,
    "PREEMPTED": Cause.PREEMPTED,
    "the job was pre-empted": Cause.PREEMPTED,
    "job was evicted": Cause.PREEMPTED,
    "NODE_FAIL": Cause.NODE,
    "BOOT_FAIL": Cause.NODE,
    "the node n17 is not responding": Cause.NODE,
    "Lost connection to starter on host n17": Cause.NODE,
    "Proxy has expired": Cause.CREDENTIAL,
    "the delegation is missing": Cause.CREDENTIAL,
    "expired token": Cause.CREDENTIAL,
    "job was held: no room": Cause.HELD,
    "CANCELLED by uid 0": Cause.REMOVED,
    "removed by the administrator": Cause.REMOVED,
}


@pytest.mark.parametrize(("word", "expectation"), WORDS.items(), ids=WORDS)
@pytest.mark.parametrize("cause", [None, Cause.UNKNOWN, Cause.EXIT_CODE, Cause.SIGNAL])
def test_the_ces_own_words_say_why(word: str, expectation: Cause, cause: Cause | None) -> None:
    result = cause_of(cause, NOW - FAST, NOW, exit_code=137, words=(None, word))

    assert result is expectation


@pytest.mark.parametrize(
    "word",
    [
        "FAILED",
        "exit code 1",
        "it waited for memory",
        "connection timeout",
        "signal 9",
        "held hands",
        "the token was fine",
        "a node started it",
        "NonZeroExitCode",
        "it is about time",
    ],
)
def test_other_words_say_nothing(word: str) -> None:
    assert cause_of(None, NOW - 2 * FAST, NOW, words=(word,)) is Cause.FAILED_LATE


def test_what_the_ce_told_counts_before_every_word() -> None:
    for cause in set(Cause) - VAGUE:
        assert cause_of(cause, None, NOW, exit_code=137, words=("OUT_OF_MEMORY",)) is cause


LINES = {
    "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some": Cause.OUT_OF_MEMORY,
    "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT x DUE TO TIME LIMIT ***": Cause.WALLTIME,
    "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT x DUE TO PREEMPTION ***": Cause.PREEMPTED,
    "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT x DUE TO NODE FAILURE ***": Cause.NODE,
    "=>> PBS: job killed: walltime 3605 exceeded limit 3600": Cause.WALLTIME,
    "=>> PBS: job killed: vmem 9 exceeded limit 8": Cause.OUT_OF_MEMORY,
}


@pytest.mark.parametrize(("line", "result"), LINES.items())
def test_the_lines_of_a_batch_system_say_why(line: str, result: Cause) -> None:
    tail = f"working\n{line}\nTerminated\n"

    for first, cause in [(Cause.EXIT_CODE, Cause.EXIT_CODE), (Cause.FAILED_FAST, None)]:
        assert refined(first, cause, tail) is result
    for first, cause in [(Cause.FAILED_FAST, Cause.FAILED_FAST), (Cause.PREEMPTED, None)]:
        assert refined(first, cause, tail) is first


def test_a_pilots_own_words_say_nothing() -> None:
    tail = "out of memory\nwall time\nerror: slurmstepd: error: DUE TO TIME LIMIT"

    assert refined(Cause.EXIT_CODE, None, tail) is Cause.EXIT_CODE


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (1, Cause.EXIT_CODE),
        (128, Cause.EXIT_CODE),
        (255, Cause.EXIT_CODE),
        (137, Cause.SIGNAL),
        (192, Cause.SIGNAL),
        (193, Cause.EXIT_CODE),
        (-9, Cause.SIGNAL),
        (0, Cause.FAILED_LATE),
    ],
)
def test_an_exit_code_may_stand_for_a_signal(code: int, result: Cause) -> None:
    assert cause_of(None, NOW - FAST, NOW, exit_code=code) is result
    assert cause_of(Cause.UNKNOWN, NOW - FAST, NOW, exit_code=code) is result
