"""One word for one thing: a class name stands for one idea in the whole program."""

import ast
from collections import defaultdict
from pathlib import Path

import worker

ROOT = Path(worker.__file__).parent

CONTRACT_NAMES = frozenset({"Driver", "Options"})
"""The same idea in every back-end, behind one contract."""

BACKEND_NAMES = frozenset(
    {
        "Authentication",
        "Client",
        "Desk",
        "End",
        "Identity",
        "Life",
        "Named",
        "Order",
        "Outcome",
        "Place",
        "Reply",
        "Sending",
        "Settings",
        "Task",
    }
)
"""Names that a back-end still shares with another one, or with another room."""


def places_of_classes() -> dict[str, list[str]]:
    """Return where each class is defined, by its name."""
    places = defaultdict(list)
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    return dict(places)


def test_a_class_name_is_given_once() -> None:
    shared = {
        name: places
        for name, places in places_of_classes().items()
        if len(places) > 1 and name not in CONTRACT_NAMES | BACKEND_NAMES
    }
    assert shared == {}


def test_a_name_that_a_back_end_shares_is_given_once_outside_of_the_back_ends() -> None:
    shared = {
        name: places
        for name, places in places_of_classes().items()
        if name in BACKEND_NAMES and sum(not place.startswith("backends") for place in places) > 1
    }
    assert shared == {}
