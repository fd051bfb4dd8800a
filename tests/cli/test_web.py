"""`pilotage web`: whether a server answers, at the address where it listens."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from tests.cli.command import Cli
from tests.http_servers import proxy_of_the_environment, served


class Living(BaseHTTPRequestHandler):
    """Answers as a server of Pilotage that lives."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_on_this_host_is_checked_without_a_proxy(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        served(HTTPServer(("127.0.0.1", 0), Living)) as address,
        proxy_of_the_environment(monkeypatch) as by_proxy,
    ):
        answer = cli.ok("web", "--check", "--port", str(urlsplit(address).port))

    assert by_proxy == []
    assert answer.out == f"the server at {address} answers\n"
