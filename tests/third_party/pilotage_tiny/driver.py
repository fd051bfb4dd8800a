"""Pilots as jobs of a batch system with one program: `submit`, `list`, `kill`, `remove`.

All calls of the batch system are here. They use what the back-ends of Pilotage use, too.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from worker.backends import outputs, shell
from worker.backends.contract import Means, Options
from worker.backends.option_types import (
    SLEEPER,
    Absolute,
    Environment,
    Program,
    Script,
    Seconds,
    SomeSeconds,
)
from worker.domain import exits
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable, Unreadable
from worker.domain.pilot import Status, is_stamp
from worker.domain.texts import one_line

STATES = {
    "waits": Status.SUBMITTED,
    "runs": Status.RUNNING,
    "ended": Status.DONE,
    "killed": Status.CANCELLED,
}


class TinyOptions(Options):
    """The options of a CE of this back-end."""

    program: Program
    """The program of the batch system, with the arguments of every call."""

    folder: Absolute
    """Where the batch system keeps a folder for each job, with its output in the file `out`."""

    command: Script | Program = SLEEPER
    """What a pilot runs if its VO has no payload."""

    environment: Environment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets."""

    keep_output: Seconds = 86400
    """Seconds to keep a job after its end."""

    call_timeout: SomeSeconds = 30
    """Seconds that the driver waits for an answer."""


class TinyDriver:
    """The driver of one CE."""

    def __init__(self, ce: CE, options: TinyOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.means = means

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send all in one call; the ids come in the order of the jobs."""
        ids = self._ask("submit", json.dumps([self._job(order) for order in orders]))
        return [
            Receipt(stamp=order.stamp, handle=str(job), raw="accepted")
            for order, job in zip(orders, ids, strict=False)
        ]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """List all jobs, and pick these."""
        by_handle = {one.handle: one for one in self._list()}
        return [
            one
            if (one := by_handle.get(job.handle)) is not None and one.stamp == job.stamp
            else Observed(stamp=job.stamp, handle=job.handle, absent=True)
            for job in jobs
        ]

    def find(self) -> Listing:
        """List all jobs of this CE."""
        as_of = self.means.now()
        return Listing(jobs=self._list(), complete=True, as_of=as_of)

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Kill jobs; nothing changes for a job that has ended."""
        existing = set(self._ask("kill", json.dumps([job.handle for job in jobs])))
        return [
            Cancelled(stamp=job.stamp, accepted=True)
            if job.handle in existing
            else Cancelled(stamp=job.stamp, accepted=False, reason="there is no such job")
            for job in jobs
        ]

    def output(self, job: Job) -> Output:
        """Return the output of a pilot."""
        if not job.handle.isdecimal():
            return Output(text="")
        return outputs.read(self.options.folder / job.handle / "out")

    def tidy(self) -> None:
        """Remove jobs that ended long enough ago."""
        before = self.means.now() - timedelta(seconds=self.options.keep_output)
        old = [one.handle for one in self._list() if one.ended_at and one.ended_at < before]
        self._ask("remove", json.dumps(old))

    def hello(self) -> str:
        """Say how many jobs the batch system has."""
        return f"a tiny batch system with {len(self._ask('list'))} jobs"

    def _job(self, order: Order) -> Mapping[str, Any]:
        command = self.options.command
        text = command if isinstance(command, str) else f"exec {shlex.join(command)}"
        return {
            "name": f"{self.means.prefix}-{order.stamp}@{self.ce.name}",
            "script": text if order.script is None else order.script,
            "arguments": list(order.arguments),
            "environment": {
                **self.options.environment,
                "PILOTAGE_STAMP": order.stamp,
                "PILOTAGE_VO": order.vo,
                "PILOTAGE_CE": self.ce.name,
            },
        }

    def _list(self) -> list[Observed]:
        jobs = self._ask("list")
        return [one for job in jobs if (one := self._observation(job)) is not None]

    def _observation(self, job: Mapping[str, Any]) -> Observed | None:
        name, _, ce = str(job["name"]).partition("@")
        prefix, _, stamp = name.rpartition("-")
        if (prefix, ce) != (self.means.prefix, self.ce.name) or not is_stamp(stamp):
            return None
        status, code = STATES.get(job["state"]), job["code"]
        cause, reason = exits.meaning(code) if status is Status.DONE else (None, None)
        return Observed(
            stamp=stamp,
            handle=str(job["id"]),
            ce=ce,
            status=Status.FAILED if cause else status,
            cause=cause,
            raw=one_line(str(job["state"]), 100),
            reason=reason,
            exit_code=code,
            started_at=_moment(job["started"]),
            ended_at=_moment(job["ended"]),
        )

    def _ask(self, verb: str, text: str = "") -> list[Any]:
        words = [*self.options.program, verb]
        result = shell.run(words, timeout=self.options.call_timeout, input=text)
        if result.exit_code:
            raise Unavailable(words[0], one_line(result.stderr, 300))
        try:
            answer = json.loads(result.stdout)
        except ValueError as error:
            raise Unreadable(result.stdout[:2000], words[0], str(error)) from None
        if not isinstance(answer, list):
            raise Unreadable(result.stdout[:2000], words[0], "it is no list")
        return answer


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
