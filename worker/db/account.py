"""The account that runs this process, under the name that is stored with changes."""

import os
import pwd
import socket

LONGEST = 64
"""How many characters of a name are kept."""
_ALLOWED = "._-@\\$"


def account() -> str:
    """Return the account and the host: `root@host`, or `uid1000@host` if the account has no name.

    After `sudo` both accounts are named: `root@host (for alice)`. The first comes from the system.
    The second comes from a variable that `sudo` sets, and that a person could also set.
    """
    who = f"{_name(os.geteuid())}@{_plain(socket.gethostname())}"
    behind = _plain(os.environ.get("SUDO_USER", ""))
    return f"{who} (for {behind})" if behind and not who.startswith(f"{behind}@") else who


def _name(number: int) -> str:
    try:
        name = _plain(pwd.getpwuid(number).pw_name)
    except KeyError:  # for example in a container that runs under an arbitrary user number
        name = ""
    return name or f"uid{number}"


def _plain(word: str) -> str:
    return "".join(c for c in word if c.isalnum() or c in _ALLOWED)[:LONGEST]
