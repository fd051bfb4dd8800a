"""Measure a scrape by Prometheus: `python -m tests.bench.scrape [--quick]`.

Prometheus reads 500 CEs and 20 VOs from a server on PostgreSQL, with few final pilots and with ten
times as many: a scrape that reads no history takes the same time in both worlds.
"""

import argparse
import sys
import time
from statistics import median

import httpx

from tests.bench.api import serving
from tests.bench.server import server
from tests.bench.world import Size, world_in

GOAL = 0.3
"""Seconds that a scrape may take."""
SERIES = 10_000
FLAT = 1.25
"""The greatest ratio of the two worlds that counts as flat on a busy machine."""
READINGS = 15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the pilots")
    part = 10 if parser.parse_args().quick else 1
    seconds_by_size = {}
    for final in (100_000 // part, 1_000_000 // part):
        size = Size(ces=500, vos=20, active=100_000 // part, final=final)
        with server() as base, world_in(base, size) as world, serving(world) as (url, token, _):
            seconds, series = _scrape(url, token)
        seconds_by_size[final] = seconds
        sys.stdout.write(f"{size}: {seconds * 1000:.0f} ms, {series} series\n")
    few, many = seconds_by_size.values()
    sys.stdout.write(f"ten times the final pilots take {many / few:.2f} times as long\n")
    return 0 if many < GOAL and series < SERIES and many / few < FLAT else 1


def _scrape(url: str, token: str) -> tuple[float, int]:
    headers = {"Authorization": f"Bearer {token}"}
    times = []
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for _ in range(READINGS):
            began = time.perf_counter()
            text = client.get("/metrics").raise_for_status().text
            times.append(time.perf_counter() - began)
    return median(times), sum(not line.startswith("#") for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
