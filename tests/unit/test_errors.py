"""Errors: the docstring is the message, and the module's docstring draws the tree."""

import inspect
import pickle
import re
from collections.abc import Iterator

import pytest

from worker.domain import errors
from worker.domain.errors import Invalid, PilotageError, UnknownCE


def family(kind: type[PilotageError]) -> Iterator[type[PilotageError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


KINDS = list(family(PilotageError))


def test_the_module_draws_the_tree_of_its_classes() -> None:
    tree = {}
    above: list[str] = []
    for line in str(errors.__doc__).splitlines():
        if match := re.match(r"    ([│ ]*)([├└]── )?([A-Z]\w+)", line):
            # A level is drawn four columns wide.
            depth = (len(match[1]) + len(match[2] or "")) // 4
            above[depth:] = [match[3]]
            tree[match[3]] = above[depth - 1] if depth else None

    assert tree == {
        kind.__name__: None if kind is PilotageError else kind.__bases__[0].__name__
        for kind in KINDS
    }


def test_no_error_for_people_is_declared_elsewhere() -> None:
    assert set(KINDS) == {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, PilotageError)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_docstring_is_the_message(kind: type[PilotageError]) -> None:
    doc = kind.__dict__["__doc__"]
    error = kind.__new__(kind)
    error.details = ()

    assert doc.endswith(".")
    assert "\n" not in doc.strip()
    assert str(error) == doc.strip().rstrip(".")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_to_another_process(kind: type[PilotageError]) -> None:
    # Some errors need more than their details; words are enough for all.
    parameters = [
        p for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_POSITIONAL
    ]
    error = kind(*("word" for _ in parameters))
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_details_follow_the_sentence_in_one_line() -> None:
    error = Invalid("capacity", "two\nlines and\ttabs")

    assert str(error) == "This value cannot be used: capacity: two lines and tabs"
    assert error.details == ("capacity", "two\nlines and\ttabs")


def test_an_error_without_details_is_its_sentence() -> None:
    assert str(UnknownCE()) == "There is no CE of this name"
