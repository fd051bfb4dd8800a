"""Untrusted texts: they may contain any character, and they are stored, sent and shown."""

from functools import lru_cache

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def legible(text: str, longest: int | None = None) -> str:
    """Replace characters that cannot be shown; ends of lines and tabs stay."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in "\n\t" else _UNKNOWN for c in text)
    return text[:longest]


@lru_cache(maxsize=4096)
def one_line(text: str, longest: int | None = None) -> str:
    """Write a text in one line, and replace characters that cannot be shown.

    The results are cached, because CEs give the same few texts for many pilots.
    """
    text = text.strip()
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else _UNKNOWN for c in text)
    return text[:longest]


def abridged(head: str, left_out: int, tail: str, unit: str = "bytes") -> str:
    """Join the beginning and the end of a long text, and say how much is left out between."""
    return f"{head}\n[... {left_out} {unit} are left out here ...]\n{tail}"
