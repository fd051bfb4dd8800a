"""A back-end from outside Pilotage passes the conformance suite, and is small."""

import ast
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.third_party import batch
from tests.third_party.pilotage_tiny.driver import TinyDriver, TinyOptions
from worker import backends
from worker.backends.conformance import Conformance, Life, Site, Trouble, never
from worker.backends.contract import Driver, Means
from worker.domain.ce import CE

HERE = Path(batch.__file__).parent
LIVES: dict[Life, str] = {
    Life.LONG: "exec sleep 1000",
    Life.SHORT: "exit 0",
    Life.FAILING: "exit 3",
    Life.CHATTY: "yes | head -c 3000000",
}
SCRIPTS: dict[Trouble, str] = {
    Trouble.REPLY_LOST: 'real "$@" >/dev/null; echo "the line broke" >&2; exit 1',
    Trouble.HALF: 'real "$@" | python "import json; print(json.dumps(json.load(sys.stdin)[:-1]))"',
    Trouble.DOWN: 'echo "nobody answers" >&2; exit 1',
    Trouble.SLOW: "exec sleep 30",
    Trouble.EMPTY: "exit 0",
    Trouble.TRUNCATED: 'real "$@" | head -c 150',
    Trouble.UNREADABLE: "echo '<html>503</html>'",
    Trouble.STRANGE_WORD: 'real "$@" | instead \'"ponders"\'',
    Trouble.GARBAGE: 'real "$@" | instead \'"\\u0001\\u001b[2J\\ud800"\'',
}


_FUNCTIONS = """\
real() {{ {python} {program} "$@"; }}
python() {{ {python} -c "import sys; $1"; }}
instead() {{ word=$1 python "import os; w = os.environ['word']; \\
sys.stdout.write(sys.stdin.read().replace('\\"runs\\"', w).replace('\\"waits\\"', w))"; }}
"""
"""The scripts that replace the program."""


class TinySite(Site):
    """One CE of the tiny batch system."""

    cannot = MappingProxyType(
        {
            Trouble.REFUSAL: "it takes whatever it is given",
            Trouble.CREDENTIAL: "it asks nobody who he is",
            Trouble.LEFT_LISTING: "listing and history are one",
            Trouble.REQUEUED: "no job runs twice",
            Trouble.NEVER_STARTS: "nothing waits",
            Trouble.SKEWED: "its clock is ours",
        }
    )
    cannot_lie = never("no pilot writes what this batch system says of it")
    many = 40
    many_ids = 20_000
    step = 0.02
    patience = 20_000

    def __init__(self, folder: Path) -> None:
        self.place = folder / "jobs"
        self.place.mkdir()
        self.program = folder / "batch"
        self.ahead = timedelta()
        self.drivers: list[TinyDriver] = []
        self._write('real "$@"')

    def connect(self, life: Life = Life.LONG) -> Driver:
        return self._driver("desk", life)

    def connect_second(self, life: Life = Life.LONG) -> Driver:
        return self._driver("desk/two", life)

    def _driver(self, name: str, life: Life) -> TinyDriver:
        options: dict[str, Any] = {
            "program": ["/bin/sh", str(self.program)],
            "folder": self.place,
            "command": LIVES[life],
        }
        no_uow: Any = None
        means = Means(uow=no_uow, home=self.place, now=self.now)
        ce = CE(name=name, backend="tiny", capacity=10)
        self.drivers.append(TinyDriver(ce, TinyOptions(**options), means))
        return self.drivers[-1]

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def contents(self) -> object:
        return sorted((path, path.stat().st_mtime_ns) for path in self.place.rglob("*"))

    def grow_old(self) -> None:
        self.ahead = timedelta(days=30)

    def unknown_handle(self, number: int) -> str:
        return str(10**6 + number)

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        jobs = [job["id"] for job in batch.list_jobs(self.place) if job["name"][9:41] in stamps]
        other_place = self.place.with_name("hidden")
        if trouble is Trouble.SLOW:
            for driver in self.drivers:
                driver.options = driver.options.model_copy(update={"call_timeout": 0.3})
        if trouble in SCRIPTS:
            self._write(SCRIPTS[trouble])
        elif trouble is Trouble.REMOVED:
            batch.kill(self.place, jobs)
        elif trouble is Trouble.FORGOTTEN:
            other_place.mkdir(exist_ok=True)
            for job in jobs:
                (self.place / job).rename(other_place / job)
        yield
        self._write('real "$@"')

    def close(self) -> None:
        """Kill all jobs."""
        other_place = self.place.with_name("hidden")
        for place in (self.place, other_place):
            batch.kill(place, [path.name for path in place.glob("[0-9]*")])

    def _write(self, script: str) -> None:
        python = shlex.join([sys.executable, "-I", "-S"])
        program = shlex.join([str(HERE / "batch.py"), str(self.place)])
        self.program.write_text(_FUNCTIONS.format(python=python, program=program) + script)


class TestTiny(Conformance):
    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[Site]:
        site = TinySite(tmp_path)
        yield site
        site.close()


def test_it_tidies_what_was_kept_long_enough(tmp_path: Path) -> None:
    site = TinySite(tmp_path)
    driver = site.connect(Life.SHORT)
    driver.submit(site.orders(2))
    while any(job.ended_at is None for job in driver.find().jobs):
        site.wait(site.step)
    assert isinstance(driver, TinyDriver)
    driver.tidy()
    assert len(driver.find().jobs) == 2
    site.grow_old()
    driver.tidy()
    assert driver.find().jobs == []


def code(folder: Path) -> int:
    """Return the number of lines of code of a back-end, without comments and its chain."""
    return sum(_lines(path) for path in folder.rglob("*.py") if "migrations" not in path.parts)


def _lines(path: Path) -> int:
    text = path.read_text(encoding="utf-8")
    prose = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in prose
        for number, line in enumerate(text.splitlines(), 1)
    )


def test_a_sixth_back_end_needs_a_fifth_of_the_smallest_real_one() -> None:
    folder = Path(backends.__file__).parent
    smallest = min(code(folder / name) for name in ("arc", "htcondor", "local", "slurm"))
    tiny = code(HERE / "pilotage_tiny")
    assert 5 * tiny < smallest, (tiny, smallest)
