"""Enumerations whose words have a sentence each, for people and for the documentation."""

from enum import StrEnum
from typing import TypeVar

from worker.domain.errors import Invalid

Word = TypeVar("Word", bound=StrEnum)


class Described(StrEnum):
    """An enumeration in which each word has a sentence that explains it."""

    sentence: str

    def __new__(cls, word: str, sentence: str = "") -> "Described":
        """Make a word with its sentence. To look up a word, the word alone is enough."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member


def read_words(kind: type[Word], option: str, text: str) -> list[Word]:
    """Read the words of an option, separated by commas; repeated words are dropped."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if word not in set(kind)]
    if wrong or not words:
        raise Invalid(option, f"{(wrong or ['nothing'])[0]!r} is not one of {', '.join(kind)}")
    return list(dict.fromkeys(kind(word) for word in words))
