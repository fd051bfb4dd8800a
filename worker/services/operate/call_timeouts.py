"""Warnings about calls to CEs that may take longer than the task that makes them.

A back-end gives up a call after the time in its option `call_timeout`, if it has one. If the task
is ended before that, nothing that the CE did is recorded: the pilots do not move.
"""

from worker.db import ces
from worker.domain.ce import CE
from worker.domain.errors import Invalid
from worker.services.runtime import Runtime


def warnings(runtime: Runtime, ce_name: str | None = None) -> list[str]:
    """Return a line for each CE, or for this one, whose calls may take too long."""
    with runtime.database.uow() as tx:
        checked = (
            ces.of_backends(tx, runtime.backends) if ce_name is None else [ces.get(tx, ce_name)]
        )
    lines = [_warning(runtime, ce) for ce in checked]
    return [line for line in lines if line]


def _warning(runtime: Runtime, ce: CE) -> str | None:
    try:
        timeout = getattr(runtime.options(ce), "call_timeout", None)
    except Invalid:  # the options are of another version: each call of the CE reports that
        return None
    most = runtime.soft_limit.total_seconds()
    if not isinstance(timeout, int | float) or timeout <= most:
        return None
    return (
        f"call_timeout of CE {ce.name} is {timeout:g} s, but a task is ended after {most:g} s, "
        f"before it can record the answer: set it to at most {most:g}, or raise the setting "
        "time_limit"
    )
