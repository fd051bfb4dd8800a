"""The errors of condor_submit: which of them say that nothing was accepted."""

import pytest

from worker.backends.htcondor.client import failed_submission
from worker.backends.shell import Completed
from worker.domain.errors import CredentialProblem, Refused, Unavailable
from worker.domain.pilot import Cause

UNCOMMITTED = "ERROR: Failed to commit job submission into the queue.\n"
WARNING = "WARNING: the line 'x = 1' was unused by condor_submit. Is it a typo?\n"
QUOTA = "ERROR: Number of submitted jobs would exceed MAX_JOBS_PER_OWNER\n"
NOT_SPOOLED = (
    "\nDCSchedd::spoolJobFiles:7002:File transfer failed for target job 1.0: SUBMIT at 127.0.0.1"
    " failed to send file(s) to <127.0.0.1:25903>: |Error: reading from file /x: {why}\n"
    "ERROR: Failed to spool job files.\n"
)
REASONS = [
    "(errno 13) Permission denied",
    "DENIED by the schedd",
    "it does not exist",
    "Invalid argument",
    "disk quota: it would exceed 1 GB",
]


def result_of(stderr: str, stdout: str = "") -> Completed:
    return Completed(stdout=stdout, stderr=stderr, exit_code=1, seconds=0)


@pytest.mark.parametrize("why", REASONS)
def test_jobs_whose_files_did_not_arrive_are_in_the_queue(why: str) -> None:
    error = failed_submission(result_of(NOT_SPOOLED.format(why=why), "1.0 - 1.1\n"))
    assert type(error) is Unavailable
    assert why in str(error)


@pytest.mark.parametrize("before", ["", WARNING, f"{WARNING}\nPermission denied: x\n", QUOTA])
@pytest.mark.parametrize("after", ["", "\n", "Extra Info:\nit is not allowed\n"])
def test_a_submission_that_nobody_judged_is_open(before: str, after: str) -> None:
    assert type(failed_submission(result_of(before + UNCOMMITTED + after))) is Unavailable


@pytest.mark.parametrize("before", ["", WARNING])
def test_a_submission_is_refused_by_the_reason_of_the_schedd(before: str) -> None:
    error = failed_submission(result_of(f"{before}{UNCOMMITTED}ERROR: no more of you\n"))
    assert isinstance(error, Refused)
    assert error.cause is Cause.REFUSED
    assert "no more of you" in str(error)
    quota = failed_submission(result_of(before + UNCOMMITTED + QUOTA))
    assert isinstance(quota, Refused)
    assert quota.cause is Cause.QUOTA


def test_what_the_program_says_before_it_asks_the_queue_is_a_refusal() -> None:
    assert isinstance(failed_submission(result_of("ERROR: Parse error in x\n")), Refused)
    quota = failed_submission(result_of(QUOTA))
    assert isinstance(quota, Refused)
    assert quota.cause is Cause.QUOTA
    assert isinstance(failed_submission(result_of("AUTHENTICATE:1003\n")), CredentialProblem)
    assert type(failed_submission(result_of("ERROR: something new\n"))) is Unavailable
