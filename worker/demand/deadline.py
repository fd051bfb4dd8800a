"""A deadline for a conversation with a server, whatever the server does.

The limits of the libraries are for one read, one address, one step: a server that sends a byte now
and then, or a name server that is silent, holds them for ever. Here the conversation has a thread
of its own. When the time is over nobody waits for that thread, and its connection is shut, so that
it ends too.
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
    """What there is of a connection, for a thread that wants to end it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_shut = False

    def opened(self, number: int) -> None:
        """Note the file number of a socket that was connected."""
        with self._lock:
            self._close()
            # A number of our own: whoever closes his leaves this one alone.
            self._socket = socket.socket(fileno=os.dup(number))
            if self._is_shut:
                self._end()

    def note(self, event: str, about: Mapping[str, Any]) -> None:
        """Note the socket of a connection of httpx, as its extension `trace` calls this."""
        if event.endswith("connect_tcp.complete"):
            self.opened(about["return_value"].get_extra_info("socket").fileno())

    def shut(self) -> None:
        """End the connection, and each that is opened later: whoever waits for it goes on."""
        with self._lock:
            self._is_shut = True
            self._end()

    def forget(self) -> None:
        """Close what was noted; the conversation is over."""
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
    """Do this in a thread; `DemandUnknown` when it takes longer."""
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
