"""What a back-end is. Ours and those of plug-ins enter by the same door, the entry-point group
`pilotage.backends`, each with one `Backend`.

A driver speaks to one CE. It handles sets; it keeps nothing between calls that it could not find
again; it is never called while a unit of work is open. Nothing but `BackendError` comes out of it:
`Unavailable`, `NotSent` among them, `Refused`, `Unreadable`, `CredentialProblem`. An answer that
leaves a pilot out says nothing about it.

The stamp goes into the CE's own job name, so that `find` can recognise a pilot whose receipt was
never recorded. A CE is not asked to run the same stamp twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from worker.backends.option_types import Delay, Rate, SomeDelay
from worker.db.chains import Chain
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.credential import CredentialKind
from worker.domain.errors import CredentialProblem
from worker.domain.validation import Table

__all__ = [
    "Backend",
    "Cancelled",
    "Driver",
    "Job",
    "Listing",
    "Means",
    "Observed",
    "Options",
    "Order",
    "Output",
    "Receipt",
    "Tidies",
]
"""What the author of a back-end imports. The values are defined in `worker.domain.ce_answers`."""


class Options(Table):
    """The options of a CE. An unknown key is an error."""

    visibility_delay: Delay = 0
    """Seconds until a job that the CE accepted is sure to be in its listing."""

    check_soonest: SomeDelay = 15
    """Seconds after a change until a pilot is asked after again, at the soonest."""

    check_latest: SomeDelay = 300
    """Seconds until a pilot is asked after again, at the latest."""

    submissions_per_minute: Rate | None = None
    """Pilots sent to the CE a minute, by the tasks that run by themselves."""

    calls_per_minute: Rate | None = None
    """Calls to the CE a minute, by the tasks that run by themselves."""

    @property
    def credential(self) -> CredentialKind | None:
        """Return which credential of each VO the CE asks for, if any."""
        return None

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind that a CE of this back-end may ask for."""
        return frozenset() if cls.credential is Options.credential else frozenset(CredentialKind)

    def objection_to_secrets(self) -> str | None:
        """Return why no pilot can be handed a secret with these options, or `None`."""
        return None


DEFAULT_OPTIONS = Options()


class Driver(Protocol):
    """Speaks to one CE."""

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots in as few calls as the CE has; a receipt for each that was answered.

        `Refused`, `CredentialProblem` and `NotSent` say that nothing at all was sent; where that
        is not certain, answer with the receipts there are, or raise `Unavailable`.
        """

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask after these jobs, live and in the CE's history, in as few calls as it has.

        A question, as `find` is: it changes nothing at the CE.
        """

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


@runtime_checkable
class Tidies(Protocol):
    """What a driver can do besides, if something of its pilots would stay at the CE for ever."""

    def tidy(self) -> None:
        """Clear away what nobody needs any longer, and renew what runs out.

        Files and jobs that were kept long enough, jobs that nobody will let start, what an ended
        pilot left running. It is called now and then, after a complete listing was recorded;
        `poll` and `find` are questions and change nothing at the CE.
        """


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
    gives_secrets: bool = False
    """Whether its drivers hand each pilot the secret of its order, as `Order` says."""
    driver: Callable[[CE, Any, Means], Driver] = field(repr=False)
