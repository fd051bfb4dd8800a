"""What a real sbatch 22.05.8 said when it did not submit, recorded, and what that means."""

import pickle
import time
from pathlib import Path

import pytest

from worker.backends.shell import Completed
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.errors import is_trouble, problem, refusal
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.reach import Here
from worker.domain.errors import BackendError, CredentialProblem, NotSetUp, Unavailable, Unreadable
from worker.domain.pilot import Cause

FAILED = "sbatch: error: Batch job submission failed: "
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"

QUOTA = [
    f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{FAILED}{POLICY}",
    f"sbatch: error: AssocMaxSubmitJobLimit\n{FAILED}{POLICY}",
    f"sbatch: error: AssocGrpSubmitJobsLimit\n{FAILED}{POLICY}",
    FAILED + POLICY,
]
REFUSED = [
    f"sbatch: error: invalid partition specified: nope\n{FAILED}Invalid partition name specified\n",
    f"{FAILED}Invalid feature specification\n",
    f"{FAILED}Invalid job array specification\n",
    f"{FAILED}Invalid qos specification\n",
    f"{FAILED}Invalid account or account/partition combination specified\n",
    f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{FAILED}{POLICY}",
    f"sbatch: error: Memory ...\n{FAILED}Requested node configuration is not available\n",
    "sbatch: error: Invalid generic resource (gres) specification\n",
    "sbatch: error: Invalid --time specification\n",
    "sbatch: unrecognized option '--frobnicate'\nTry \"sbatch --help\" for more information\n",
    f"sbatch: error: lua: no more than 10 nodes for pilots\n{FAILED}Unspecified error\n",
]
DOUBT = [
    f"{FAILED}Unable to contact slurm controller (connect failure)\n",
    f"{FAILED}Socket timed out on send/recv operation\n",
    f"{FAILED}Zero Bytes were transmitted or received\n",
    f"{FAILED}Resource temporarily unavailable\n",
    "sbatch: fatal: Unable to process configuration file\n",
    "sbatch: error: something that nobody has seen yet\n",
    "",
]
NO_MUNGE = (
    "sbatch: error: If munged is up, restart with --num-threads=10\n"
    'sbatch: error: Munge encode failed: Failed to access "/run/munge/socket": No such file\n'
    f"{FAILED}Protocol authentication error\n"
)


def ended(stderr: str, code: int = 1, stdout: str = "") -> Completed:
    return Completed(stdout=stdout, stderr=stderr, exit_code=code, seconds=0)


@pytest.mark.parametrize("said", QUOTA)
def test_a_limit_on_our_jobs_is_a_quota(said: str) -> None:
    told = refusal(ended(said))
    assert told is not None
    assert told[0] is Cause.QUOTA
    assert "\n" not in told[1]


@pytest.mark.parametrize("said", REFUSED)
def test_what_the_controller_refuses_is_refused(said: str) -> None:
    told = refusal(ended(said))
    assert told is not None
    assert told[0] is Cause.REFUSED
    assert told[1]


@pytest.mark.parametrize("said", DOUBT)
def test_what_says_neither_yes_nor_no_leaves_the_pilots_in_doubt(said: str) -> None:
    assert refusal(ended(said)) is None
    assert isinstance(problem("sbatch", ended(said)), Unavailable | Unreadable)


def test_a_credential_is_called_by_its_name() -> None:
    assert refusal(ended(NO_MUNGE)) is None
    assert isinstance(problem("sbatch", ended(NO_MUNGE)), CredentialProblem)


def test_the_limit_is_told_with_the_refusal() -> None:
    told = refusal(ended(QUOTA[0]))
    assert told is not None
    assert told[1].startswith("QOSMaxSubmitJobPerUserLimit; Job violates")


@pytest.mark.parametrize(
    ("done", "kind"),
    [
        (ended("slurm_load_jobs error: Unable to contact slurm controller"), Unavailable),
        (ended("sacct: error: Problem talking to the database: Connection refused"), Unavailable),
        (ended("sh: 1: squeue: not found", code=127), Unavailable),
        (ended("", code=1, stdout="<html>"), Unreadable),
        (ended("squeue: error: Munge decode failed: Expired credential"), CredentialProblem),
    ],
)
def test_a_program_that_does_not_answer(done: Completed, kind: type[BackendError]) -> None:
    assert type(problem("squeue", done)) is kind


def test_an_error_with_exit_code_0_is_an_error() -> None:
    assert is_trouble("sacct", ended("sacct: error: slurm_persist_conn_open: failed", code=0))
    assert is_trouble("sacct", ended("", code=1))
    assert is_trouble("squeue", ended("", code=1))
    assert not is_trouble("sacct", ended("Warning: Permanently added a host\n", code=0))
    assert not is_trouble("squeue", ended("squeue: error: a plugin is missing\n", code=0))


@pytest.mark.parametrize(
    "said",
    [
        "scontrol: fatal: Could not establish a configuration source\n",
        "scontrol: fatal: Unable to process configuration file\n",
    ],
)
def test_without_its_configuration_the_advice_names_the_option_and_the_program_stands_once(
    said: str,
) -> None:
    error = problem("scontrol", ended(said))

    assert isinstance(error, NotSetUp)
    assert "slurm_conf" in error.advice
    assert "SLURM_CONF" in error.advice
    assert str(error).count("scontrol") == 1
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [(None, "/etc/a.conf", "/etc/a.conf"), ("/b.conf", "/etc/a.conf", "/b.conf"), (None, "", "")],
)
def test_slurm_conf_of_the_environment_is_used_where_no_option_says_another(
    option: str | None,
    environment: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "scontrol"
    program.write_text('#!/bin/sh\necho "conf=$SLURM_CONF states=$SQUEUE_STATES" >&2; exit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("SLURM_CONF", environment)
    monkeypatch.setenv("SQUEUE_STATES", "all")
    options = SlurmOptions(programs=str(tmp_path), slurm_conf=option)
    client = SlurmClient(Here(options), options, Names("pilotage"), time.monotonic() + 60)

    with pytest.raises(Unavailable, match=f"conf={expected} states=$"):
        client.about()


def test_a_host_without_the_programs_of_slurm_is_told_of_the_options(tmp_path: Path) -> None:
    options = SlurmOptions(programs=str(tmp_path))
    with pytest.raises(NotSetUp) as told:
        Here(options).run(["sbatch-of-nowhere"], {}, "", 5)
    assert "programs" in told.value.advice
