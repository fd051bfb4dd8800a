"""`pilotage web`: whether a server answers, at the address where it listens."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from tests.cli.command import Cli
from tests.http_servers import has_ipv6, proxy_of_the_environment, served


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command hands its options to the server by variables; each test begins without them."""
    for name in ("ADDRESS", "PORT"):
        monkeypatch.setenv(f"PILOTAGE_WEB_{name}", "")


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


class ByIpv6(HTTPServer):
    """A server at an address of the sixth version."""

    address_family = socket.AF_INET6


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("listens", ["::1", "::"])
def test_a_server_is_checked_where_it_listens(cli: Cli, listens: str) -> None:
    with served(ByIpv6(("::1", 0), Living)) as address:
        port = urlsplit(address).port
        answer = cli.ok("web", "--check", "--address", listens, "--port", str(port))

    assert answer.out == f"the server at http://[::1]:{port} answers\n"


@pytest.mark.parametrize("listens", ["127.0.0.1", "0.0.0.0"])
def test_a_server_that_listens_everywhere_is_checked_on_this_host(cli: Cli, listens: str) -> None:
    with served(HTTPServer(("127.0.0.1", 0), Living)) as address:
        port = str(urlsplit(address).port)
        answer = cli.ok("web", "--check", "--address", listens, "--port", port)

    assert answer.out == f"the server at {address} answers\n"


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7", "a..b"])
def test_what_is_no_address_of_this_host_is_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PILOTAGE_WEB_ADDRESS", address)

    assert f": web_address: {address}: " in cli.refused("up")


@pytest.mark.parametrize("address", ["a..b", "a b"])
def test_an_address_that_cannot_be_one_is_asked_in_vain(cli: Cli, address: str) -> None:
    assert "cannot be reached" in cli.refused("web", "--check", "--address", address)


def test_a_port_that_is_taken_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        monkeypatch.setenv("PILOTAGE_WEB_PORT", port)

        assert f": web_port: {port}: Address already in use" in cli.refused("up")


def test_a_link_to_an_address_of_the_sixth_version_can_be_opened(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("db", "setup")
    monkeypatch.setenv("PILOTAGE_WEB_ADDRESS", "::1")

    assert cli.ok("token", "link").out.startswith("http://[::1]:8017/sign-in#")
