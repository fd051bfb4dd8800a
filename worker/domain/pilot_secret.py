"""The secret of a pilot: derived from a key of the installation and its stamp, so none is stored.

With the key, the secret of any pilot can be derived and checked without the database. A secret
reveals neither the key nor the secret of another pilot.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from worker.domain.token import PREFIX

LEAST_KEY = 32
"""The shortest key, in characters."""

_SECRET = re.compile(rf"{PREFIX}pilot_([0-9a-f]{{8}})_([0-9a-f]{{32}})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True)
class PilotKeys:
    """The keys of an installation. New secrets are derived from the first; a secret of any key is
    accepted.
    """

    keys: Sequence[str] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.keys)

    def secret_of(self, stamp: str) -> str:
        """Derive the secret of a pilot."""
        return _derive(self.keys[0], stamp)

    def stamp_of(self, secret: str) -> str | None:
        """Return the stamp of the pilot whose secret this is; `None` if it is no valid secret."""
        parts = _SECRET.fullmatch(secret)
        if parts is None:
            return None
        stamp = parts[2]
        of_stamp = [_derive(key, stamp) for key in self.keys]
        is_right = [hmac.compare_digest(secret, derived) for derived in of_stamp]
        return stamp if any(is_right) else None


NO_KEYS = PilotKeys()


def is_pilot_secret(text: str) -> bool:
    """Return whether a text has the form of the secret of a pilot."""
    return _SECRET.fullmatch(text) is not None


def read_keys(text: str) -> PilotKeys:
    """Read keys, one a line, the newest first. A key so short that it could be guessed is a
    `ValueError`.
    """
    keys = text.split()
    if any(len(key) < LEAST_KEY for key in keys):
        raise ValueError(f"a key has {LEAST_KEY} characters at the least")
    return PilotKeys(tuple(keys))


def _derive(key: str, stamp: str) -> str:
    # The number shows which key made a secret, and reveals nothing of the key itself.
    number = sha256(b"number of " + key.encode()).hexdigest()[:8]
    mac = hmac.digest(key.encode(), b"pilot " + stamp.encode(), "sha256")
    return f"{PREFIX}pilot_{number}_{stamp}_{urlsafe_b64encode(mac).decode().rstrip('=')}"
