"""Requests to a CE about pilots, and its answers: the values that cross the back-end contract.

Values that are handed over by the thousand are named tuples: these are made much faster than
dataclasses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from worker.domain.pilot import AnyPilot, Cause, Status
from worker.domain.vo import DEFAULT_VO


class Order(NamedTuple):
    """One pilot to send: its VO's script with its arguments; without a script, the CE's options
    say what it runs.

    The pilot finds its stamp, its VO and its CE in `PILOTAGE_STAMP`, `PILOTAGE_VO` and
    `PILOTAGE_CE`. A pilot that sends reports finds the path of the file with its secret in
    `PILOTAGE_SECRET_FILE`, and the address of the server in `PILOTAGE_URL`. Only the pilot can read
    that file, and the secret is nowhere else.

    With `grace`, the pilot is asked to end so many seconds before its time is up or before it is
    killed for another reason: by SIGTERM, and by the file that `PILOTAGE_END_FILE` names.
    """

    stamp: str
    vo: str
    script: str | None = None
    arguments: Sequence[str] = ()
    secret: str | None = None
    url: str | None = None
    grace: float | None = None


class Receipt(NamedTuple):
    """The CE's answer to one order: its own id for the job, or why it refused.

    `not_sent`: nothing was sent to the CE, so it certainly does not have the pilot.
    """

    stamp: str
    handle: str | None = None
    refused: Cause | None = None
    raw: str | None = None
    reason: str | None = None
    not_sent: bool = False


class Job(NamedTuple):
    """A pilot that the CE should have: its stamp, the CE's id for it, and its VO.

    If a running pilot is to be cancelled, it may finish until `end_by`: until then it is asked to
    end, and not killed.
    """

    stamp: str
    handle: str
    vo: str = DEFAULT_VO
    end_by: datetime | None = None

    @classmethod
    def of(cls, pilot: AnyPilot, end_by: datetime | None = None) -> "Job":
        """Return the job of a pilot."""
        return cls(stamp=pilot.stamp, handle=pilot.handle or "", vo=pilot.vo, end_by=end_by)


class Observed(NamedTuple):
    """What the CE says of one job.

    `absent`: the CE answered, and the job is neither among its live jobs nor in its history.
    A status of `None` on a job that is not absent: the CE used a word (`raw`) that has no meaning
    here. `vo` is the owner of the job, and `node` the machine that runs it or ran it, if the CE
    gives them. `ce` is the name that the job itself has for the CE to which Pilotage sent it.
    """

    stamp: str
    handle: str
    vo: str | None = None
    ce: str | None = None
    status: Status | None = None
    absent: bool = False
    cause: Cause | None = None
    raw: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    node: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Every job at the CE that carries a stamp of ours, also the ended ones that it still knows.

    `complete` is false if the CE may have left jobs out. `as_of` is a moment before the CE was
    queried: a job accepted earlier than `as_of` less the visibility delay is in the listing.
    `vos` names the VOs whose jobs are covered, for a CE that shows each VO only its own jobs;
    `None` is all VOs.
    """

    jobs: Sequence[Observed]
    complete: bool
    as_of: datetime
    vos: frozenset[str] | None = None


class Cancelled(NamedTuple):
    """The CE's answer to one cancellation; for a job that had already ended, `accepted` is true."""

    stamp: str
    accepted: bool
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """The output of a pilot, as far as the CE keeps it; the middle of a long output is left out."""

    text: str
    truncated: bool = False
