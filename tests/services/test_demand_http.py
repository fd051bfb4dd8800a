"""The demand from an HTTP endpoint: the request, and how the answer is read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import refused
from tests.http_servers import proxy_of_the_environment, served
from worker.demand import registry
from worker.demand.answers import AnswerOptions, number_in, steps
from worker.domain.errors import DemandUnknown, Invalid


@contextmanager
def endpoint(answer: object, status: int = 200, **headers: str) -> Iterator[tuple[str, list[Any]]]:
    """Serve one answer, as it is or as JSON; yield the address and the list of requests."""
    requests: list[Any] = []
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.command, self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - as the server names it

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address, requests


def test_a_body_is_sent_with_the_headers_of_files(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cr3t\n")
    options = {
        "method": "POST",
        "body": '{"query": "count", "of": "{vo}"}',
        "header_files": {"X-Api-Key": str(key)},
        "path": "data[0].n",
    }
    with endpoint({"data": [{"n": "12"}]}) as (url, requests):
        assert registry.ask("lhcb", {"kind": "http", "url": url, **options}) == 12
    [(method, _, headers, body)] = requests
    assert (method, json.loads(body)) == ("POST", {"query": "count", "of": "lhcb"})
    assert headers["X-Api-Key"] == "s3cr3t"
    assert headers["Content-Type"] == "application/json"


def test_the_length_of_a_list_may_be_the_demand() -> None:
    options = {"path": "jobs", "measure": "length"}
    with endpoint({"jobs": [{}, {}, {}]}) as (url, _):
        assert registry.ask("lhcb", {"kind": "http", "url": url, **options}) == 3
    with endpoint({"jobs": 3}) as (url, _), refused(DemandUnknown, "not a list"):
        registry.ask("lhcb", {"kind": "http", "url": url, **options})


def test_a_redirect_is_not_followed() -> None:
    with (
        endpoint(7) as (other, requests),
        endpoint(7, 302, Location=other) as (url, _),
        refused(DemandUnknown, "answered 302"),
    ):
        registry.ask("lhcb", {"kind": "http", "url": url})
    assert requests == []


def test_a_host_whose_name_cannot_be_one_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with refused(DemandUnknown, "no host has such a name"):
        registry.ask("lhcb", {"kind": "http", "url": "http://a..b/"})
    assert caplog.text == ""


def test_a_token_for_this_host_goes_by_no_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t\n")
    with endpoint(7) as (url, asked), proxy_of_the_environment(monkeypatch) as by_proxy:
        options = {"kind": "http", "url": url, "token_file": str(token)}
        assert registry.ask("lhcb", options) == 7
    assert by_proxy == []
    assert len(asked) == 1


@pytest.mark.parametrize("content", ["two\nlines", "", "ä", "a\0b"])
def test_what_no_header_can_hold_is_refused_without_being_shown(
    tmp_path: Path, content: str
) -> None:
    key = tmp_path / "key"
    key.write_text(content)
    options = {"kind": "http", "url": "http://127.0.0.1:1/", "header_files": {"X-Key": str(key)}}
    with refused(DemandUnknown, "not one line of plain characters") as error:
        registry.ask("lhcb", options)
    assert not content or repr(content) not in str(error.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"header_files": {"X Key": "/k"}}, "not the name of a header"),
        ({"header_files": {"X-Key\r\nHost": "/k"}}, "not the name of a header"),
        ({"header_files": {"Host": "/k"}}, "cannot be set by a file"),
        ({"header_files": {"content-length": "/k"}}, "cannot be set by a file"),
        ({"header_files": {"X-Key": "/k", "x-key": "/k"}}, "named twice"),
        ({"header_files": {"X-Key": "/k"}}, "use https"),
        ({"token_file": "/t", "header_files": {"authorization": "/k"}}, "leave one out"),
        ({"body": "{}"}, "method=POST"),
        ({"method": "PUT"}, "method"),
        ({"path": "a[b]"}, "not a path like jobs"),
        ({"path": "a..b"}, "not a path like jobs"),
        ({"measure": "size"}, "measure"),
        ({"counts": "some"}, "counts"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], why: str) -> None:
    with refused(Invalid, why):
        registry.check_new({"kind": "http", "url": "http://tasks.example.org/", **options})


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", []),
        ("a", ["a"]),
        ("a.0.b", ["a", "0", "b"]),
        ("a[0].b", ["a", "0", "b"]),
        ("[2]", ["2"]),
        ('a["b.c"][1]', ["a", "b.c", "1"]),
    ],
)
def test_a_path_has_keys_and_positions(path: str, keys: list[str]) -> None:
    assert list(steps(path)) == keys


@pytest.mark.parametrize(("text", "number"), [("7", 7), ('"7"', 7), ('" 8\\n"', 8), ("9.0", 9)])
def test_a_number_may_be_written_as_a_text(text: str, number: int) -> None:
    assert number_in(text, AnswerOptions()) == number


def test_a_text_that_is_no_number_is_unknown() -> None:
    with refused(DemandUnknown, "not a whole number"):
        number_in('"seven"', AnswerOptions())
