"""Every error that is meant for a person. The docstring of a leaf is its message.

    click.UsageError                  correct the command line; exit code 2
    PilotageError                     exit code 1
    ├── Invalid                       correct the input
    ├── NotFound                      name something that exists
    │   ├── UnknownVO
    │   ├── UnknownCE
    │   ├── UnknownPilot
    │   ├── AmbiguousPilot
    │   ├── UnknownBackend
    │   ├── UnknownCredential
    │   ├── UnknownSchedule
    │   ├── UnknownRecipe
    │   ├── UnknownTask
    │   └── UnknownToken
    ├── PastTheEnd                    ask for an earlier page
    ├── AlreadyExists                 choose another name
    ├── ChangedMeanwhile              look again, then change it
    ├── InUse                         free it first
    ├── NotSignedIn                   give a token, or sign in
    ├── SignInFailed                  sign in again
    │   └── IssuerFailed              try again later, or correct the settings
    ├── NotAllowed                    ask who has the role
    ├── OnlyOnHost                    do it on the host of Pilotage
    ├── TooManyAttempts               wait
    ├── TooManyRequests               wait
    ├── OtherRequest                  take a new key for a new request
    ├── ServerBusy                    try again later
    ├── ServerUnavailable             start it, or correct its address
    ├── ServerUnreadable              correct its address, or upgrade pilotage
    ├── IllegalMove                   look at the status of the pilot
    ├── NoFreeSlot                    wait, or raise a limit
    ├── ConfigurationError            correct the settings
    ├── DatabaseError
    │   ├── DatabaseUnavailable       start it, or correct its address
    │   ├── DatabaseBusy              try again
    │   ├── DatabaseFull              make room on its disk
    │   ├── DatabaseRefused           give the database user the right
    │   ├── SchemaAbsent              set it up
    │   ├── SchemaBehind              migrate
    │   ├── SchemaAhead               upgrade pilotage
    │   ├── SchemaForeign             stamp, or use another database
    │   ├── SchemaDiffers             find out who changed it
    │   └── NotAllMigrated            see each back-end's line
    ├── BrokerUnavailable             start it, or correct its address
    ├── BackendError                  see its details
    │   ├── Unavailable               try later
    │   │   └── NotSent               the same; a pilot of the call is lost at once
    │   │       └── NotSetUp          see its advice
    │   ├── Refused                   see the cause
    │   ├── Unreadable                see the raw text
    │   └── CredentialProblem         renew the credential; no fault of the CE
    ├── CalledElsewhere               try again
    ├── DemandUnknown                 correct the source, or set the demand by hand
    ├── TaskFailed                    see its reason; the next tick tries again
    ├── CETestFailed                  see the advice of each step that failed
    ├── Differs                       compare them, then adopt or cancel the jobs
    ├── AlreadyUp                     stop the other, or use another state folder
    ├── NestedUnitOfWork              report this mistake in Pilotage
    └── ConfirmationNeeded            add --yes, or --force

`Invalid("capacity", "-1 is below 0")` reads
"This value cannot be used: capacity: -1 is below 0".
A message never holds a password: the code that raises an error passes only what a person may see,
and whatever still looks like a secret is replaced.
"""

import re

from worker.domain.secrets import without_secrets

_LINE = re.compile(r"[├└]── (\w+) *(.*)")
"""A line of the tree above: a kind of error, and what to do about it."""


SOON = 5
"""Seconds after which it makes sense to try again what did not answer."""


class PilotageError(Exception):
    """Something went wrong."""

    retry_after: int | None = None
    """Seconds after which it makes sense to try again; `None` if that is not known."""

    def __init__(self, *details: object) -> None:
        # The details may contain text that a CE or another program wrote.
        shown = tuple(
            without_secrets(detail) if isinstance(detail, str) else detail for detail in details
        )
        super().__init__(*shown)
        self.details = shown

    def __str__(self) -> str:
        """Show the docstring's sentence, then the details, in one line."""
        return ": ".join(
            [title_of(type(self)), *(" ".join(str(part).split()) for part in self.details)]
        )


class Invalid(PilotageError):
    """This value cannot be used."""


class NotFound(PilotageError):
    """There is no such thing."""


class UnknownVO(NotFound):
    """There is no VO of this name."""


class UnknownCE(NotFound):
    """There is no CE of this name."""


class UnknownPilot(NotFound):
    """There is no such pilot."""


class AmbiguousPilot(NotFound):
    """This name matches several pilots."""


class UnknownBackend(NotFound):
    """There is no back-end of this name."""


class UnknownCredential(NotFound):
    """There is no such credential."""


class UnknownRecipe(NotFound):
    """There is no recipe of this name."""


class UnknownSchedule(NotFound):
    """There is no schedule of this task."""


class UnknownTask(NotFound):
    """There is no task of this name."""


class UnknownToken(NotFound):
    """There is no token of this name."""


class PastTheEnd(PilotageError):
    """The list ends before this page."""


class AlreadyExists(PilotageError):
    """This name is taken."""


class ChangedMeanwhile(PilotageError):
    """Somebody else has changed it meanwhile."""


class InUse(PilotageError):
    """It is still in use."""


