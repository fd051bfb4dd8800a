"""Tokens, by which a program or a person may use the API. Only a hash of the secret is kept."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from worker.domain.access import Access, Role
from worker.domain.checks import require_length, require_name
from worker.domain.errors import Invalid
from worker.domain.lengths import as_option
from worker.domain.words import Described

USUAL_LIFE = timedelta(days=90)
"""How long a token for a program is valid by default."""
LONGEST_LIFE = timedelta(days=730)
"""The longest time for which a token for a program is valid."""
LIFE_OF_LINK = timedelta(minutes=10)
LIFE_OF_SESSION = timedelta(hours=12)

PREFIX = "pilotage_"
"""The beginning of every secret, so that a person who finds one knows what it is for."""
_BYTES = 32
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


class TokenKind(Described):
    """What a token is for."""

    TOKEN = "token", "For a program, until it expires or is revoked."
    LINK = "link", "For one sign-in of a person."
    SESSION = "session", "For a person who has signed in."


@dataclass(frozen=True, kw_only=True)
class Token:
    """Who may use the API with a secret, with which role, and until when; not the secret itself.

    A link is revoked when it is used, a session when the person signs out. `used_at` is the time of
    the last use; it is not exact to the minute.
    """

    name: str
    role: Role
    made_at: datetime
    made_by: str
    expires_at: datetime
    kind: TokenKind = TokenKind.TOKEN
    vo: str | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    id: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if self.kind is TokenKind.TOKEN:
            require_name("token", self.name)
        Access(role=self.role, vo=self.vo)

    @property
    def access(self) -> Access:
        """What the holder of the token may do."""
        return Access(role=self.role, vo=self.vo)

    def is_valid(self, now: datetime) -> bool:
        """Return whether the token is accepted at this moment."""
        return self.revoked_at is None and now < self.expires_at


def check_life(life: timedelta) -> None:
    """Refuse a life that is too long for a token, or not a valid length of time."""
    require_length("life of a token", life)
    if life > LONGEST_LIFE:
        raise Invalid("life of a token", f"{as_option(life)} is above {as_option(LONGEST_LIFE)}")


def make_secret() -> str:
    """Make a secret that nobody can guess."""
    return PREFIX + token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """Return the hash of a secret, which is stored. A secret is long and random, so a plain hash is
    enough to hide it.
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(text: str) -> bool:
    """Return whether a text has the form of a secret."""
    return _SECRET.fullmatch(text) is not None
