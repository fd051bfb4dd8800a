"""Measure the API as its clients see it: `python -m tests.bench.api [--quick]`.

A server of two processes on a database of the planned size, and 20 clients. First each client
sends a request a second, as pages and scripts do; then each sends the next one at once after its
answer, which shows how much the machine can do. The clients and PostgreSQL run on the same cores.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import LiteralString

import httpx

from tests.bench.server import server
from tests.bench.world import Size, World, world_in
from tests.cli.command import address
from tests.patience import until

CLIENTS = 20
GOAL = 0.2
"""Seconds within which nineteen of twenty answers must come."""
PLANNED = Size(ces=500, vos=20, active=100_000, final=1_000_000)
SMALL = Size(ces=50, vos=4, active=10_000, final=100_000)

HEALTH_SQL: LiteralString = "INSERT INTO ce_health (ce_id, learned) SELECT id, '{}' FROM ces"

REQUESTS = (
    ("GET", "/api/status"),
    ("GET", "/api/ces?limit=100"),
    ("GET", "/api/ces/ce-0001"),
    ("GET", "/api/ces/ce-0001/decisions"),
    ("GET", "/api/vos"),
    ("GET", "/api/pilots?status=running&limit=100"),
    ("GET", "/api/pilots?ce=ce-0002&limit=100"),
    ("GET", "/api/pilots?sort=ended_at&descending=true&limit=100"),
    ("GET", "/api/pilots/1000"),
    ("GET", "/api/audit?since=2026-01-01T00:00:00Z"),
    ("GET", "/api/my_pilots/summary"),
    ("GET", "/api/tasks"),
    ("POST", "/api/ces/ce-0001/pilots"),
)
"""The requests of the clients, each as often as the others."""


@dataclass
class Timings:
    """The seconds until the answers to each request, and the refusals."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)

    def note(self, name: str, response: httpx.Response, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)
        if not response.is_success:
            self.refusals.append(f"{name}: {response.status_code} {response.text[:200]}")

    def all(self) -> list[float]:
        return [one for of_one in self.seconds.values() for one in of_one]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code says whether the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.api", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small database, for a few seconds")
    options = parser.parse_args(argv)
    size, seconds = (SMALL, 10.0) if options.quick else (PLANNED, 60.0)
    with server() as base, world_in(base, size) as world, serving(world) as (url, token, began):
        _say(f"{size}; the server answered {began:.2f} s after its start")
        calm_load = _drive(url, token, seconds, pause=1.0)
        _say(f"\n{CLIENTS} clients, a request a second each:\n{_table(calm_load)}")
        full_load = _drive(url, token, seconds / 2, pause=0.0)
        rate = len(full_load.all()) / (seconds / 2)
        _say(f"\n{CLIENTS} clients without a pause, {rate:.0f} requests/s:\n{_table(full_load)}")
    for line in [*calm_load.refusals, *full_load.refusals][:10]:
        _say(line)
    return 0 if _most(calm_load.all()) < GOAL and not calm_load.refusals else 1


@contextmanager
def serving(world: World) -> Iterator[tuple[str, str, float]]:
    """Start the server; yield its address, a token, and the seconds until it answered."""
    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        environment = {
            **os.environ,
            "PILOTAGE_HOME": home,
            "PILOTAGE_DATABASE_URL": address(world.url),
            "PILOTAGE_WEB_PORT": str(port),
            "PILOTAGE_WEB_PROCESSES": "2",
        }
        free.close()
        world.hand.execute(HEALTH_SQL)
        command = [sys.executable, "-m", "pilotage"]
        for words in (
            ["db", "migrate"],
            ["token", "create", "bench", "--role", "admin", "--to", f"{home}/token"],
        ):
            subprocess.run([*command, *words], env=environment, check=True, capture_output=True)
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "pilotage.web"], env=environment)
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _lives(url))
            yield url, Path(home, "token").read_text().strip(), time.monotonic() - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _lives(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=1).is_success
    except httpx.HTTPError:
        return False


def _drive(url: str, token: str, seconds: float, *, pause: float) -> Timings:
    """Let all clients send requests for this time."""
    ends = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(_client, url, token, ends, pause, n) for n in range(CLIENTS)]
        results = [client.result() for client in clients]
    timings = Timings()
    for one in results:
        for name, of_one in one.seconds.items():
            timings.seconds.setdefault(name, []).extend(of_one)
        timings.refusals += one.refusals
    return timings


def _client(url: str, token: str, ends: float, pause: float, seed: int) -> Timings:
    timings, dice = Timings(), random.Random(seed)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        time.sleep(dice.random() * pause)
        while (begins := time.monotonic()) < ends:
            method, path = dice.choice(REQUESTS)
            body = {"vo": "vo-1", "count": 1} if method == "POST" else None
            response = client.request(method, path, json=body)
            timings.note(f"{method} {path}", response, time.monotonic() - begins)
            time.sleep(max(0.0, begins + pause - time.monotonic()) if pause else 0.0)
    return timings


def _table(timings: Timings) -> str:
    lines = [f"{'request':<58}{'number':>7}{'half':>8}{'95 %':>8}{'most':>8}  (ms)"]
    for name, seconds in [*timings.seconds.items(), ("all", timings.all())]:
        numbers = (_within(seconds, 50), _most(seconds), max(seconds))
        cells = "".join(f"{1000 * number:8.1f}" for number in numbers)
        lines.append(f"{name:<58}{len(seconds):>7}{cells}")
    return "\n".join(lines)


def _most(seconds: Sequence[float]) -> float:
    return _within(seconds, 95)


def _within(seconds: Sequence[float], percent: int) -> float:
    if len(seconds) < 2:
        return seconds[0]
    return quantiles(seconds, n=100, method="inclusive")[percent - 1]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
