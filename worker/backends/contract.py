"""The contract of a back-end. Ours and those of plug-ins are loaded in the same way: through the
entry-point group `pilotage.backends`, one `Backend` for each.

A driver speaks to one CE. Its calls take sets of pilots; it keeps nothing between calls that it
could not find again; it is never called while a unit of work is open. It raises `BackendError`
only: `Unavailable` (with its subclass `NotSent`), `Refused`, `Unreadable` or `CredentialProblem`.
If an answer leaves a pilot out, nothing is known about that pilot.

The driver puts the stamp into the CE's own job name, so that `find` can recognise a pilot whose
receipt was never recorded. A CE is not asked to run the same stamp twice.
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
"""The names that the author of a back-end imports. The values that cross the contract are defined
in `worker.domain.ce_answers`."""


class Options(Table):
    """The options of a CE. An unknown key is an error."""

    visibility_delay: Delay = 0
    """Seconds after which a job that the CE accepted is certainly in its listing."""

    check_soonest: SomeDelay = 15
    """The shortest time from a change of a pilot to its next check, in seconds."""

    check_latest: SomeDelay = 300
    """The longest time until the next check of a pilot, in seconds."""

    submissions_per_minute: Rate | None = None
    """Pilots that the periodic tasks may send to the CE in a minute."""

    calls_per_minute: Rate | None = None
    """Executions of periodic tasks that may call the CE in a minute, each with all that it asks."""

    @property
    def credential(self) -> CredentialKind | None:
        """Return the kind of credential that each VO needs at the CE, if any."""
        return None

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind of credential that a CE of this back-end may need."""
        return frozenset() if cls.credential is Options.credential else frozenset(CredentialKind)

    def objection_to_secrets(self) -> str | None:
        """Return why no pilot can get a secret with these options; `None` if it can."""
        return None


DEFAULT_OPTIONS = Options()


class Driver(Protocol):
    """Speaks to one CE."""

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots in as few calls as the CE allows; return a receipt for each answered order.

        `Refused`, `CredentialProblem` and `NotSent` say that nothing at all was sent; where that
        is not certain, return the receipts that came, or raise `Unavailable`.
        """

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Query these jobs, live and in the CE's history, in as few calls as the CE allows.

        Like `find`, it only asks: it changes nothing at the CE.
        """

    def find(self) -> Listing:
        """List every job of this CE that carries a stamp of ours, recorded by us or not.

        Other CEs may be at the same place, for example other partitions of the same cluster. A job
        that names another CE as its own is left out of the listing, or has that CE's name in `ce`;
        where jobs cannot name their CE, `ce` stays empty.
        """

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to end these jobs."""

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote."""

    def hello(self) -> str:
        """Contact the CE and change nothing; return its kind and version in one line."""


@runtime_checkable
class Tidies(Protocol):
    """A driver that also cleans up, where something of its pilots would stay at the CE for ever."""

    def tidy(self) -> None:
        """Clean up what is no longer needed, and renew what expires.

        This covers files and jobs that were kept long enough, jobs that will never be allowed to
        start, and processes that an ended pilot left running. It is called now and then, after a
        complete listing was recorded; `poll` and `find` only ask and change nothing at the CE.
        """


def no_credentials(kind: CredentialKind) -> dict[str, Path | CredentialProblem]:
    """Return no credential for any VO."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a driver gets besides its CE.

    `credentials` returns for each VO the file of its credential of the given kind for this
    back-end, checked at that moment, or what is wrong with it; drivers call it again for each call
    to a CE. The name of every job of ours begins with `prefix`; two installations that share an
    account at a CE, or a schedd of HTCondor, have different ones.
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
    """A kind of CE: its name, a sentence about it, its options, its tables and its driver."""

    name: str
    about: str
    chain: Chain = field(repr=False)
    options: type[Options] = field(repr=False, default=Options)
    gives_secrets: bool = False
    """Whether its drivers give each pilot the secret of its order, as `Order` describes."""
    driver: Callable[[CE, Any, Means], Driver] = field(repr=False)