class NotSignedIn(PilotageError):
    """A valid token is needed."""

    is_guess: bool = True
    """Whether this may have been an attempt to guess; a token that was valid once is no guess."""


class SignInFailed(PilotageError):
    """The sign-in failed."""


class IssuerFailed(SignInFailed):
    """The issuer at which people sign in cannot be used."""


class NotAllowed(PilotageError):
    """This role does not allow it."""


class OnlyOnHost(PilotageError):
    """This can only be done on the host of Pilotage."""

    def __init__(
        self,
        what: str = "this command uses the database",
        advice: str = "use it there, without --server",
    ) -> None:
        super().__init__(what, advice)


class TooManyAttempts(PilotageError):
    """There were too many attempts that failed; wait before the next."""


class TooManyRequests(PilotageError):
    """There were too many requests; wait before the next."""


class OtherRequest(PilotageError):
    """This idempotency key belongs to another request."""


class ServerBusy(PilotageError):
    """The server already handles as many requests as it may."""

    retry_after = SOON


class ServerUnavailable(PilotageError):
    """The server cannot be reached."""


class ServerUnreadable(PilotageError):
    """The answer of the server cannot be read."""


class IllegalMove(PilotageError):
    """A pilot may not move this way."""


class NoFreeSlot(PilotageError):
    """No slot is free."""


class ConfigurationError(PilotageError):
    """The settings cannot be used."""


class DatabaseError(PilotageError):
    """The database reported an error."""

    retry_after = SOON


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached."""


class DatabaseBusy(DatabaseError):
    """The database is busy: another process holds a lock that is needed; try again."""


class DatabaseFull(DatabaseError):
    """The disk of the database is full: make room on it."""


class DatabaseRefused(DatabaseError):
    """The database refused the request."""


class SchemaAbsent(DatabaseError):
    """The database has no tables yet: run 'pilotage db setup'."""


class SchemaBehind(DatabaseError):
    """The database is older than this program: run 'pilotage db migrate'."""


class SchemaAhead(DatabaseError):
    """The database is newer than this program: upgrade pilotage."""


class SchemaForeign(DatabaseError):
    """The database has tables of these names that no migration made."""


class SchemaDiffers(DatabaseError):
    """The database does not agree with the models."""


class NotAllMigrated(DatabaseError):
    """Not every back-end could be migrated."""


class BrokerUnavailable(PilotageError):
    """The broker cannot be reached."""

    retry_after = SOON


class BackendError(PilotageError):
    """The CE could not be used."""

    beside: str | None = None
    """The argument that the constructor of some kinds takes before the details."""

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Support pickling: the error may be passed to another process."""
        first = () if self.beside is None else (self.beside,)
        return type(self), (*first, *self.details)


class Unavailable(BackendError):
    """The CE cannot be reached just now."""


class NotSent(Unavailable):
    """Nothing was sent to the CE."""


class NotSetUp(NotSent):
    """The programs that speak to the CE cannot be used as they are set up here."""

    def __init__(self, advice: str, *details: object) -> None:
        super().__init__(*details)
        self.advice = self.beside = advice


class Refused(BackendError):
    """The CE refused the request."""

    def __init__(self, cause: str, *details: object) -> None:
        super().__init__(*details)
        self.cause = self.beside = cause


class Unreadable(BackendError):
    """The answer of the CE cannot be read."""

    def __init__(self, raw: str, *details: object) -> None:
        super().__init__(*details)
        self.raw = self.beside = without_secrets(raw)


class CredentialProblem(BackendError):
    """The credential is missing, expired or not accepted."""


class CalledElsewhere(PilotageError):
    """Another execution is calling the CE just now; try again."""


class DemandUnknown(PilotageError):
    """The demand of the VO is not known."""


class TaskFailed(PilotageError):
    """The task failed."""


class CETestFailed(PilotageError):
    """The CE did not pass the test."""


class Differs(PilotageError):
    """The CE and the database do not agree."""


class AlreadyUp(PilotageError):
    """Pilotage is already up on this state folder."""


class NestedUnitOfWork(PilotageError):
    """A unit of work is open already; they do not nest."""


class ConfirmationNeeded(PilotageError):
    """Nothing was done."""

    def __init__(self, would: str, advice: str = "repeat it with --yes to confirm") -> None:
        super().__init__(would, advice)


def word_of(kind: type[PilotageError]) -> str:
    """Return the word for a kind of error: unknown-ce for UnknownCE."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


def title_of(kind: type[PilotageError]) -> str:
    """Return the sentence with which the errors of a kind begin."""
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def advice_of(kind: type[PilotageError]) -> str:
    """Return what to do after an error of this kind: its own line of the tree, or the line of the
    nearest kind above it that has one.
    """
    lines = dict(_LINE.findall(__doc__ or ""))
    return next((lines[one.__name__] for one in kind.__mro__ if lines.get(one.__name__)), "")


def kinds() -> dict[str, type[PilotageError]]:
    """Return every kind of error by its word."""
    return {word_of(kind): kind for kind in _with_heirs(PilotageError)}


def _with_heirs(kind: type[PilotageError]) -> list[type[PilotageError]]:
    heirs = [one for one in kind.__subclasses__() if one.__module__ == __name__]
    return [kind, *(below for one in heirs for below in _with_heirs(one))]
