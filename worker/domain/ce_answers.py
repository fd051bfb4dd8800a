"""What is asked of a CE about pilots, and what it answers: the values that cross the contract.

What is handed over by the thousand is a named tuple: it is made in a fraction of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from worker.domain.pilot import AnyPilot, Cause, Status
from worker.domain.vo import DEFAULT_VO


class Order(NamedTuple):
    """One pilot to send: its VO's script with its arguments, or what the CE's options say.

    It finds its stamp, its VO and its CE in `PILOTAGE_STAMP`, `PILOTAGE_VO` and `PILOTAGE_CE`.
    One that speaks for itself finds the file of its secret in `PILOTAGE_SECRET_FILE`, which it
    alone can read, and the address of the server in `PILOTAGE_URL`. The secret is nowhere else.

    With `grace`, it is asked to end by SIGTERM, and by the file that `PILOTAGE_END_FILE` names, so
    many seconds before its time is up or it is killed for another reason.

    What is handed over by the thousand is a tuple: it is made in a fraction of the time.
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

    `not_sent`: nothing was sent to the CE, so it surely has not got it.
    """

    stamp: str
    handle: str | None = None
    refused: Cause | None = None
    raw: str | None = None
    reason: str | None = None
    not_sent: bool = False


class Job(NamedTuple):
    """A pilot that the CE should have: our stamp for it, the CE's id, and whose it is.

    One that is to end and runs may finish until `end_by`: until then it is asked, and not killed.
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

    `absent`: the CE answered and knows it neither live nor in its history. A status of `None`
    on a job that is not absent: the CE used a word (`raw`) that has no meaning here. `vo` is
    whose job it is, and `node` the machine that runs it or ran it, where the CE tells; `ce` is the
    name of the CE that sent it, by the job itself.
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
    """Every job at the CE that carries a stamp of ours, final ones that it still knows included.

    `complete` is false where the CE may have left some out; `as_of` is a moment before it was
    asked, so a job accepted earlier than `as_of` less the visibility delay is in it. `vos` names
    the VOs whose jobs it covers, where a CE shows to each VO its own only; `None` is all of them.
    """

    jobs: Sequence[Observed]
    complete: bool
    as_of: datetime
    vos: frozenset[str] | None = None


class Cancelled(NamedTuple):
    """The CE's answer to one cancellation. A job that had ended already counts as accepted."""

    stamp: str
    accepted: bool
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a pilot wrote, as far as the CE keeps it; the middle of a long one is left out."""

    text: str
    truncated: bool = False
