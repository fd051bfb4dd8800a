"""Whether a call to a CE may outlast the task that makes it.

A back-end gives up a call after the option `call_timeout`, if it has one. A task that is ended
first records nothing of what the CE did: its pilots do not move.
"""

from worker.db import ces
from worker.domain.ce import CE
from worker.domain.errors import Invalid
from worker.services.runtime import Runtime


def warnings(runtime: Runtime, ce_name: str | None = None) -> list[str]:
    """Return a line for each CE, or for this one, whose calls may last too long."""
    with runtime.database.uow() as tx:
        checked = (
            ces.of_backends(tx, runtime.backends) if ce_name is None else [ces.get(tx, ce_name)]
        )
    lines = [_warning(runtime, ce) for ce in checked]
    return [line for line in lines if line]


def _warning(runtime: Runtime, ce: CE) -> str | None:
    try:
        timeout = getattr(runtime.options(ce), "call_timeout", None)
    except Invalid:  # options of another version: each call of the CE says so
        return None
    most = runtime.longest_call.total_seconds()
    if not isinstance(timeout, int | float) or timeout <= most:
        return None
    return (
        f"call_timeout of CE {ce.name} is {timeout:g} s, but a task is ended after {most:g} s, "
        f"before it can record the answer: set it to at most {most:g}, or raise the setting "
        "time_limit"
    )
