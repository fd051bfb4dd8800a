"""A deadline for a conversation with a server, whatever the server does.

The time-outs of libraries are for one read, one address or one step: a server that sends a byte now
and then, or a name server that does not answer, can hold them for ever. Here the conversation has a
thread of its own. When the time is over, the caller no longer waits for that thread, and its
connection is shut, so that the thread ends, too.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from worker.domain.errors import DemandUnknown

T = TypeVar("T")


class Connection:
    """A connection that another thread can shut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_shut = False

    def opened(self, number: int) -> None:
        """Note the file descriptor of a connected socket."""
        with self._lock:
            self._close()
            # A duplicate: it stays valid if the library closes its own descriptor.
            self._socket = socket.socket(fileno=os.dup(number))
            if self._is_shut:
                self._end()

    def note(self, event: str, about: Mapping[str, Any]) -> None:
        """Note the socket of a connection of httpx. Its extension `trace` calls this."""
        if event.endswith("connect_tcp.complete"):
            self.opened(about["return_value"].get_extra_info("socket").fileno())

    def shut(self) -> None:
        """Shut the connection, and each that is opened later, so that nothing waits for it."""
        with self._lock:
            self._is_shut = True
            self._end()

    def forget(self) -> None:
        """Close the duplicate descriptor when the conversation is over."""
        with self._lock:
            self._close()

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def with_deadline(seconds: float, place: str, work: Callable[[Connection], T]) -> T:
    """Do the work in a thread; raise `DemandUnknown` if it takes longer than this."""
    connection = Connection()
    answer: Future[T] = Future()

    def talk() -> None:
        try:
            answer.set_result(work(connection))
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            answer.set_exception(error)
        finally:
            connection.forget()

    threading.Thread(target=talk, name=f"demand of {place}", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():
            raise
        raise DemandUnknown(place, f"no answer within {seconds:g} s") from None
    finally:
        connection.shut()
