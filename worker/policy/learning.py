"""What outcomes teach about a CE: its three chances, and whether it is paused.

    state = learn(state, events, now=..., configured=...).state
    evaluation = evaluate(state, now=..., configured=...)

The state is a fold over outcomes, one by one: the same events in the same order give the same
state, in whatever batches they came. It is plain JSON, so that it can be stored, and it has a
version: one that is unknown counts as nothing learnt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.lengths import moment_of
from worker.domain.sending import Sending
from worker.policy.counts import Counts
from worker.policy.facts import Chances, Outcomes, Pause
from worker.policy.outcomes import Event
from worker.policy.parameters import DEFAULTS, Parameters
from worker.policy.record import Record, of_this_version, pause_in


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits at a CE now, and what began there lately.

    It is read, not learnt: no outcome shows that nothing happens.
    """

    oldest_waiting_since: datetime | None = None
    """When the pilot that has been waiting for longest was submitted."""

    last_began: datetime | None = None
    """When a pilot began to run there last."""

    drained: int = 0
    """How many pilots began to run there in the last hour."""


@dataclass(frozen=True, kw_only=True)
class Hole:
    """That a CE lets pilots end well for nothing: why we think so, and since when.

    It is read, not learnt: only a comparison with other CEs shows it (`work.judge`).
    """

    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class PauseChange:
    """That a CE was paused, or its pause ended."""

    was: Sending
    became: Sending
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class LearnedState:
    """What is known after new outcomes, and the pauses that began or ended meanwhile."""

    state: dict[str, Any]
    changes: tuple[PauseChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a state means now: chances and pause, for an allocation."""

    chances: Chances
    pause: Pause | None = None
    outcomes: Outcomes | None = None


NOTHING_WAITS = Queue()


def learn(
    state: Mapping[str, Any] | None,
    events: Sequence[Event],
    *,
    now: datetime,
    configured: float,
    queue: Queue = NOTHING_WAITS,
    hole: Hole | None = None,
    parameters: Parameters = DEFAULTS,
) -> LearnedState:
    """Fold new outcomes of one CE into what is known of it; the cost is that of the new ones."""
    record = Record(state, configured, parameters)
    for event in events:
        record.add(event)
    record.watch(queue.oldest_waiting_since, queue.last_began, now)
    if hole is not None:
        record.swallows(hole.reason, hole.since, now)
    return _learned(record)


def end_pause(
    state: Mapping[str, Any] | None,
    reason: str,
    *,
    now: datetime,
    configured: float,
    parameters: Parameters = DEFAULTS,
) -> LearnedState:
    """End a pause by hand. Old failures are forgiven as if a probe had survived."""
    record = Record(state, configured, parameters)
    record.end_pause(reason, now.timestamp())
    return _learned(record)


def evaluate(
    state: Mapping[str, Any] | None,
    *,
    now: datetime,
    configured: float,
    parameters: Parameters = DEFAULTS,
) -> Evaluation:
    """Return what a state means now; without one, what the configured success rate says.

    Every tick of every VO asks this of every CE, so only what it needs of the state is read.
    """
    values = of_this_version(state)
    pause = pause_in(values)
    counts = Counts(values, configured, parameters)
    return Evaluation(
        chances=counts.chances(now.timestamp()),
        pause=Pause(reason=pause.reason, since=moment_of(pause.at)) if pause else None,
        outcomes=counts.outcomes(now.timestamp()),
    )


def _learned(record: Record) -> LearnedState:
    changes = tuple(
        PauseChange(
            was=Sending.PAUSED if is_over else Sending.NORMAL,
            became=Sending.NORMAL if is_over else Sending.PAUSED,
            reason=reason,
            at=moment_of(at),
        )
        for is_over, reason, at in record.changes
    )
    return LearnedState(state=record.stored(), changes=changes)
