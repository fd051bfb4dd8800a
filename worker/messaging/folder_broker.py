"""The embedded broker: messages as files in a folder. A file is complete before it is visible.

Kombu's own transport writes into files that others may already read. A worker that reads half a
message ends. Here a file is written under another name and then renamed, and a file that holds no
message is removed with a line in the log.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.transport.filesystem import exchange_queue_t as Binding  # noqa: N812 - a class
from kombu.utils.json import dumps, loads

from worker.services import private_files

log = logging.getLogger(__name__)

Table = list[Binding]


class Channel(filesystem.Channel):  # type: ignore[misc]
    """A channel that writes complete files, takes each once, and changes bindings under a lock."""

    def get_table(self, exchange: str) -> Table:
        """Return the bindings of an exchange."""
        file = self._exchange_file(exchange)
        try:
            return [Binding(*row) for row in loads(file.read_bytes().decode())]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ChannelError(f"cannot read {file}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            log.warning("%s holds no bindings: %s", file, error)
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = Binding(routing_key or "", pattern or "", queue or "")
        self._change(exchange, lambda table: [binding, *all_but(table, binding)])

    def _delete(
        self,
        queue: str,
        exchange: str,
        routing_key: str,
        pattern: str,
        *_: object,
        **__: object,
    ) -> None:
        self._purge(queue)
        binding = Binding(routing_key or "", pattern or "", queue or "")
        self._change(exchange, lambda table: all_but(table, binding))

    def _change(self, exchange: str, change: Callable[[Table], Table]) -> None:
        file = self._exchange_file(exchange)
        with locked(self.control_folder / "lock"):
            before = self.get_table(exchange)
            after = change(before)
            if set(after) != set(before):
                replace(file, after)

    def _put(self, queue: str, payload: dict[str, Any], **_: object) -> None:
        moment = round(time.monotonic() * 1000)
        replace(Path(self.data_folder_out, f"{moment}_{uuid4()}.{queue}.msg"), payload)

    def _get(self, queue: str) -> dict[str, Any]:
        for name in sorted(file.name for file in Path(self.data_folder_in).iterdir()):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            content = take(Path(self.data_folder_in, name))
            if content is not None and (payload := self._message(name, content)) is not None:
                return payload
        raise Empty

    def _message(self, name: str, content: bytes) -> dict[str, Any] | None:
        """Return the message in the content of a file; `None` if it holds no message."""
        try:
            payload: dict[str, Any] = loads(content.decode())
            self.Message(payload, channel=self)
        except Exception as error:  # noqa: BLE001 - anything may be in a file
            log.warning(
                "removed %s: it holds no message: %s: %s", name, type(error).__name__, error
            )
            return None
        return payload


class Transport(filesystem.Transport):  # type: ignore[misc]
    """Kombu's transport for folders, with the channels of this module."""

    Channel = Channel


def all_but(table: Table, binding: Binding) -> Table:
    """Return the bindings of a table without this one."""
    return [other for other in table if other != binding]


def replace(file: Path, content: object) -> None:
    """Write a file under another name, and rename it when it is complete."""
    part = file.with_name(f"{uuid4()}.part")
    try:
        with private_files.open_file(part, "wb") as draft:
            draft.write(dumps(content).encode())
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ChannelError(f"cannot write {file}: {error.strerror}") from error


def take(file: Path) -> bytes | None:
    """Read and remove a file; return `None` if another process was faster."""
    try:
        content = file.read_bytes()
        file.unlink()
    except OSError:
        return None
    return content


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of this file during the block. It is released if the process dies."""
    with private_files.open_file(file, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
