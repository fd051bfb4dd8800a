"""Debian's Prometheus. Tests install it if they may; otherwise they say that it is missing."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.patience import PATIENCE
from tests.redis_server import free_port
from tests.servers import Plan
from tests.testbeds.packages import NotToBeHad, program, require

FOLDER = Path(__file__).parents[2] / "worker" / "cli" / "monitoring"
RULES = FOLDER / "rules.yml"
DASHBOARD = FOLDER / "dashboard.json"

_USE = re.compile(r"(pilotage_[a-z_]+)(?:\{([^}]*)\})?")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def require_prometheus(plan: Plan) -> None:
    """Skip the test without Prometheus, or fail it where every service is required."""
    try:
        install()
    except NotToBeHad as error:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service Prometheus: {error}")


def install() -> None:
    """Install Prometheus if it is missing and may be installed; else raise `NotToBeHad`."""
    require(["prometheus", "promtool"], ["prometheus"])


def promtool(*words: str) -> str:
    """Run promtool and return its output; fail if it fails."""
    result = subprocess.run(
        [program("promtool"), *words], check=False, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


class Prometheus:
    """A client of a Prometheus that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str) -> Any:
        try:
            answer = httpx.get(f"{self.url}/api/v1/{path}", params=query)
        except httpx.TransportError:
            return None
        return answer.json()["data"] if answer.is_success else None

    def numbers(self, expression: str) -> list[float]:
        data = self.get("query", query=expression)
        return [float(one["value"][1]) for one in data["result"]] if data else []


@contextmanager
def running(folder: Path, configuration: Path) -> Iterator[Prometheus]:
    """Run a Prometheus while the block runs; its data is in `tsdb` of the folder."""
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def uses(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric that an expression reads, with the labels of its selector."""
    for name, selector in _USE.findall(expression):
        yield _SUFFIX.sub("", name), set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector))


def grouped_by(expression: str) -> set[str]:
    """Return the labels by which an expression groups or matches, without `le` of histograms."""
    clauses = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {one.strip() for text in clauses for one in text.split(",") if one.strip()} - {"le"}


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
