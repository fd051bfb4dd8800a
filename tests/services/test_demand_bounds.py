"""Whatever a demand source does, an answer takes bounded time and memory."""

import gc
import gzip
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import refused
from tests.patience import LONGEST, PATIENCE, until, wait_for
from tests.room import room
from worker.db.database import Database
from worker.demand import registry
from worker.domain.errors import DemandUnknown

TIMEOUT = 1.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@contextmanager
def server(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve one connection with a function; yield the address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE / 2)

        def accept() -> None:
            with suppress(OSError), listening.accept()[0] as client:
                serve(client, over)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            wait_for(thread)


def drip(start: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Return a server that sends a start, then a byte now and then."""

    def serve(client: socket.socket, over: threading.Event) -> None:
        client.sendall(start)
        while not over.wait(TIMEOUT / 5):
            client.sendall(b"1")

    return serve


def say(answer: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def serve(client: socket.socket, over: threading.Event) -> None:
        client.recv(65_536)
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        over.wait(LONGEST)

    return serve


def pack(content: bytes, encoding: str = "gzip", cut: int = 0) -> bytes:
    """Return an HTTP answer with a compressed body, whose last bytes may be cut off."""
    whole = gzip.compress(content)
    body = whole[: len(whole) - cut]
    lines = (
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return lines.encode() + body


def ask_in_time(source: dict[str, Any], why: str) -> None:
    begin = time.monotonic()
    with refused(DemandUnknown, why):
        registry.ask("lhcb", {"timeout": TIMEOUT, **source})
    # The margin is for a busy machine; without a deadline the server decides how long it takes.
    assert time.monotonic() - begin < source.get("timeout", TIMEOUT) + 60


@pytest.mark.finding("M2")
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", HEAD], ids=["", "head", "body"])
def test_an_endpoint_that_drips_is_left_in_time(start: bytes) -> None:
    before = threading.active_count()
    with server(drip(start)) as url:
        ask_in_time({"kind": "http", "url": url}, f"127.0.0.1: no answer within {TIMEOUT:g} s")
        # The thread that asked ends, though the endpoint goes on.
        until(lambda: threading.active_count() == before + 1)


def test_an_answer_may_be_packed() -> None:
    with server(say(pack(b"7"))) as url:
        assert registry.ask("lhcb", {"kind": "http", "url": url}) == 7


def test_half_of_a_packed_answer_is_none() -> None:
    with server(say(pack(b"7", cut=4))) as url:
        ask_in_time({"kind": "http", "url": url, "timeout": 30}, "its answer is cut short")


def test_a_small_answer_that_holds_a_large_one_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bomb = pack(b" " * 200_000_000)
    assert len(bomb) < 1_000_000
    with server(say(bomb)) as url, room(20):
        ask_in_time({"kind": "http", "url": url, "timeout": 30}, "more than 1000000 bytes")
    with server(say(pack(b"7", "gzip, gzip"))) as url:
        ask_in_time({"kind": "http", "url": url, "timeout": 30}, "answered in 'gzip, gzip'")


@pytest.mark.parametrize("length", [b"Content-Length: 100000000\r\n", b""], ids=["100 MB", "more"])
def test_an_answer_that_is_too_long_is_not_read(length: bytes) -> None:
    def serve(client: socket.socket, over: threading.Event) -> None:
        client.recv(65_536)
        client.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while not over.is_set():
            client.sendall(b"1" * 65_536)

    with server(serve) as url, room(20):
        ask_in_time({"kind": "http", "url": url, "timeout": 30}, "more than 1000000 bytes")


@pytest.mark.parametrize("where", ["", " >&2"], ids=["answers", "complains"])
def test_a_command_that_writes_without_end_is_ended(tmp_path: Path, where: str) -> None:
    words = ["/bin/sh", "-c", f"echo $$ >{tmp_path}/pid; exec yes{where}"]
    with room(20):
        ask_in_time({"kind": "command", "command": words, "timeout": 60}, "more than 1000000 bytes")
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_command_that_drips_is_ended_in_time(tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", f"echo $$ >{tmp_path}/pid; while :; do echo 1; sleep 0.05; done"]
    ask_in_time({"kind": "command", "command": words}, f"sh: no answer within {TIMEOUT:g} s")
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.finding("M2")
@pytest.mark.parametrize(
    "source",
    [
        {"kind": "http", "url": "http://127.0.0.1:1/", "token_file": "PIPE"},
        {"kind": "http", "url": "http://127.0.0.1:1/", "ca_file": "PIPE"},
        {"kind": "sql", "query": "SELECT 1", "url_file": "PIPE"},
    ],
    ids=["token", "authorities", "url"],
)
def test_a_file_that_is_a_pipe_is_refused(tmp_path: Path, source: dict[str, Any]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with_pipe = {key: str(pipe) if value == "PIPE" else value for key, value in source.items()}
    ask_in_time(with_pipe, "it is not a regular file")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("x" * 100_000)
    ask_in_time({"kind": "http", "url": "http://127.0.0.1:1/", "token_file": str(file)}, "longer")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An SQLite file of somebody else, with one row."""
    path = tmp_path / "of others.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.execute("INSERT INTO t VALUES (5)")
    connection.close()
    return path


def query(path: Path, text: str) -> dict[str, Any]:
    where = path.with_name("url")
    where.write_text(f"sqlite:///{path}")
    return {"kind": "sql", "url_file": str(where), "query": text}


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


@pytest.mark.finding("M2")
def test_an_endless_query_of_sqlite_is_left_in_time(file: Path) -> None:
    ask_in_time(query(file, ENDLESS), "OperationalError")


@pytest.mark.postgresql
# After a statement fails, SQLAlchemy does not close its cursor on the server.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:.*deleted while still open:ResourceWarning")
def test_an_endless_query_of_postgresql_is_left_in_time(
    postgresql_database: Database, tmp_path: Path
) -> None:
    before = threading.active_count()
    where = tmp_path / "url"
    where.write_text(postgresql_database.url.render_as_string(hide_password=False))
    ask_in_time({"kind": "sql", "url_file": str(where), "query": ENDLESS}, str(where))
    # Of endless rows two are read, in no time: here it is not the deadline that ends the query.
    rows = {"kind": "sql", "url_file": str(where), "timeout": 60}
    rows["query"] = "SELECT generate_series(1, 1000000000)"
    ask_in_time(rows, "not return a single number")
    until(lambda: threading.active_count() == before)
    gc.collect()


NO_TLS, LET_IN, READY = b"N", b"R\0\0\0\x08\0\0\0\0", b"Z\0\0\0\x05I"
HALF_AN_ERROR = b"E\0\0\x70\0S"


@pytest.mark.parametrize(
    "start",
    [NO_TLS + HALF_AN_ERROR, NO_TLS + LET_IN + READY + HALF_AN_ERROR],
    ids=["first", "later"],
)
def test_a_database_server_that_drips_is_left_in_time(tmp_path: Path, start: bytes) -> None:
    where = tmp_path / "url"
    with server(drip(start)) as url:
        where.write_text(f"{url.replace('http', 'postgresql')}/pilotage_test")
        ask_in_time({"kind": "sql", "url_file": str(where), "query": "SELECT 1"}, str(where))


@pytest.mark.parametrize(
    ("scheme", "start"),
    [("redis", b"$100000\r\n"), ("amqp", b"\x01\x00\x00\x00\x01\x86\xa0")],
)
def test_a_broker_that_drips_is_left_in_time(tmp_path: Path, scheme: str, start: bytes) -> None:
    """Each byte begins the time-outs of the library anew."""
    before, where = threading.active_count(), tmp_path / "url"
    with server(drip(start)) as url:
        where.write_text(url.replace("http", scheme))
        ask_in_time({"kind": "celery", "url_file": str(where)}, f"no answer within {TIMEOUT:g} s")
        # The thread that asked ends, though the broker goes on.
        until(lambda: threading.active_count() == before + 1)


def test_a_value_that_is_too_long_is_not_made(file: Path) -> None:
    ask_in_time(query(file, "SELECT hex(zeroblob(400000000))"), "Error")


@pytest.mark.finding("L5")
@pytest.mark.parametrize("text", ["DROP TABLE t", "DELETE FROM t", "UPDATE t SET n = 6"])
def test_a_query_changes_nothing(file: Path, text: str) -> None:
    assert registry.ask("lhcb", query(file, "SELECT n FROM t")) == 5
    ask_in_time(query(file, text), "OperationalError")
    assert registry.ask("lhcb", query(file, "SELECT n FROM t")) == 5


def test_a_database_that_is_missing_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing.sqlite"
    ask_in_time(query(path, "SELECT 1"), "OperationalError")
    assert not path.exists()
