"""One word for one thing: a class name has one meaning in the whole program."""

import ast
from collections import defaultdict
from pathlib import Path

import worker

ROOT = Path(worker.__file__).parent

CONTRACT_NAMES = frozenset({"Driver", "Options"})
"""Classes that have the same meaning in every back-end, by the contract."""


def places_of_classes() -> dict[str, list[str]]:
    """Return the modules that define each class, by its name."""
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
        if len(places) > 1 and name not in CONTRACT_NAMES
    }
    assert shared == {}
