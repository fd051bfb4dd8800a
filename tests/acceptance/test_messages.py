"""The embedded broker: messages are whole, each is taken once, and other files do no harm."""

import multiprocessing
import re
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Exchange, Queue
from kombu.transport.filesystem import exchange_queue_t as Binding  # noqa: N812 - a class

from tests.acceptance.processes import CELERY, PILOTAGE, Processes, ended, settings_of
from tests.patience import LONGEST, until
from worker.messaging.folder_broker import Transport

WRITERS, EACH = 3, 100
SIZE = 50_000
"""The length of a message, so that writing it takes time."""
GARBAGE = {
    "empty": b"",
    "half": b'{"body": "e30=", "properties": {"deli',
    "list": b"[1, 2]",
    "number": b"7",
    "no text": b"\xff\x00\xfe",
    "no message": b"{}",
    "no body": b'{"body": "e30", "properties": {"body_encoding": "base64", "delivery_tag": "1"}}',
}


def connection(folder: Path) -> Connection:
    for part in ("messages", "control"):
        (folder / part).mkdir(exist_ok=True)
    # Kombu declares a queue only once in a process.
    Transport.global_state.clear()
    return Connection(
        "filesystem://localhost//",
        transport=Transport,
        transport_options={
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
        },
    )


def write(folder: Path, writer: int) -> None:
    with connection(folder) as link, link.SimpleQueue("plan") as queue:
        for number in range(EACH):
            queue.put({"from": [writer, number], "long": "x" * SIZE})


def read(folder: Path, number: int, end_of_writing: Event) -> None:
    messages = []
    with connection(folder) as link, link.SimpleQueue("plan") as queue:
        last = False
        while True:
            try:
                message = queue.get(block=False)
            except Empty:
                if last:
                    break
                last = end_of_writing.is_set()
                continue
            assert len(message.payload["long"]) == SIZE
            messages.append(message.payload["from"])
            message.ack()
    (folder / f"taken{number}").write_text("\n".join(f"{a} {b}" for a, b in messages))


def bind(folder: Path, name: str) -> None:
    exchange = Exchange("replies", "direct")
    with connection(folder) as link:
        for number in range(20):
            Queue(f"{name}.{number}", exchange, routing_key=f"{name}.{number}")(link).declare()


def test_messages_of_several_writers_arrive_whole_and_once(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    end_of_writing = processes.Event()
    readers = [processes.Process(target=read, args=(tmp_path, n, end_of_writing)) for n in range(2)]
    writers = [processes.Process(target=write, args=(tmp_path, n)) for n in range(WRITERS)]
    for process in (*readers, *writers):
        process.start()
    for process in writers:
        process.join(LONGEST)
    end_of_writing.set()
    for process in readers:
        process.join(LONGEST)

    assert [process.exitcode for process in (*writers, *readers)] == [0] * (WRITERS + 2)
    lines = [(tmp_path / f"taken{number}").read_text().splitlines() for number in range(2)]
    messages = Counter(line for some in lines for line in some)
    assert messages == Counter(f"{w} {n}" for w in range(WRITERS) for n in range(EACH))
    assert list((tmp_path / "messages").iterdir()) == []


def test_bindings_of_several_processes_are_all_kept(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    binders = [processes.Process(target=bind, args=(tmp_path, name)) for name in "abc"]
    for process in binders:
        process.start()
    for process in binders:
        process.join(LONGEST)

    assert [process.exitcode for process in binders] == [0, 0, 0]
    with connection(tmp_path) as link:
        bindings = link.default_channel.get_table("replies")
    names = {f"{name}.{number}" for name in "abc" for number in range(20)}
    assert {binding.queue for binding in bindings} == names
    assert len(bindings) == len(names)


def test_a_queue_that_is_deleted_is_bound_no_longer(tmp_path: Path) -> None:
    exchange = Exchange("replies", "direct")
    with connection(tmp_path) as link:
        other, victim = (Queue(name, exchange, routing_key=name)(link) for name in ("a", "b"))
        other.declare()
        victim.declare()
        victim.delete()
        assert link.default_channel.get_table("replies") == [Binding("a", "", "a")]


@pytest.mark.parametrize("content", [b"", b"[[1, 2", b"7", b'["a"]'])
def test_a_table_that_is_none_is_written_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with connection(tmp_path) as link:
        table = tmp_path / "control" / "replies.exchange"
        table.write_bytes(content)
        Queue("a", Exchange("replies", "direct"), routing_key="a")(link).declare()
        assert link.default_channel.get_table("replies") == [Binding("a", "", "a")]
    assert f"{table} holds no bindings" in caplog.text


NODE = "reader@here"
WORDS = ["-l", "INFO", "-Q", "plan", "-c", "1", "-n", NODE]


def test_a_file_that_is_no_message_does_not_end_a_worker(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    settings = settings_of({"home": str(home)})
    assert processes.run([*PILOTAGE, "db", "setup"], settings).returncode == 0
    folder = home / "broker" / "messages"
    worker = processes.start("worker", [*CELERY, "worker", *WORDS], settings)
    until(lambda: "ready." in processes.said("worker"))
    for name, content in GARBAGE.items():
        (folder / f"part-{name}").write_bytes(content)
        (folder / f"part-{name}").replace(folder / f"0_{name}.plan.msg")
    until(lambda: removed_files(processes) == sorted(GARBAGE), progress=processes.progress)
    assert list(folder.glob("0_*")) == []

    # With a destination, `inspect` waits for the answer of this worker alone.
    words = ["inspect", "ping", "--destination", NODE, "--timeout", "60"]
    answer = processes.run([*CELERY, *words], settings)
    assert "pong" in answer.stdout, answer.stdout + answer.stderr
    worker.terminate()
    assert ended(worker) == 0
    assert "Traceback" not in processes.said("worker")


def removed_files(processes: Processes) -> list[str]:
    """Return the files that the worker has removed, according to its log."""
    return sorted(re.findall(r"removed 0_(.*)\.plan\.msg: it holds no m", processes.said("worker")))
