"""What a pilot may put in the place of the file that tells its end."""

import os
import shutil
from pathlib import Path

from worker.backends.conformance import Lie


def plant_odd(path: Path, lie: Lie, text: str) -> None:
    """Put a lie in the place of a file, or a file with this text."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if lie is Lie.FIFO:
        os.mkfifo(path)
    elif lie is Lie.DIRECTORY:
        path.mkdir()
    elif lie is Lie.SYMLINK:
        path.symlink_to("/dev/zero")
    elif lie is Lie.LOOP:
        path.symlink_to(path)
    elif lie is Lie.LARGE:
        path.write_text("1" * 10_000_000)
    elif lie is Lie.DIGITS:
        path.write_text("9" * 5000)
    else:
        path.write_text(text)
