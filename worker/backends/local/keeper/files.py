"""The files of a pilot's folder, and how they are written."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LAUNCH, OUTPUT, CANCEL, EXIT = "launch.json", "output", "cancel", "exit"
SCRIPT = "script"
"""The script that the pilot runs, if its VO has a payload."""
WORK = "work"
"""The folder in which the pilot runs; none of its files there can be mistaken for ours."""
OWN_SECRET = ".pilotage-secret"  # noqa: S105 - the name of its file
"""The file of the pilot's secret, if it has one, in the folder in which it runs."""
END_ASKED = ".pilotage-end"
"""A file in the folder in which the pilot runs; it exists once the pilot was asked to end."""
DRAFT = ".draft-"


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """Write a file so that it exists whole or not at all, even after a crash of the host."""
    draft = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, json.dumps(content).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)


def write_script(path: Path, content: str) -> None:
    """Write a program that only its owner may read and run."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode())


def write_secret(path: Path, secret: str) -> None:
    """Write a secret that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret.encode() + b"\n")


def now() -> str:
    """Return the current time, as it is written in records."""
    return datetime.now(UTC).isoformat()
