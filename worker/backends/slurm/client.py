"""Calls of Slurm's programs within the time of one driver call, and reading of their answers.

Each process queries a cluster's configuration at most once in ten minutes.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from worker.backends.remembered import Remembered
from worker.backends.shell import Completed
from worker.backends.slurm import answers
from worker.backends.slurm.answers import FIELD, Row, Shortened
from worker.backends.slurm.errors import is_trouble, problem, refusal
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.reach import ASKING, SENDING, Reach
from worker.domain.errors import Refused, Unavailable, Unreadable

KEPT_FOR = 600.0
"""Seconds for which a cluster's configuration is remembered."""


@dataclass(frozen=True, kw_only=True)
class About:
    """The part of a cluster's configuration that is used here."""

    name: str
    version: str
    array_size: int
    forget_after: int
    accounting: bool


clusters = Remembered[tuple[object, ...], About](KEPT_FOR)


def recall(options: SlurmOptions, ask: Callable[[], About]) -> About:
    """Return the remembered configuration of a cluster, or query it."""
    return clusters.get(_line(options)) or remember(options, ask())


def remember(options: SlurmOptions, about: About) -> About:
    """Remember the configuration that a cluster has just returned."""
    return clusters.put(_line(options), about)


def read_about(text: str) -> About:
    """Read the controller's configuration as scontrol shows it."""
    values = dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", text, re.MULTILINE))
    try:
        return About(
            name=values["ClusterName"],
            version=values["SLURM_VERSION"],
            array_size=int(values["MaxArraySize"]),
            forget_after=int(values["MinJobAge"].split()[0]),
            accounting=not values["AccountingStorageType"].endswith(("none", "(null)")),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(text[:2000], "scontrol show config", str(error)) from error


_line = attrgetter("ssh", "ssh_port", "ssh_config", "programs", "slurm_conf", "cluster")
"""The options by which a cluster is reached: equal values lead to the same cluster."""


LONGEST_LIST = 60_000
"""Characters of ids in one word; the kernel's limit for a word of a command line is 128 kB."""
_JOB_ID = re.compile(r"^([0-9]+)(?:;\S*)?$", re.MULTILINE)


class SlurmClient:
    """Runs Slurm's programs within the time limit of one driver call."""

    def __init__(self, reach: Reach, options: SlurmOptions, names: Names, until: float) -> None:
        self._reach = reach
        self._names = names
        self._options = options
        self._until = until

    @staticmethod
    def end_of_call(options: SlurmOptions) -> float:
        """Return the time by which a call that begins now must end, on the monotonic clock."""
        return time.monotonic() + options.call_timeout

    def about(self) -> About:
        """Query the controller's configuration."""
        return read_about(self._ask("scontrol", *self._clusters(), "show", "config").stdout)

    def queue(self) -> list[Row]:
        """List the jobs of our user that the controller knows, including ended jobs."""
        try:
            return self._queue()
        except Shortened:
            # Something between us and squeue, such as a wrapper, removes the variables that we set.
            return self._queue("--array")

    def exits(self) -> dict[str, tuple[int, int]]:
        """Return the exit code and the signal of the jobs that failed and are still known."""
        words = ["--me", "--all", "--array", "--states=FAILED", f"--Format={answers.EXITS_FORMAT}"]
        return answers.exits(self._ask("squeue", *self._clusters(), *words).stdout)

    def history(self, arrays: Iterable[str]) -> list[Row]:
        """List the accounting records of these jobs, with all elements of each array."""
        rows = []
        for ids in _chunks(dict.fromkeys(arrays)):
            rows += self._history(f"--jobs={','.join(ids)}")
        return rows

    def history_since(self, seconds: float) -> list[Row]:
        """List the accounting records of jobs that existed in the last `seconds`."""
        # A relative time is read by the cluster's own clock, so our clock does not matter.
        return self._history(f"--starttime=now-{max(1, round(seconds))}seconds")

    def submit(self, words: Sequence[str], script: str) -> str:
        """Submit a job or an array; return its id.

        Raise `Refused` only if certainly nothing was accepted.
        """
        env = {**SENDING, **self._configuration()}
        words = ["sbatch", "--parsable", *self._clusters(), *words]
        done = self._reach.run(words, env, script, self._left("sbatch"))
        if done.exit_code != 0:
            refused = refusal(done)
            raise Refused(*refused) if refused else problem("sbatch", done)
        ids: list[str] = _JOB_ID.findall(done.stdout)
        if len(ids) != 1:
            raise Unreadable(done.stdout[:2000], "sbatch", "its answer has no job id")
        return ids[0]

    def ask_to_end(self, ids: Sequence[str]) -> Completed:
        """Send SIGTERM to the scripts of the running jobs, and cancel the waiting jobs."""
        signalled = self.cancel(ids, "--state=RUNNING", "--batch", "--signal=TERM")
        cancelled = self.cancel(ids, "--state=PENDING")
        return replace(signalled, stderr=signalled.stderr + cancelled.stderr)

    def cancel(self, ids: Iterable[str], *which: str) -> Completed:
        """Cancel jobs; a job that has ended or is unknown is not an error."""
        stderr, code = "", 0
        for ids_of_chunk in _chunks(ids):
            done = self._run("scancel", *self._clusters(), *which, *ids_of_chunk)
            if done.exit_code and not _is_about_jobs(done.stderr):
                raise problem("scancel", done)
            stderr, code = stderr + done.stderr, code or done.exit_code
        return Completed(stdout="", stderr=stderr, exit_code=code, seconds=0)

    def shell(self, script: str, *words: str, stdin: str = "") -> str:
        """Run a small script of ours on the host where the files of the pilots are visible."""
        done = self._run("sh", "-c", script, "sh", *words, stdin=stdin)
        if done.exit_code != 0:
            raise problem("sh", done)
        return done.stdout

    def _queue(self, *more: str) -> list[Row]:
        # Without --array, the waiting elements of an array share a line.
        words = ["--me", "--all", "--states=all", f"--format={answers.QUEUE_FORMAT}", *more]
        return answers.queue_rows(
            self._ask("squeue", *self._clusters(), *words).stdout, self._names
        )

    def _history(self, what: str) -> list[Row]:
        words = [
            "--allocations",
            "--parsable2",
            f"--delimiter={FIELD}",
            f"--format={answers.HISTORY_FORMAT}",
        ]
        text = self._ask("sacct", *self._clusters(), *words, what).stdout
        return answers.history_rows(text, self._names)

    def _ask(self, program: str, *words: str) -> Completed:
        done = self._run(program, *words)
        if is_trouble(program, done):
            raise problem(program, done)
        return done

    def _run(self, program: str, *words: str, stdin: str = "") -> Completed:
        env = {**ASKING, **self._configuration()}
        return self._reach.run([program, *words], env, stdin, self._left(program))

    def _left(self, program: str) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Unavailable(
                program, f"the call_timeout of {self._options.call_timeout:g} s is used up"
            )
        return left

    def _clusters(self) -> list[str]:
        return [f"--clusters={self._options.cluster}"] if self._options.cluster else []

    def _configuration(self) -> Mapping[str, str]:
        path = self._options.slurm_conf
        return {"SLURM_CONF": path} if path else {}


def _is_about_jobs(stderr: str) -> bool:
    """Return whether all errors are the controller's answers about jobs, such as an unknown id."""
    return bool(stderr.strip()) and all(
        "Invalid job id" in line or "already completing" in line or "denied" in line
        for line in stderr.splitlines()
        if line.strip()
    )


def _chunks(words: Iterable[str]) -> Iterable[list[str]]:
    """Split words into chunks, each of which fits into one word of a command line."""
    part: list[str] = []
    length = 0
    for word in words:
        if part and length + len(word) + 1 > LONGEST_LIST:
            yield part
            part, length = [], 0
        part.append(word)
        length += len(word) + 1
    if part:
        yield part
