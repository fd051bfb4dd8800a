"""The account that runs this process, as changes name it."""

import os
import pwd
import socket

LONGEST = 64
"""Characters of a name that are kept."""
_ALLOWED = "._-@\\$"


def account() -> str:
    """Return the account and the host: `root@host`, `uid1000@host` where it has no name.

    After `sudo` both accounts are there: `root@host (for alice)`. The first is what the system
    says; the second is what `sudo` says, and a person could have written it.
    """
    who = f"{_name(os.geteuid())}@{_plain(socket.gethostname())}"
    behind = _plain(os.environ.get("SUDO_USER", ""))
    return f"{who} (for {behind})" if behind and not who.startswith(f"{behind}@") else who


def _name(number: int) -> str:
    try:
        name = _plain(pwd.getpwuid(number).pw_name)
    except KeyError:  # as in a container that runs as any number
        name = ""
    return name or f"uid{number}"


def _plain(word: str) -> str:
    return "".join(c for c in word if c.isalnum() or c in _ALLOWED)[:LONGEST]
