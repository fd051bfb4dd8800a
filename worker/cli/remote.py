"""Stub."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from worker.services.runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")


def perform_remotely(
    action: Callable[Concatenate[Runtime, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    raise NotImplementedError
