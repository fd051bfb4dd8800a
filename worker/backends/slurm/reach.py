"""Running Slurm's programs: on this host, or on a login node over SSH.

In both cases a program gets a small environment of its own, so that a SQUEUE_STATES or SBATCH_QOS
of a user has no effect, and times are written in UTC. On this host SLURM_CONF of our own
environment is kept; it is not passed over SSH.
"""

import hashlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker.backends.identities import Identity
from worker.backends.shell import STANDARD_PATH, Completed, clean_environment, run
from worker.backends.slurm.options import SlurmOptions
from worker.domain.errors import CredentialProblem, NotSent, NotSetUp, Unavailable

_LANGUAGE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
ASKING = {
    **_LANGUAGE,
    "TZ": "UTC",
    "SLURM_TIME_FORMAT": "standard",
    # Without this variable, a long list of array elements ends in three dots.
    "SLURM_BITSTR_LEN": "0",
}
"""The environment of every program but sbatch."""
SENDING = {"LANG": "C.UTF-8"}
"""The environment of sbatch; pilots inherit it."""

LIMIT = 64 * 2**20
"""The largest answer in bytes: enough for some hundred thousand jobs."""

_MARK = "\x1e\x1e"
_CLEANLY = (
    "printf '\\036\\036'; printf '\\036\\036' >&2; "
    'exec env -i "PATH=$PATH:$0" "HOME=$HOME" "USER=$USER" "LOGNAME=$LOGNAME" "SHELL=$SHELL" "$@"'
)
"""The script that a login node's shell runs: it only executes the words that follow. A mark
separates their output from what a profile or a banner printed before."""

_NOT_CONNECTED = re.compile(r"ssh: (connect to host|Could not resolve hostname) ")
"""The message of ssh if it failed before anything was sent."""

_LONGEST_SOCKET = 107
"""The longest path of a socket that the kernel allows, in bytes."""
_NAME_OF_SOCKET = len("/") + 40 + len(".") + 16
"""The bytes that ssh adds to the folder: %C is a hash of 40 digits, and while ssh makes the socket,
a dot and 16 random characters follow it."""


def reach_as(identity: Identity, options: SlurmOptions) -> "Reach":
    """Return the place where programs are run for the VOs of an identity."""
    if options.ssh is None:
        return Here(options)
    if identity.path is None or not identity.vos:
        return Login(options)
    return Login(options, str(identity.path), options.ssh_users.get(identity.vos[0]))


class Here:
    """The programs of this host."""

    def __init__(self, options: SlurmOptions) -> None:
        self._folder = options.programs

    def run(
        self, words: Sequence[str], env: Mapping[str, str], stdin: str, seconds: float
    ) -> Completed:
        """Run a program of this host to its end; raise `NotSetUp` if it is not found."""
        name, *rest = words
        return run(
            [self._find(name), *rest],
            env={**clean_environment(), **_environment_of("SLURM_CONF"), **env},
            input=stdin,
            timeout=seconds,
            limit=LIMIT,
        )

    def _find(self, name: str) -> str:
        path = f"{os.environ.get('PATH', '')}:{STANDARD_PATH}"
        program = shutil.which(name, path=self._folder if _is_slurms(name) else path)
        if program is None and self._folder is None:
            program = shutil.which(name, path=path)
        if program is None:
            where = self._folder or "any folder of PATH"
            advice = (
                "set the option programs of the CE to the folder of Slurm's programs, or set ssh"
            )
            raise NotSetUp(advice, name, f"there is no such program in {where}")
        return program


