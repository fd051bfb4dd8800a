"""What a pilot wrote, without the middle of it if it is long."""

import os
from pathlib import Path

from worker.backends.plain_files import open_plain
from worker.domain.ce_answers import Output
from worker.domain.texts import abridged

SHOWN = 64 * 1024
"""Bytes of output that are shown from the beginning, and as many from the end."""


def read(path: Path, shown: int = SHOWN) -> Output:
    """Read a file that a pilot wrote; one that is not there holds nothing."""
    try:
        descriptor = open_plain(path)
        if descriptor is None:
            return Output(text="")
        with os.fdopen(descriptor, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size <= 2 * shown:
                return whole(file.read(2 * shown))
            head = file.read(shown)
            file.seek(size - shown)
            return shortened(head, file.read(shown), size)
    except (FileNotFoundError, NotADirectoryError):
        return Output(text="")


def whole(content: bytes) -> Output:
    """Return an output of which all is here."""
    return Output(text=content.decode(errors="replace"))


def shortened(head: bytes, tail: bytes, size: int) -> Output:
    """Return an output of which the beginning and the end are here, and its size is known."""
    left_out = size - len(head) - len(tail)
    text = abridged(head.decode(errors="replace"), left_out, tail.decode(errors="replace"))
    return Output(text=text, truncated=True)
