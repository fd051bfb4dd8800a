"""The server is killed while a client repeats one request: its effect happens once."""

import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.patience import wait_for
from tests.web.server import Server, serving
from tests.web.site import Site

pytestmark = [pytest.mark.processes, pytest.mark.long]

ROUNDS = 8


class Persistent:
    """Repeats one request with one key until it is answered."""

    def __init__(self, server: Server, site: Site, key: str) -> None:
        self._server, self._key = server, key
        self._headers = {**site.headers("operate"), "Idempotency-Key": key}
        self.cut_off = 0
        """The times that the connection broke between the request and its answer."""
        self.start = threading.Event()
        self.answer: Any = None

    def run(self) -> None:
        while self.answer is None:
            try:
                with httpx.Client() as client:
                    self.start.set()
                    answer = client.post(
                        f"{self._server.url}/api/ces/lyon/pilots",
                        json={"count": 3},
                        headers=self._headers,
                        timeout=60,
                    )
            except httpx.ConnectError:
                time.sleep(0.01)  # the server is down
            except httpx.TransportError:
                self.cut_off += 1
            else:
                assert answer.status_code in (201, 503), answer.text
                self.answer = answer.json() if answer.status_code == 201 else None


def usual_length(server: Server, site: Site) -> float:
    """Return how long such a request takes."""
    begin = time.monotonic()
    one = Persistent(server, site, "the first")
    one.run()
    one = Persistent(server, site, "another")
    begin = time.monotonic()
    one.run()
    return time.monotonic() - begin


def test_a_killed_server_does_a_repeated_request_once(
    now_site: Site, tmp_path: Path, record_property: Any
) -> None:
    site, dice = now_site, random.Random(7)
    hits = 0
    with serving(site.world.database, tmp_path / "home") as server:
        length = usual_length(server, site)
        for number in range(ROUNDS):
            before = set(site.numbers())
            site.world.database.engine.dispose()
            one = Persistent(server, site, f"key {number}")
            thread = threading.Thread(target=one.run)
            thread.start()
            one.start.wait()
            time.sleep(dice.uniform(0, length))  # at any moment of the request
            server.end(signal.SIGKILL)
            server.start()
            wait_for(thread)
            hits += one.cut_off
            new_numbers = set(site.numbers()) - before

            assert one.answer["count"] == 3
            assert sorted(one.answer["pilots"]) == sorted(new_numbers)
            assert len(new_numbers) == 3
    record_property("summary", f"{hits} of {ROUNDS} kills hit a request in flight")
    assert hits > 0
