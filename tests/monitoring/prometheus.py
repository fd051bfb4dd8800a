"""Debian's Prometheus: installed where that is allowed, else its tests say what is missing."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Plan
from tests.testbeds.packages import NotToBeHad, program, require

FOLDER = Path(__file__).parents[2] / "worker" / "cli" / "monitoring"
RULES = FOLDER / "rules.yml"
DASHBOARD = FOLDER / "dashboard.json"

_USE = re.compile(r"(pilotage_[a-z_]+)(?:\{([^}]*)\})?")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def require_prometheus(plan: Plan) -> None:
    """Skip, or fail where every service must be there, without Prometheus."""
    try:
        require(["prometheus", "promtool"], ["prometheus"])
    except NotToBeHad as error:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service Prometheus: {error}")


def promtool(*words: str) -> str:
    """Run promtool; return what it says, or fail with it."""
    done = subprocess.run(
        [program("promtool"), *words], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def uses(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Return each metric that an expression reads, and the labels that it chooses by."""
    for name, chosen in _USE.findall(expression):
        yield _SUFFIX.sub("", name), set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", chosen))


def grouped_by(expression: str) -> set[str]:
    """Return the labels that an expression groups or matches by, apart from a histogram's own."""
    found = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {one.strip() for text in found for one in text.split(",") if one.strip()} - {"le"}


def expressions(value: Any) -> Iterator[str]:
    """Return every expression in a file of rules or a dashboard."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "expr":
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)
