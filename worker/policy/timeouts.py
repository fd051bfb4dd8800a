"""Why a pilot is to be cancelled: which time-out it is past, and who set it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from worker.domain.lengths import typed
from worker.domain.pilot import Status
from worker.domain.timeouts import Timeouts

_SENTENCES = {
    "wait_at_most": "it waited for longer than",
    "run_at_most": "it ran for longer than",
    "silent_at_most": "its CE said nothing about it for longer than",
}


def reason(
    status: Status,
    since: datetime,
    silent_since: datetime | None,
    owners: list[Timeouts],
    now: datetime,
) -> str | None:
    """Return the time-out that a pilot is past, in a sentence; `None` if it is past none.

    `since` is when it began to wait or to run. Of two time-outs the shorter counts.
    """
    name = "run_at_most" if status is Status.RUNNING else "wait_at_most"
    lasted = {name: now - since}
    if silent_since is not None:
        lasted["silent_at_most"] = now - silent_since
    for name, length in lasted.items():
        most, owner = min(_set(owners, name), default=(None, ""), key=lambda pair: pair[0])
        if most is not None and length > most:
            return f"{_SENTENCES[name]} {typed(most)}, the most that {owner} allows"
    return None


def _set(owners: list[Timeouts], name: str) -> Iterator[tuple[timedelta, str]]:
    for owner in owners:
        most: timedelta | None = getattr(owner, name)
        if most is not None:
            yield most, owner.owner
