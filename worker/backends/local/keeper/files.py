"""The files of a pilot's folder, and how they are written."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LAUNCH, OUTPUT, CANCEL, EXIT = "launch.json", "output", "cancel", "exit"
SCRIPT = "script"
"""What the pilot runs, where its VO has a payload of its own."""
WORK = "work"
"""The folder the pilot runs in; nothing that it writes there can be taken for ours."""
OWN_SECRET = ".pilotage-secret"  # noqa: S105 - the name of its file
"""In the folder the pilot runs in: its secret, if it has one."""
END_ASKED = ".pilotage-end"
"""In the folder the pilot runs in: there once the pilot was asked to end."""
DRAFT = ".draft-"


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """Write a file that is there whole or not at all, after a crash of the host too."""
    draft = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, json.dumps(content).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)


def write_script(path: Path, content: str) -> None:
    """Write a program that its owner alone may read and run."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode())


def write_secret(path: Path, secret: str) -> None:
    """Write a secret that its owner alone may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret.encode() + b"\n")


def now() -> str:
    """Write down this moment."""
    return datetime.now(UTC).isoformat()
