"""Recent answers that a process keeps, so that it need not ask again."""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Values that stay valid for some seconds after they were stored."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[Key, tuple[Value, float]] = {}

    def get(self, key: Key) -> Value | None:
        """Return the value of a key if it is still valid."""
        if key not in self._values:
            return None
        value, until = self._values[key]
        return value if self._clock() < until else None

    def put(self, key: Key, value: Value) -> Value:
        """Store a value, and return it."""
        self._values[key] = value, self._clock() + self._seconds
        return value

    def forget(self, key: Key) -> None:
        """Delete the value of a key, if there is one."""
        self._values.pop(key, None)
