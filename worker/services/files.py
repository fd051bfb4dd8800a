"""Reading of TOML and text files. An unreadable file is refused with a message of one line."""

import tomllib
from pathlib import Path
from typing import Any

from worker.domain.errors import Invalid


def read_text(path: Path, longest: int = -1) -> str:
    """Read a text file unchanged; refuse a file of more than `longest` characters."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(longest + 1 if longest >= 0 else -1)
    except OSError as error:
        raise Invalid(str(path), (error.strerror or "it cannot be read").lower()) from error
    except UnicodeDecodeError as error:
        raise Invalid(str(path), "it is not text") from error
    except ValueError as error:
        raise Invalid(repr(str(path)), "it is not the name of a file") from error
    if 0 <= longest < len(text):
        raise Invalid(str(path), f"it is longer than {longest} characters")
    return text


def read_toml(path: Path, longest: int = -1) -> dict[str, Any]:
    """Read the values of a TOML file."""
    try:
        return tomllib.loads(read_text(path, longest))
    except RecursionError:
        raise Invalid(str(path), "it is nested too deeply") from None
    except ValueError as error:  # also raised for a number of thousands of digits
        raise Invalid(str(path), f"it is not TOML: {error}") from error
