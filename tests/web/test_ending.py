"""When the server is asked to end, streams end at once and requests are answered first."""

import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.patience import until, wait_for
from tests.web.server import serving
from tests.web.site import SLASHED, Site
from worker.backends.sim.faults import Fault
from worker.db import ces, tokens
from worker.domain.pages import PageRequest

pytestmark = pytest.mark.processes


def was_used(site: Site, name: str) -> bool:
    with site.world.database.uow() as tx:
        items = tokens.find(tx, asked=PageRequest(limit=100)).items
    return any(one.name == name and one.used_at is not None for one in items)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_ends_at_once_and_a_request_is_answered(
    now_site: Site, tmp_path: Path, number: signal.Signals
) -> None:
    """The request lasts for seconds: it tries a CE that cannot be reached."""
    site, answers, first_event = now_site, [], threading.Event()
    with site.world.database.uow() as tx:
        ce = ces.get(tx, SLASHED)
    site.world.fault(ce, Fault.DOWN)
    site.world.database.engine.dispose()
    with serving(site.world.database, tmp_path / "home") as server:
        stream_over = threading.Event()

        def listen() -> None:
            headers = site.headers("read")
            with httpx.stream("GET", f"{server.url}/api/events", headers=headers) as answer:
                for _ in answer.iter_lines():
                    first_event.set()
            stream_over.set()

        def look() -> None:
            url = f"{server.url}/api/pilots/{site.pilots['sent']}/output"
            answers.append(httpx.get(url, headers=site.headers("operate"), timeout=60))

        threads = [threading.Thread(target=work) for work in (listen, look)]
        for thread in threads:
            thread.start()
        first_event.wait()
        until(lambda: was_used(site, "operate"), "the request")
        over_before = bool(answers)
        code = server.end(number)
        wait_for(*threads)

        assert code == 0, server.log.read_text()
        assert stream_over.is_set()
        assert not over_before
        [answer] = answers
        assert (answer.status_code, answer.json()["status"]) == (502, 502)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/health/live")
        assert "Traceback" not in server.log.read_text()


def test_several_processes_end_together(now_site: Site, tmp_path: Path) -> None:
    more: Any = {"PILOTAGE_WEB_PROCESSES": "2"}
    with serving(now_site.world.database, tmp_path / "home", **more) as server:
        answer = httpx.get(f"{server.url}/api/status", headers=now_site.headers("read"))

        assert answer.status_code == 200
        assert server.end() == 0
