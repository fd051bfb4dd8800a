"""The life of a pilot, drawn to scale. Lengths are in percent, so that text is not stretched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker.domain.lengths import in_two_units
from worker.domain.pilot import FINAL, Status
from worker.services.operate.pilots import PilotDetails

LEAST = 0.4
"""The least width of a phase in percent, so that every phase is visible."""

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between the marks of an axis."""

MARKS = 6
MARGIN = 9.0
"""The percent at each end of the axis that are reserved for the first and the last moment."""

WORDS = {
    Status.RESERVED: "held a slot",
    Status.SUBMITTING: "was sent",
    Status.SUBMITTED: "waited",
    Status.RUNNING: "ran",
}


@dataclass(frozen=True)
class Phase:
    """A part of a life: its status, its begin and width, and its duration."""

    status: Status
    begin: float
    breadth: float
    length: timedelta

    @property
    def words(self) -> str:
        return f"{WORDS[self.status]} {in_two_units(self.length)}"


@dataclass(frozen=True)
class Mark:
    """A moment on the axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class DrawnLife:
    """A life, ready to be drawn."""

    phases: list[Phase]
    marks: list[Mark]
    begin: datetime
    end: datetime
    ended: Status | None

    @property
    def words(self) -> str:
        """Describe the life in words."""
        phases = [phase.words for phase in self.phases]
        return f"{'; '.join(phases)}; {f'then {self.ended}' if self.ended else 'and goes on'}"


def life(pilot: PilotDetails, now: datetime) -> DrawnLife:
    """Draw the life of a pilot."""
    end = max(pilot.ended_at or now, pilot.reserved_at)
    if pilot.ended_at is None and pilot.status in FINAL:
        end = max(pilot.reserved_at, pilot.updated_at)
    moments = list(_monotonous(_moments(pilot), end))
    whole = (end - pilot.reserved_at).total_seconds()
    phases = []
    for (status, begin), (_, until) in zip(moments, [*moments[1:], (None, end)], strict=True):
        phases.append((status, begin, until - begin))
    return DrawnLife(
        phases=[_phase(one, pilot.reserved_at, whole) for one in phases],
        marks=marks(pilot.reserved_at, end),
        begin=pilot.reserved_at,
        end=end,
        ended=pilot.status if pilot.status in FINAL else None,
    )


def _moments(pilot: PilotDetails) -> list[tuple[Status, datetime]]:
    """Return when each phase began: as the CE reports it; after requeues, when we recorded it."""
    if pilot.requeues or (pilot.ended_at is None and pilot.status in FINAL):
        return [(step.became, step.at) for step in pilot.history if step.became not in FINAL]
    moments = (
        (Status.RESERVED, pilot.reserved_at),
        (Status.SUBMITTING, pilot.claimed_at),
        (Status.SUBMITTED, pilot.submitted_at),
        (Status.RUNNING, pilot.started_at),
    )
    return [(status, at) for status, at in moments if at is not None]


def _monotonous(
    moments: Sequence[tuple[Status, datetime]], end: datetime
) -> Iterator[tuple[Status, datetime]]:
    """Let each phase begin no earlier than the previous one: the clocks of CEs differ."""
    latest = None
    for status, at in moments:
        latest = min(end, at if latest is None else max(at, latest))
        yield status, latest


def _phase(one: tuple[Status, datetime, timedelta], birth: datetime, whole: float) -> Phase:
    status, begin, length = one
    at = 100 * (begin - birth).total_seconds() / whole if whole else 0.0
    breadth = 100 * length.total_seconds() / whole if whole else 100.0
    return Phase(status, round(min(at, 100 - LEAST), 3), round(max(LEAST, breadth), 3), length)


def marks(begin: datetime, end: datetime) -> list[Mark]:
    """Return the round moments between two moments, at most six."""
    whole = (end - begin).total_seconds()
    step = next((step for step in STEPS if whole / step <= MARKS), None)
    if step is None:
        step = 86400 * (int(whole / 86400 / MARKS) + 1)
    if not whole:
        return []
    first = int(begin.timestamp()) // step * step + step
    drawn = []
    for second in range(first, int(end.timestamp()) + 1, step):
        at = 100 * (second - begin.timestamp()) / whole
        if MARGIN <= at <= 100 - MARGIN:
            drawn.append(Mark(round(at, 3), _label(second, step)))
    return drawn


def _label(second: int, step: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    if step >= 86400:
        return f"{at:%d %b}"
    return f"{at:%H:%M}" if step >= 60 else f"{at:%H:%M:%S}"
