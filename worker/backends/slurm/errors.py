"""The error messages of Slurm's programs, and what they mean.

Most texts are those of `slurm_strerror`. A submission counts as refused only if the controller
said so, or if the program says that it did not contact the controller; after any other error the
pilots are in doubt.
"""

import re

from worker.backends.shell import Completed
from worker.backends.slurm.names import LONGEST_TEXT
from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    NotSent,
    NotSetUp,
    Unavailable,
    Unreadable,
)
from worker.domain.pilot import Cause
from worker.domain.texts import one_line

_NO_CONFIGURATION = re.compile(
    r"Could not establish a configuration source|Unable to process configuration"
    r"|slurm\.conf\W.*No such file",
    re.IGNORECASE,
)
_NOT_RUN = re.compile(r"^env: .*: (No such file or directory|Permission denied)$", re.MULTILINE)
"""The message of a login node about a program that is missing there or must not be run."""
CONFIGURE = (
    "set the option slurm_conf of the CE to the path of slurm.conf. On this host, SLURM_CONF in the"
    " environment of the workers does the same; it is not passed over SSH"
)
"""The advice if Slurm's programs find no configuration."""

_SUBMISSION = "Batch job submission failed: "

_CREDENTIAL = re.compile(
    r"authentication|Munge (en|de)code|Invalid user id|credential", re.IGNORECASE
)
_AWAY = re.compile(
    r"Unable to contact|connect failure|timed out|Zero Bytes|Connection (refused|reset)"
    r"|Unexpected message received|Resource temporarily unavailable|temporarily unable"
    r"|Unable to process configuration|Problem talking to the database|Communication connection"
    r"|Message (send|receive) failure|backup mode|in standby|shutdown in progress|try again",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"QOS\w*(Submit|Jobs?)\w*Limit|Assoc\w*(Submit|Jobs?)\w*Limit|MaxSubmit|MaxJobs"
    r"|Job violates accounting|job submit limit|Too many (jobs|array)|MaxJobCount"
    r"|exceed\w* the (limit|number|maximum) of \w*\s*jobs|job limit",
    re.IGNORECASE,
)
# Limits on a single job, not on our number of jobs: the job does not fit later either.
_NOT_QUOTA = re.compile(
    r"(QOS|Assoc)\w*(PerJobLimit|WallDuration\w*|TimeLimit)|DenyOnLimit", re.IGNORECASE
)
_NEVER_ASKED = re.compile(
    r"sbatch: (unrecognized|invalid) option|option .* requires an argument|Try \"sbatch --help\""
    r"|sbatch: error: (Invalid|.*specification|Batch script|This does not look|Unable to open)"
    r"|option .* doesn't allow an argument|is ambiguous",
)


def last_line(text: str) -> str:
    """Return the last line, which usually says most."""
    lines = [one_line(line, LONGEST_TEXT) for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def refusal(done: Completed) -> tuple[Cause, str] | None:
    """Return why a submission was refused; `None` if it is not certain that it was."""
    stderr = done.stderr
    if _SUBMISSION not in stderr:
        return (Cause.REFUSED, _first_error(stderr)) if _NEVER_ASKED.search(stderr) else None
    text = stderr.rpartition(_SUBMISSION)[2]
    if _AWAY.search(text) or _CREDENTIAL.search(text):
        return None
    why = _reasons(stderr)
    if _QUOTA.search(stderr) and not _NOT_QUOTA.search(stderr):
        return Cause.QUOTA, why
    return Cause.REFUSED, why


def problem(program: str, done: Completed) -> BackendError:
    """Return the error of a program that failed."""
    line = last_line(done.stderr).removeprefix(f"{program}: ") or f"exit code {done.exit_code}"
    if _NO_CONFIGURATION.search(done.stderr):
        return NotSetUp(CONFIGURE, program, line)
    # All lines are searched: the last line may be a consequence of an earlier one.
    if _CREDENTIAL.search(done.stderr):
        return CredentialProblem(program, line)
    if done.exit_code in (126, 127) and _NOT_RUN.search(done.stderr):
        return NotSent(program, line)
    if done.exit_code in (126, 127) or _AWAY.search(done.stderr):
        return Unavailable(program, line)
    if done.stderr.strip():
        return Unavailable(program, line)
    return Unreadable(done.stdout[:2000], program, line)


def is_trouble(program: str, done: Completed) -> bool:
    """Return whether a program that only reads has failed.

    If its connection breaks, sacct still prints a header and ends with exit code 0.
    """
    broken = program == "sacct" and re.search(r"\b(error|fatal): ", done.stderr)
    return done.exit_code != 0 or bool(broken)


def _reasons(stderr: str) -> str:
    """Join the last lines: the name of a limit or a plugin's message, and sbatch's own text."""
    lines = [re.sub(r"^sbatch: (error: )?", "", line.strip()) for line in stderr.splitlines()]
    words = [line.removeprefix(_SUBMISSION) for line in lines if line]
    return one_line("; ".join(words[-3:]), LONGEST_TEXT)


def _first_error(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return one_line(re.sub(r"^sbatch: (error: )?", "", lines[0]), LONGEST_TEXT) if lines else ""
