"""The glossary and the product have the same words: no word lacks its meaning, none is made up."""

import re
from collections.abc import Iterator
from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path
from pkgutil import walk_packages

import pytest

import worker
from worker.domain.words import Described

DOCS = Path(__file__).parents[1] / "docs"
GLOSSARY = DOCS / "glossary.md"

NOT_SHOWN = ("worker.backends.conformance", "worker.celery", "worker.__main__")
"""Words of the conformance suite for authors of back-ends; modules that start something."""


def rows(columns: int) -> list[tuple[str, ...]]:
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    cells = [tuple(cell.strip() for cell in line.split(" | ")) for line in lines]
    return [(row[0][2:], *row[1:]) for row in cells if len(row) == columns and row[0][:2] == "| "]


HEADWORDS = [word.strip("*") for word, _ in rows(2) if word.startswith("**")]


def enumerations() -> Iterator[type[Described]]:
    for module in walk_packages(worker.__path__, "worker."):
        if not module.name.startswith(NOT_SHOWN) and ".migrations" not in module.name:
            for _, value in getmembers(import_module(module.name), isclass):
                if issubclass(value, Described) and value.__module__ == module.name:
                    yield value


def test_every_word_of_every_enumeration_is_in_the_glossary_and_no_other() -> None:
    of_the_code = {
        (f"`{member}`", f"{member.sentence} |") for enum in enumerations() for member in enum
    }
    of_the_glossary = {(word, meaning) for word, _, meaning in rows(3) if word.startswith("`")}

    assert of_the_glossary == of_the_code


def test_a_fixed_word_has_one_meaning_in_each_of_its_uses() -> None:
    uses = [(word, use) for word, use, _ in rows(3) if word.startswith("`")]

    assert len(uses) == len(set(uses))


def test_a_headword_stands_there_once() -> None:
    assert len(HEADWORDS) > 50
    assert len(HEADWORDS) == len(set(HEADWORDS))


@pytest.mark.parametrize("headword", HEADWORDS)
def test_a_headword_is_used_on_another_page(headword: str) -> None:
    word = headword.removeprefix("to ")
    stem = re.escape(word[:-1] if word.endswith(("e", "y")) else word).replace("\\ ", r"\s+")
    pages = [page for page in DOCS.rglob("*.md") if page != GLOSSARY]

    assert any(
        re.search(rf"\b{stem}", page.read_text(encoding="utf-8"), re.IGNORECASE) for page in pages
    )


def test_every_fixed_word_has_a_sentence() -> None:
    for enum in enumerations():
        for member in enum:
            assert re.fullmatch(r"[A-Z`].*\.", member.sentence), f"{enum.__name__}: {member}"
