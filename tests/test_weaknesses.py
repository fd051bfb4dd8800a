"""Each weakness that was closed has tests with its name, and each name is one of a weakness."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs/why/weaknesses.md").read_text(encoding="utf-8")
WEAKNESSES = re.findall(r"^\| ([HML][0-9]+b?) \|", PAGE, re.MULTILINE)


def test_each_has_a_test() -> None:
    tests = defaultdict(list)
    for name, test in _marks():
        tests[name].append(test)

    assert [name for name in WEAKNESSES if not tests[name]] == []
    assert sorted(tests.keys() - set(WEAKNESSES)) == []


def test_none_is_forgotten() -> None:
    numbers = {"H": 2, "M": 10, "L": 12}
    names = {f"{level}{n}" for level, last in numbers.items() for n in range(1, last + 1)}

    assert sorted(WEAKNESSES) == sorted({*names, "L4b"})


def _marks() -> Iterator[tuple[str, str]]:
    """Yield the name on each mark of a test function, and the function."""
    for file in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                for mark in filter(None, map(_name, function.decorator_list)):
                    yield mark, f"{file.name}::{function.name}"


def _name(decorator: ast.expr) -> str | None:
    match = re.fullmatch(r"pytest\.mark\.finding\('(\w+)'\)", ast.unparse(decorator))
    return match[1] if match else None
