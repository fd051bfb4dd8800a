"""Enumerations whose words have a sentence each, for people and for the documentation."""

from enum import StrEnum


class Described(StrEnum):
    """Words that carry their own sentence."""

    sentence: str

    def __new__(cls, word: str, sentence: str = "") -> "Described":
        """Make a word with its sentence; looking one up takes the word alone."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member
