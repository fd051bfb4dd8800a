"""Recorded errors of a real sbatch 22.05.8 that did not submit, and their meaning."""

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

ERROR = "sbatch: error: Batch job submission failed: "
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"

QUOTA = [
    f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{ERROR}{POLICY}",
    f"sbatch: error: AssocMaxSubmitJobLimit\n{ERROR}{POLICY}",
    f"sbatch: error: AssocGrpSubmitJobsLimit\n{ERROR}{POLICY}",
    ERROR + POLICY,
]
REFUSALS = [
    f"sbatch: error: invalid partition specified: nope\n{ERROR}Invalid partition name specified\n",
    f"{ERROR}Invalid feature specification\n",
    f"{ERROR}Invalid job array specification\n",
    f"{ERROR}Invalid qos specification\n",
    f"{ERROR}Invalid account or account/partition combination specified\n",
    f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{ERROR}{POLICY}",
    f"sbatch: error: Memory ...\n{ERROR}Requested node configuration is not available\n",
    "sbatch: error: Invalid generic resource (gres) specification\n",
    "sbatch: error: Invalid --time specification\n",
    "sbatch: unrecognized option '--frobnicate'\nTry \"sbatch --help\" for more information\n",
    f"sbatch: error: lua: no more than 10 nodes for pilots\n{ERROR}Unspecified error\n",
]
DOUBT = [
    f"{ERROR}Unable to contact slurm controller (connect failure)\n",
    f"{ERROR}Socket timed out on send/recv operation\n",
    f"{ERROR}Zero Bytes were transmitted or received\n",
    f"{ERROR}Resource temporarily unavailable\n",
    "sbatch: fatal: Unable to process configuration file\n",
    "sbatch: error: something that nobody has seen yet\n",
    "",
]
NO_MUNGE = (
    "sbatch: error: If munged is up, restart with --num-threads=10\n"
    'sbatch: error: Munge encode failed: Failed to access "/run/munge/socket": No such file\n'
    f"{ERROR}Protocol authentication error\n"
)


def result_of(stderr: str, code: int = 1, stdout: str = "") -> Completed:
    return Completed(stdout=stdout, stderr=stderr, exit_code=code, seconds=0)


@pytest.mark.parametrize("text", QUOTA)
def test_a_limit_on_our_jobs_is_a_quota(text: str) -> None:
    cause_and_reason = refusal(result_of(text))
    assert cause_and_reason is not None
    assert cause_and_reason[0] is Cause.QUOTA
    assert "\n" not in cause_and_reason[1]


@pytest.mark.parametrize("text", REFUSALS)
def test_what_the_controller_refuses_is_refused(text: str) -> None:
    cause_and_reason = refusal(result_of(text))
    assert cause_and_reason is not None
    assert cause_and_reason[0] is Cause.REFUSED
    assert cause_and_reason[1]


@pytest.mark.parametrize("text", DOUBT)
def test_what_says_neither_yes_nor_no_leaves_the_pilots_in_doubt(text: str) -> None:
    assert refusal(result_of(text)) is None
    assert isinstance(problem("sbatch", result_of(text)), Unavailable | Unreadable)


def test_a_credential_is_called_by_its_name() -> None:
    assert refusal(result_of(NO_MUNGE)) is None
    assert isinstance(problem("sbatch", result_of(NO_MUNGE)), CredentialProblem)


def test_the_limit_is_told_with_the_refusal() -> None:
    cause_and_reason = refusal(result_of(QUOTA[0]))
    assert cause_and_reason is not None
    assert cause_and_reason[1].startswith("QOSMaxSubmitJobPerUserLimit; Job violates")


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (result_of("slurm_load_jobs error: Unable to contact slurm controller"), Unavailable),
        (
            result_of("sacct: error: Problem talking to the database: Connection refused"),
            Unavailable,
        ),
        (result_of("sh: 1: squeue: not found", code=127), Unavailable),
        (result_of("", code=1, stdout="<html>"), Unreadable),
        (result_of("squeue: error: Munge decode failed: Expired credential"), CredentialProblem),
    ],
)
def test_a_program_that_does_not_answer(result: Completed, kind: type[BackendError]) -> None:
    assert type(problem("squeue", result)) is kind


def test_an_error_with_exit_code_0_is_an_error() -> None:
    assert is_trouble("sacct", result_of("sacct: error: slurm_persist_conn_open: failed", code=0))
    assert is_trouble("sacct", result_of("", code=1))
    assert is_trouble("squeue", result_of("", code=1))
    assert not is_trouble("sacct", result_of("Warning: Permanently added a host\n", code=0))
    assert not is_trouble("squeue", result_of("squeue: error: a plugin is missing\n", code=0))


@pytest.mark.parametrize(
    "text",
    [
        "scontrol: fatal: Could not establish a configuration source\n",
        "scontrol: fatal: Unable to process configuration file\n",
    ],
)
def test_without_its_configuration_the_advice_names_the_option_and_the_program_stands_once(
    text: str,
) -> None:
    error = problem("scontrol", result_of(text))

    assert isinstance(error, NotSetUp)
    assert "slurm_conf" in error.advice
    assert "SLURM_CONF" in error.advice
    assert str(error).count("scontrol") == 1
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("option", "environment", "path"),
    [(None, "/etc/a.conf", "/etc/a.conf"), ("/b.conf", "/etc/a.conf", "/b.conf"), (None, "", "")],
)
def test_slurm_conf_of_the_environment_is_used_where_no_option_says_another(
    option: str | None,
    environment: str,
    path: str,
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

    with pytest.raises(Unavailable, match=f"conf={path} states=$"):
        client.about()


def test_a_host_without_the_programs_of_slurm_is_told_of_the_options(tmp_path: Path) -> None:
    options = SlurmOptions(programs=str(tmp_path))
    with pytest.raises(NotSetUp) as caught:
        Here(options).run(["sbatch-of-nowhere"], {}, "", 5)
    assert "programs" in caught.value.advice
