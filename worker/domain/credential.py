"""A credential: what a VO shows to a kind of CE. The secret itself stays in its file.

From when to when it is valid, and what is wrong with it, is known from the last look into its file.
A VO without a credential of its own uses the credential for all VOs.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from worker.domain.checks import require_name
from worker.domain.errors import Invalid
from worker.domain.lengths import in_two_units
from worker.domain.words import Described

HALF, MOST = 0.5, 0.8
"""The parts of its life after which there is a warning about a credential."""

RENEW_AT = HALF
"""The part of its life after which a credential is renewed."""


class CredentialKind(Described):
    """What kind of secret a credential is."""

    PROXY = "proxy", "An X.509 proxy certificate with its key, in one PEM file."
    TOKEN = "token", "A bearer token; its file holds nothing else."
    KEY = "key", "A private key of SSH."


class State(Described):
    """Whether a credential can be used, and how much of its life is used up."""

    UNSEEN = "unseen", "Its file was not read yet."
    GOOD = "good", "It can be used."
    HALF_USED = "half_used", "It can be used; half of its life is used up."
    SHORT = "short", "It can be used; four fifths of its life are used up."
    UNUSABLE = "unusable", "It has expired, or its file cannot be used."


@dataclass(frozen=True, kw_only=True)
class Credential:
    """The path of a VO's credential for a kind of CE, and what the last look into it showed.

    Without a VO it is for all VOs that have no credential of their own. `renew` holds the words of
    the command that renews it.
    """

    backend: str
    kind: CredentialKind
    path: str
    vo: str | None = None
    renew: tuple[str, ...] | None = None
    issued_at: datetime | None = field(default=None, compare=False)
    expires_at: datetime | None = field(default=None, compare=False)
    checked_at: datetime | None = field(default=None, compare=False)
    problem: str | None = field(default=None, compare=False)
    renewed_at: datetime | None = field(default=None, compare=False)
    retry_at: datetime | None = field(default=None, compare=False)
    failures: int = field(default=0, compare=False)
    id: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        require_name("back-end", self.backend)
        if not self.path.isprintable() or not PurePosixPath(self.path).is_absolute():
            # The path is not quoted: somebody may have given the secret itself as the path.
            raise Invalid("path of a credential", "it is not an absolute path of a file")
        if self.renew is not None:
            _command(self.renew)


def _command(words: tuple[str, ...]) -> None:
    if not words or not words[0].strip():
        raise Invalid("renew", "it names no program")
    if not all(isinstance(word, str) and "\0" not in word for word in words):
        raise Invalid("renew", "it is a list of words")


def called(credential: Credential, vo: str | None = None) -> str:
    """Return the name of a credential for messages: that of `vo`, which uses it, or its owner's."""
    owner = vo or credential.vo
    whose = f"VO {owner}" if owner else "all VOs"
    return f"the {credential.kind} of {whose} for {credential.backend}"


def problem_of(credential: Credential, now: datetime, vo: str | None = None) -> str | None:
    """Return why a credential cannot be used.

    Return `None` if it can be used, or if nobody has looked into its file yet.
    """
    what = called(credential, vo)
    if credential.problem is not None:
        return f"{what} cannot be used: {credential.problem}: {credential.path}"
    if credential.expires_at is not None and credential.expires_at <= now:
        ago = in_two_units(now - credential.expires_at)
        return f"{what} expired {ago} ago: {credential.path}"
    return None


def left(credential: Credential, now: datetime) -> timedelta | None:
    """Return the time until a credential expires, 0 if it has expired; `None` if it is unknown."""
    if credential.expires_at is None:
        return None
    return max(credential.expires_at - now, timedelta())


def used(credential: Credential, now: datetime) -> float | None:
    """Return the part of a credential's life that is used up; `None` if it is unknown."""
    if credential.expires_at is None or credential.issued_at is None:
        return None
    life = (credential.expires_at - credential.issued_at).total_seconds()
    if life <= 0:
        return 1.0
    return min(1.0, max(0.0, (now - credential.issued_at).total_seconds() / life))


def state(credential: Credential, now: datetime) -> State:
    """Return the state of a credential."""
    if credential.checked_at is None:
        return State.UNSEEN
    if problem_of(credential, now) is not None:
        return State.UNUSABLE
    part = used(credential, now) or 0.0
    if part >= MOST:
        return State.SHORT
    return State.HALF_USED if part >= HALF else State.GOOD


_WARNED = (State.UNSEEN, State.GOOD, State.HALF_USED, State.SHORT, State.UNUSABLE)
"""The states from the least to the most serious: a step to a more serious one may be warned of."""


def warning(old: Credential, new: Credential, now: datetime) -> str | None:
    """Return the warning that is due now and was not due at the last look.

    It is derived from what is stored, so each warning is given once, whichever process looks.
    """
    before = State.UNSEEN if old.checked_at is None else state(old, old.checked_at)
    after = state(new, now)
    fresh = new.expires_at != old.expires_at and after is not State.UNUSABLE
    if _WARNED.index(after) <= _WARNED.index(State.GOOD if fresh else before):
        return None
    if after is State.UNUSABLE:
        return problem_of(new, now)
    remaining = left(new, now)
    if after is State.GOOD or remaining is None:
        return None
    part = HALF if after is State.HALF_USED else MOST
    return (
        f"{called(new)} has used up {part:.0%} of its life and expires in {in_two_units(remaining)}"
    )


def renewal_due(credential: Credential, now: datetime) -> bool:
    """Return whether a credential is to be renewed now.

    It is half used up or unusable, and the pause after the last attempt is over.
    """
    if credential.renew is None:
        return False
    if credential.retry_at is not None and now < credential.retry_at:
        return False
    return problem_of(credential, now) is not None or (used(credential, now) or 0.0) >= RENEW_AT
