"""The states in the documentation of Slurm, and how other words are shown."""

import pytest

from worker.backends.slurm.answers import Row
from worker.backends.slurm.states import STATES, by_exit, meaning
from worker.domain.pilot import CE_FAULTS, FINAL, Cause, Status

STAMP = "5" * 32
WAITS = ("PENDING", "CONFIGURING", "POWER_UP_NODE", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
           "SPECIAL_EXIT", "RESV_DEL_HOLD")  # fmt: skip
RUNS = ("RUNNING", "RESIZING", "SIGNALING", "COMPLETING", "STAGE_OUT", "UPDATE_DB", "SUSPENDED",
           "STOPPED")  # fmt: skip
ENDS = {
    "COMPLETED": (Status.DONE, None),
    "CANCELLED": (Status.CANCELLED, None),
    "FAILED": (Status.FAILED, None),
    "OUT_OF_MEMORY": (Status.FAILED, Cause.OUT_OF_MEMORY),
    "TIMEOUT": (Status.FAILED, Cause.WALLTIME),
    "DEADLINE": (Status.FAILED, Cause.WALLTIME),
    "PREEMPTED": (Status.FAILED, Cause.PREEMPTED),
    "NODE_FAIL": (Status.FAILED, Cause.NODE),
    "BOOT_FAIL": (Status.FAILED, Cause.NODE),
    "LAUNCH_FAILED": (Status.FAILED, Cause.NODE),
    "RECONFIG_FAIL": (Status.FAILED, Cause.NODE),
    "REVOKED": (Status.FAILED, Cause.REMOVED),
}


@pytest.mark.parametrize("word", WAITS)
def test_what_waits_waits(word: str) -> None:
    assert meaning(word) == (Status.SUBMITTED, None)


@pytest.mark.parametrize("word", RUNS)
def test_what_runs_or_is_still_busy_runs(word: str) -> None:
    assert meaning(word) == (Status.RUNNING, None)


@pytest.mark.parametrize("word", ENDS)
def test_what_has_ended_has_a_cause(word: str) -> None:
    assert meaning(word) == ENDS[word]


def test_the_table_has_every_documented_word() -> None:
    assert {*WAITS, *RUNS, *ENDS} <= set(STATES)
    assert {word for word, (status, _) in STATES.items() if status in FINAL} == set(ENDS)


@pytest.mark.parametrize("word", ["CANCELLED by 1000", "CANCELLED+", "cancelled", "CANCELLED by 0"])
def test_only_the_first_word_counts(word: str) -> None:
    assert meaning(word) == (Status.CANCELLED, None)


@pytest.mark.parametrize("word", ["", " ", "PONDERING", "RUNNINGS", "1"])
def test_a_word_that_nobody_knows_has_no_meaning(word: str) -> None:
    assert meaning(word) == (None, None)


def test_neither_our_cancellation_nor_time_nor_preemption_is_a_fault_of_the_ce() -> None:
    neutral = {STATES[word][1] for word in ("TIMEOUT", "DEADLINE", "PREEMPTED", "REVOKED")}
    assert not neutral & CE_FAULTS


@pytest.mark.parametrize(
    ("code", "signal", "cause", "reason"),
    [
        (3, 0, Cause.EXIT_CODE, "exit code 3"),
        (0, 9, Cause.SIGNAL, "signal 9 (SIGKILL)"),
        (143, 0, Cause.SIGNAL, "signal 15 (SIGTERM)"),
        (255, None, Cause.EXIT_CODE, "exit code 255"),
        (128 + 60, None, Cause.SIGNAL, "signal 60"),
        (0, 0, Cause.UNKNOWN, None),
        (None, None, Cause.UNKNOWN, None),
    ],
)
def test_the_exit_tells_the_cause(
    code: int | None, signal: int | None, cause: Cause, reason: str | None
) -> None:
    assert by_exit(code, signal) == (cause, reason)


def test_what_a_ce_says_is_made_harmless() -> None:
    row = Row("7", STAMP, "7", None, "PENDING", " a\x1b[2Jb\nc\ud800 ", None, None, None, None)
    assert row.observed().reason == "a\ufffd[2Jb c\ufffd"
    long = row._replace(state="x" * 10_000, reason="y" * 10_000).observed()
    assert (long.raw, long.reason) == ("x" * 300, "y" * 300)
