"""Answers that a process got not long ago, and need not ask for again."""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Values that are good for some seconds after they were put here."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[Key, tuple[Value, float]] = {}

    def get(self, key: Key) -> Value | None:
        """Return a value that is still good."""
        if key not in self._values:
            return None
        value, until = self._values[key]
        return value if self._clock() < until else None

    def put(self, key: Key, value: Value) -> Value:
        """Remember a value, and return it."""
        self._values[key] = value, self._clock() + self._seconds
        return value

    def forget(self, key: Key) -> None:
        """Forget a value, if there is one."""
        self._values.pop(key, None)
