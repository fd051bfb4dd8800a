"""A terminal of a given width for a command that runs within this process."""

import os
import pty
import re
import termios
from contextlib import redirect_stdout
from threading import Thread

from rich.cells import cell_len

from tests.cli.command import forget
from worker.cli.main import run

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_screen(columns: int, *words: str) -> list[str]:
    """Run a command in a terminal of so many columns; return its lines without their colours."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    output: list[bytes] = []
    reader = Thread(target=_copy_output, args=(ours, output))
    reader.start()
    forget()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, redirect_stdout(terminal):
        run(words)
    forget()
    reader.join()
    os.close(ours)
    return ESCAPES.sub("", b"".join(output).decode()).replace("\r", "").splitlines()


def too_wide(lines: list[str], columns: int) -> list[str]:
    """Return the lines that are wider, except a single word, such as a path, that is too long."""
    return [line for line in lines if cell_len(line) > columns and " " in line.strip()]


def _copy_output(terminal: int, output: list[bytes]) -> None:
    try:
        while chunk := os.read(terminal, 65536):
            output.append(chunk)
    except OSError:  # a terminal raises it when nobody holds its other end
        pass
