"""Suggestions for a mistyped word: the known word that is nearest to it."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 16
"""The most known words that are listed if none of them is near."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return the choice that was probably meant, or list the choices."""
    words = sorted(choices)
    close = get_close_matches(word, words, n=1) or _in_other_case(word, words)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"known: {', '.join(words[:SHOWN]) or 'none'}{more}"


def _in_other_case(word: str, words: Iterable[str]) -> list[str]:
    return [candidate for candidate in words if candidate.lower() == word.lower()]
