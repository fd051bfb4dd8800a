"""The meaning of each state and reason in the documentation and the scripts of ARC."""

import pytest

from worker.backends.arc import states
from worker.domain.pilot import Cause, Status

WAITS = ("ACCEPTING", "ACCEPTED", "PREPARING", "PREPARED", "SUBMITTING", "QUEUING", "HELD")
RUNS = ("RUNNING", "EXITINGLRMS", "EXECUTED", "FINISHING", "OTHER")


def test_every_documented_state_is_mapped() -> None:
    expected_states = {
        **dict.fromkeys(WAITS, Status.SUBMITTED),
        **dict.fromkeys(RUNS, Status.RUNNING),
        "FINISHED": Status.DONE,
        "FAILED": Status.FAILED,
        "KILLED": Status.CANCELLED,
    }
    assert expected_states == states.STATES
    assert {"None", "WIPED"} == states.GONE
    assert states.KILLING not in states.STATES


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        ("LRMS error: (3) Job finished with wrong exit code - 3 != 0", 3, Cause.EXIT_CODE),
        ("LRMS error: (137) Job finished with wrong exit code - 137 != 0", 137, Cause.SIGNAL),
        ("LRMS error: (-1) Job died unexpectedly", None, Cause.SIGNAL),
        ("LRMS error: (-1) Job timeout", None, Cause.WALLTIME),
        ("LRMS error: (271) job killed: wall", 271, Cause.WALLTIME),
        ("LRMS error: (271) job killed: cput", 271, Cause.WALLTIME),
        ("LRMS error: (271) job killed: vmem", 271, Cause.OUT_OF_MEMORY),
        ("LRMS error: (-1) Node fail", None, Cause.NODE),
        ("LRMS error: (-1) Job was cancelled", None, Cause.REMOVED),
        ("LRMS error: (-1) Job was lost with unknown exit code", None, Cause.NODE),
        ("LRMS error: (1) Job was preempted", 1, Cause.PREEMPTED),
        ("Job submission to LRMS failed", None, Cause.NEVER_STARTED),
        ("Failed in data staging: cannot get input", None, Cause.NEVER_STARTED),
        ("User file: run - Timeout waiting", None, Cause.WALLTIME),
        ("Internal error", None, None),
        (None, 7, Cause.EXIT_CODE),
        (None, None, None),
    ],
)
def test_the_cause_of_a_failure(error: str | None, code: int | None, cause: Cause | None) -> None:
    assert states.exit_code_of(None, error) == (code if error else None)
    assert states.cause_of(error, code) is cause


@pytest.mark.parametrize(
    ("text", "code"),
    [("0", 0), ("3", 3), ("-1", None), ("", None), ("3:0", None), ("9" * 30, None)],
)
def test_an_exit_code_that_is_none(text: str, code: int | None) -> None:
    assert states.exit_code_of(text, "LRMS error: (5) whatever") == code


def test_a_cancellation_by_another_name() -> None:
    assert states.is_cancellation("Job is canceled by external request")
    assert states.is_cancellation("User requested to cancel the job")
    assert not states.is_cancellation("LRMS error: (-1) Job was cancelled")
    assert not states.is_cancellation(None)
