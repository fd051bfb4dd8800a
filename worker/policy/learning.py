"""What is learnt about a CE from outcomes: its three chances, and whether it is paused.

    state = learn(state, events, now=..., configured=...).state
    evaluation = evaluate(state, now=..., configured=...)

The state is a fold over outcomes, one by one: the same events in the same order give the same
state, however they are divided into batches. It is plain JSON, so that it can be stored, and it has
a version: a state of an unknown version counts as nothing learnt.
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
from worker.policy.record import Record, of_this_version, pause_in, up_to


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The queue of a CE: how long pilots wait there now, and which began lately.

    It is read from the database, because no outcome shows that nothing happens.
    """

    oldest_waiting_since: datetime | None = None
    """When the pilot that has been waiting for longest was submitted, or put back in the queue."""

    answered_at: datetime | None = None
    """When the CE last said that this pilot waits; until then nothing is known of the queue."""

    last_began: datetime | None = None
    """When a pilot last began to run there."""

    drained: int = 0
    """How many pilots began to run there in the last hour."""


@dataclass(frozen=True, kw_only=True)
class Hole:
    """A CE at which pilots end well for nothing: the evidence, and since when.

    It is not learnt from the CE's own outcomes: only a comparison with other CEs shows it
    (`work.judge`).
    """

    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class PauseChange:
    """The beginning or the end of a pause of a CE."""

    was: Sending
    became: Sending
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class LearnedState:
    """The state after new outcomes, and the pauses that began or ended with them."""

    state: dict[str, Any]
    changes: tuple[PauseChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The chances and the pause of a CE now, for an allocation."""

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
    """Fold new outcomes of one CE into its state. The cost depends on the new outcomes only."""
    record = Record(up_to(state, now.timestamp()), configured, parameters)
    for event in events:
        record.add(event)
    if queue.oldest_waiting_since is not None and queue.answered_at is not None:
        record.watch(queue.oldest_waiting_since, queue.answered_at, queue.last_began, now)
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
    """End a pause by hand. The weight of old failures is reduced as if a probe had survived."""
    record = Record(up_to(state, now.timestamp()), configured, parameters)
    record.end_pause(reason, now.timestamp())
    return _learned(record)


def evaluate(
    state: Mapping[str, Any] | None,
    *,
    now: datetime,
    configured: float,
    parameters: Parameters = DEFAULTS,
) -> Evaluation:
    """Return the chances and the pause now. Without a state, the configured success rate decides.

    A pause of a clock that was set back begins now; `learn` then stores it so.
    This is called for every CE in every tick of every VO, so it reads only a part of the state.
    """
    values = of_this_version(state)
    pause = pause_in(values)
    counts = Counts(values, configured, parameters)
    return Evaluation(
        chances=counts.chances(now.timestamp()),
        pause=Pause(reason=pause.reason, since=min(moment_of(pause.at), now)) if pause else None,
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