class Login:
    """The programs of a login node."""

    def __init__(
        self, options: SlurmOptions, key: str | None = None, user: str | None = None
    ) -> None:
        self._options = options
        self._key = key or options.ssh_key
        where = str(options.ssh)
        self._where = where if user is None else f"{user}@{where.rpartition('@')[2]}"

    def run(
        self, words: Sequence[str], env: Mapping[str, str], stdin: str, seconds: float
    ) -> Completed:
        """Run a program on the login node to its end; `CredentialProblem` if the login is refused.

        The words are quoted, so that the shell of the login node passes them on unchanged.
        """
        folder = self._options.programs
        name, *rest = words
        path = f"{folder}/{name}" if folder and _is_slurms(name) else name
        variables = [f"{variable}={value}" for variable, value in env.items()]
        # The variables of our environment that ssh needs, and no others.
        environment = {**clean_environment(), **_environment_of("SSH_AUTH_SOCK", "XDG_RUNTIME_DIR")}
        remote = shlex.join(["sh", "-c", _CLEANLY, STANDARD_PATH, *variables, path, *rest])
        done = run(
            [*self._client(seconds), remote],
            env=environment,
            input=stdin,
            timeout=seconds,
            limit=LIMIT,
        )
        if done.exit_code == 255 and f"{name}:" not in done.stderr:
            raise self._problem(done.stderr)
        _, mark, stdout = done.stdout.partition(_MARK)
        if not mark:
            raise Unavailable(f"ssh {self._where}", "its shell did not run the command")
        return replace(done, stdout=stdout, stderr=done.stderr.partition(_MARK)[2])

    def _client(self, seconds: float) -> list[str]:
        options = self._options
        settings = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": str(max(1, round(min(seconds, 15)))),
            "ServerAliveInterval": "10",
            "ServerAliveCountMax": "2",
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "PermitLocalCommand": "no",
            "LogLevel": "ERROR",
        }
        if self._key:
            settings |= {"IdentityFile": _quoted(self._key), "IdentitiesOnly": "yes"}
        if options.ssh_known_hosts:
            settings["UserKnownHostsFile"] = _quoted(options.ssh_known_hosts)
        if options.ssh_keep:
            settings |= {
                "ControlMaster": "auto",
                "ControlPath": _quoted(str(self._sockets()), "/%C"),
                "ControlPersist": str(options.ssh_keep),
            }
        words = ["ssh", "-T", "-x"]
        words += ["-F", options.ssh_config] if options.ssh_config else []
        words += ["-p", str(options.ssh_port)] if options.ssh_port else []
        words += [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        return [*words, "--", self._where]

    def _sockets(self) -> Path:
        """Make the folder for the sockets of shared connections: one for each key, ours alone."""
        name = hashlib.sha256(repr((self._key, self._options.ssh_config)).encode()).hexdigest()[:8]
        folder = Path(tempfile.gettempdir()) / f"pilotage-{os.geteuid()}" / name
        if len(os.fsencode(folder)) + _NAME_OF_SOCKET > _LONGEST_SOCKET:
            folder = Path("/tmp") / folder.relative_to(tempfile.gettempdir())  # noqa: S108
        for path in (folder.parent, folder):
            path.mkdir(mode=0o700, exist_ok=True)
            status = path.lstat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                raise Unavailable(
                    "ssh", f"{path} is open to others or belongs to another user; remove it"
                )
        return folder

    def _problem(self, stderr: str) -> CredentialProblem | Unavailable:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        last = lines[-1] if lines else "the connection was closed without an answer"
        if "Permission denied (" in stderr or "Too many authentication failures" in stderr:
            return CredentialProblem(f"ssh {self._where}", last)
        if "Host key verification failed" in stderr:
            last = "its host key is unknown or has changed: see the option ssh_known_hosts"
            advice = "log in once by hand as the same user and compare the key of the host"
            return NotSetUp(advice, f"ssh {self._where}", last)
        if _NOT_CONNECTED.match(last):
            return NotSent(f"ssh {self._where}", last)
        return Unavailable(f"ssh {self._where}", last)


Reach = Here | Login
"""A place where Slurm's programs are run."""


def _is_slurms(name: str) -> bool:
    return name in ("sbatch", "squeue", "sacct", "scancel", "scontrol")


def _quoted(path: str, pattern: str = "") -> str:
    """Quote a path as a value of ssh's configuration, where a space would end the value."""
    return '"' + path.replace("%", "%%") + pattern + '"'


def _environment_of(*names: str) -> dict[str, str]:
    """Return these variables of our environment; an empty variable counts as not set."""
    return {name: os.environ[name] for name in names if os.environ.get(name)}
