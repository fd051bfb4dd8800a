"""What a back-end is. Ours and a stranger's enter by the same door, the entry-point group
`pilotage.backends`, each with one `Backend`.

A driver speaks to one CE. It handles sets; it keeps nothing between calls that it could not find
again; it is never called while a unit of work is open. Nothing but `BackendError` comes out of it:
`Unavailable`, `Refused`, `Unreadable`, `CredentialProblem`. An answer that leaves a pilot out says
nothing about it.

The stamp goes into the CE's own job name, so that `find` can recognise a pilot whose receipt was
never recorded. A CE is not asked to run the same stamp twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from worker.db.chains import Chain
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.credential import CredentialKind
from worker.domain.errors import CredentialProblem
from worker.domain.pilot import Cause, Status
from worker.domain.vo import DEFAULT_VO


class Options(BaseModel):
    """What a CE of this back-end may be told. An unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    visibility_delay: float = Field(default=0, ge=0)
    """Seconds until a job that the CE accepted is sure to be in its listing."""

    check_soonest: float = Field(default=15, gt=0)
    """Seconds after a change until a pilot is asked after again, at the soonest."""

    check_latest: float = Field(default=300, gt=0)
    """Seconds until a pilot is asked after again, at the latest."""

    submissions_per_minute: float | None = Field(default=None, gt=0)
    """Pilots sent to the CE a minute, by the tasks that run by themselves."""

    calls_per_minute: float | None = Field(default=None, gt=0)
    """Calls to the CE a minute, by the tasks that run by themselves."""

    @property
    def credential(self) -> CredentialKind | None:
        """Say which credential of each VO the CE asks for, if any."""
        return None

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind that a CE of this back-end may ask for."""
        return frozenset() if cls.credential is Options.credential else frozenset(CredentialKind)


class Order(NamedTuple):
    """One pilot to send: its VO's script with its arguments, or what the CE's options say.

    It finds its stamp, its VO and its CE in `PILOTAGE_STAMP`, `PILOTAGE_VO` and `PILOTAGE_CE`.
    What is handed over by the thousand is a tuple: it is made in a fraction of the time.
    """

    stamp: str
    vo: str
    script: str | None = None
    arguments: Sequence[str] = ()


class Receipt(NamedTuple):
    """The CE's answer to one order: its own id for the job, or why it refused."""

    stamp: str
    handle: str | None = None
    refused: Cause | None = None
    raw: str | None = None
    reason: str | None = None


class Job(NamedTuple):
    """A pilot that the CE should have: our stamp for it, the CE's id, and whose it is."""

    stamp: str
    handle: str
    vo: str = DEFAULT_VO


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


class Driver(Protocol):
    """Speaks to one CE."""

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots in as few calls as the CE has; a receipt for each that was answered.

        `Refused` and `CredentialProblem` say that nothing at all was sent; where that is not
        certain, answer with the receipts there are, or raise `Unavailable`.
        """

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask after these jobs, live and in the CE's history, in as few calls as it has."""

    def find(self) -> Listing:
        """List every job of this CE that carries a stamp of ours, whoever recorded it.

        Other CEs may be at the same place, a partition of the same cluster each. A job that says
        that it is of another CE is left out, or has the name of that CE in `ce`; where no job can
        say it, `ce` stays empty.
        """

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to end these jobs."""

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote."""

    def hello(self) -> str:
        """Reach the CE, change nothing, and say in a line who answered: its kind and version."""


def no_credentials(kind: CredentialKind) -> dict[str, Path | CredentialProblem]:
    """Know no credential of any VO."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a driver is given to work with besides its CE.

    `credentials` tells, for each VO, the file that holds its credential of a kind for this kind of
    CE, checked just now, or what is wrong with it; it is asked anew for each call to a CE.
    `prefix` begins the name of every job of ours; two installations that share an account at a CE
    have two.
    """

    uow: UnitOfWork = field(repr=False)
    home: Path
    now: Callable[[], datetime] = field(repr=False)
    credentials: Callable[[CredentialKind], Mapping[str, Path | CredentialProblem]] = field(
        repr=False, default=no_credentials
    )
    prefix: str = "pilotage"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A kind of CE: its name, what it is in a sentence, its options, its tables, its driver."""

    name: str
    about: str
    chain: Chain = field(repr=False)
    options: type[Options] = field(repr=False, default=Options)
    driver: Callable[[CE, Any, Means], Driver] = field(repr=False)
