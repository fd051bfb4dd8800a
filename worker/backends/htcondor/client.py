"""Calls of HTCondor's client programs as one identity, and the meaning of their errors.

A client is made for one call of a driver; all programs that it runs share the time of that call.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from worker.backends import shell
from worker.backends.htcondor import answers
from worker.backends.htcondor.answers import Ad
from worker.backends.htcondor.options import HTCondorAuthentication, HTCondorOptions
from worker.backends.identities import Identity
from worker.domain.errors import CredentialProblem, Refused, Unavailable, Unreadable
from worker.domain.pilot import Cause
from worker.domain.texts import one_line

_LIMIT = 256 * 2**20
"""The largest answer in bytes: enough for a few hundred thousand jobs."""
_RANGE = re.compile(r"^([0-9]{1,18})\.([0-9]{1,6}) - ([0-9]{1,18})\.([0-9]{1,6})\s*$", re.MULTILINE)
_TOTAL = re.compile(r"^(?:Total for query: )?(\d+) jobs;", re.MULTILINE)
_SCHEDD = re.compile(r"^-- Schedd: (\S+)", re.MULTILINE)
_NOT_LET_IN = ("AUTHENTICATE:", "DENIED", "ermission denied", "not authorized", "post-auth")
_QUOTA = ("MAX_JOBS_", "would exceed")
_REFUSED = (
    "arse error", "Failed to parse", "on Line", "not permitted", "not allowed", "Failed to create",
    "does not exist", "nvalid",
)  # fmt: skip
_UNCOMMITTED = "Failed to commit job submission"


@contextmanager
def clients(options: HTCondorOptions) -> Iterator[Callable[[Identity], "HTCondorClient"]]:
    """Make clients for one driver call, which share its time.

    The temporary folder that holds links to credentials is removed with them.
    """
    until = time.monotonic() + options.call_timeout
    with TemporaryDirectory(prefix="pilotage-tokens-", ignore_cleanup_errors=True) as folder:
        yield lambda identity: HTCondorClient(
            options, shown(options, identity.path, Path(folder)), until
        )


def shown(options: HTCondorOptions, path: Path | None, above: Path) -> dict[str, str]:
    """Return the environment in which HTCondor's client uses this credential and no other."""
    if path is None:
        return {}
    methods = {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": options.authentication.upper()}
    if options.authentication is HTCondorAuthentication.SCITOKENS:
        return {**methods, "_CONDOR_SCITOKENS_FILE": str(path), "BEARER_TOKEN_FILE": str(path)}
    if options.authentication is HTCondorAuthentication.SSL:
        return {
            **methods,
            "X509_USER_PROXY": str(path),
            "_CONDOR_AUTH_SSL_CLIENT_CERTFILE": str(path),
            "_CONDOR_AUTH_SSL_CLIENT_KEYFILE": str(path),
        }
    # The client may use any token of a folder, so the folder holds only this one.
    folder = mkdtemp(dir=above)
    (Path(folder) / "token").symlink_to(path.absolute())
    return {
        **methods,
        "_CONDOR_SEC_TOKEN_DIRECTORY": folder,
        "_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY": folder,
    }


class HTCondorClient:
    """Runs HTCondor's programs against one schedd."""

    def __init__(
        self, options: HTCondorOptions, environment: Mapping[str, str], until: float
    ) -> None:
        self._options = options
        # Our own settings hold secrets, and a submit description could copy variables into a job.
        own = shell.without_our_settings()
        self._environment = {**own, "LC_ALL": "C.UTF-8", "TZ": "UTC", **environment}
        if options.config is not None:
            self._environment["CONDOR_CONFIG"] = str(options.config)
        self._give_up = until

    def submit(self, description: str) -> list[str]:
        """Submit jobs; return their ids in the order of the description."""
        words = ["-terse", *(["-spool"] if self._options.spool else []), *self._where()]
        done = self._run("submit", words, stdin=description)
        if done.exit_code:
            raise failed_submission(done)
        ranges = [tuple(map(int, match)) for match in _RANGE.findall(done.stdout)]
        if not ranges or any(first[0] != first[2] for first in ranges):
            raise Unreadable(done.stdout[:2000], "condor_submit", "it names no jobs")
        return [f"{a}.{number}" for a, low, _, high in ranges for number in range(low, high + 1)]

    def queue(self, constraint: str) -> list[Ad]:
        """List jobs in the queue."""
        words = ["-allusers", *self._where(), "-constraint", constraint]
        text = self._ask("q", [*words, "-json", "-attributes", ",".join(answers.ATTRIBUTES)])
        if text.strip():
            return answers.read(text)
        # Empty output means that no job matches, or that the program was cut off: count the jobs.
        if self.count(constraint) != 0:
            raise Unreadable(text, "condor_q", "it listed no jobs, and did not report a count of 0")
        return []

    def count(self, constraint: str) -> int:
        """Count jobs in the queue."""
        words = ["-allusers", *self._where(), "-constraint", constraint, "-totals"]
        text = self._ask("q", words)
        total = _TOTAL.search(text)
        if total is None:
            raise Unreadable(
                text[:2000], "condor_q", "it listed no jobs, and did not report a count of 0"
            )
        return int(total[1])

    def machines(self, constraint: str) -> list[str]:
        """Return the machine on which each job in the queue runs."""
        words = ["-allusers", *self._where(), "-constraint", constraint, "-af", "RemoteHost"]
        return self._ask("q", words).split()

    def history(self, constraint: str, since: str | None = None) -> list[Ad]:
        """List jobs that have left the queue; with `since`, only those that left after that job."""
        words = [*self._where(), "-constraint", constraint, *(["-since", since] if since else [])]
        return answers.read(
            self._ask("history", [*words, "-json", "-attributes", ",".join(answers.ATTRIBUTES)])
        )

    def newest(self) -> str | None:
        """Return the id of the job, of any owner, that left the queue last; `None` without one."""
        text = self._ask("history", [*self._where(), "-limit", "1", "-af", "ClusterId", "ProcId"])
        words = text.split()
        return ".".join(words) if len(words) == 2 and all(map(str.isdigit, words)) else None

    def remove(self, constraint: str, reason: str) -> None:
        """Remove jobs; it is not an error if there are none."""
        done = self._run("rm", [*self._where(), "-reason", reason, "-constraint", constraint])
        lines = _lines(done.stderr)
        if done.exit_code and not (len(lines) == 1 and lines[0].startswith("Couldn't find")):
            raise _failed("condor_rm", done)

    def fetch(self, constraint: str) -> None:
        """Fetch the output of jobs from the schedd; it is not an error if there are none."""
        done = self._run("transfer_data", [*self._where(), "-constraint", constraint])
        if done.exit_code and any(sign in done.stderr for sign in _NOT_LET_IN):
            raise _failed("condor_transfer_data", done)

    def hello(self) -> str:
        """Return the name of the schedd that answers, and its version if the collector knows it."""
        text = self._ask("q", ["-allusers", *self._where(), "-totals", "-constraint", "false"])
        name = _SCHEDD.search(text)
        if name is None:
            raise Unreadable(text[:2000], "condor_q", "its answer names no schedd")
        pool = ["-pool", self._options.pool] if self._options.pool else []
        words = [*pool, "-schedd", name[1], "-af", "CondorVersion"]
        done = self._run("status", words)
        version = done.stdout.strip("$ \n") if done.exit_code == 0 else ""
        return one_line(f"schedd {name[1]} {version}")

    def _where(self) -> list[str]:
        options = self._options
        name = ["-name", options.schedd] if options.schedd else []
        return [*name, *(["-pool", options.pool] if options.pool else [])]

    def _ask(self, tool: str, words: Sequence[str]) -> str:
        done = self._run(tool, words)
        if done.exit_code:
            raise _failed(f"condor_{tool}", done)
        return done.stdout

    def _run(self, tool: str, words: Sequence[str], stdin: str = "") -> shell.Completed:
        left = self._give_up - time.monotonic()
        if left <= 0:
            raise Unavailable(
                f"condor_{tool}", f"no answer within {self._options.call_timeout:g} s"
            )
        name, folder = f"condor_{tool}", self._options.programs
        argv = [str(folder / name) if folder else name, *words]
        return shell.run(argv, timeout=left, input=stdin, env=self._environment, limit=_LIMIT)


def _failed(program: str, done: shell.Completed) -> Unavailable | CredentialProblem:
    lines = _lines(done.stderr) or [f"exit code {done.exit_code}"]
    if any(sign in done.stderr for sign in _NOT_LET_IN):
        return CredentialProblem(program, *lines)
    return Unavailable(program, *lines)


def failed_submission(
    done: shell.Completed,
) -> Unavailable | CredentialProblem | Refused:
    """Return a refusal, or an error after which it is unknown whether jobs were accepted."""
    stderr, lines = done.stderr, _lines(done.stderr)
    if _is_open(done):
        return Unavailable("condor_submit", *lines)
    failed = _failed("condor_submit", done)
    if isinstance(failed, CredentialProblem):
        return failed
    if any(sign in stderr for sign in _QUOTA):
        return Refused(Cause.QUOTA, *lines)
    if any(sign in stderr for sign in (_UNCOMMITTED, *_REFUSED)):
        return Refused(Cause.REFUSED, *lines)
    return failed


def _is_open(done: shell.Completed) -> bool:
    """Return whether the queue may have accepted the jobs, whatever the error says."""
    # The jobs are named once the queue has accepted them; their files are sent after that.
    if _RANGE.search(done.stdout):
        return True
    # The lines after this one are the schedd's own reason; without it, the outcome is unknown.
    _, uncommitted, rest = done.stderr.partition(_UNCOMMITTED)
    return bool(uncommitted) and not _lines(rest.partition("\n")[2])


def _lines(stderr: str) -> list[str]:
    """Return the first lines of an error, without the advice after "Extra Info"."""
    lines = stderr.partition("Extra Info:")[0].splitlines()
    return [one_line(line, 300) for line in lines if line.strip()][:4]
