"""What a CE has against what the database says, job by job and stamp by stamp."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.backends.contract import Job, Listing, Observed
from worker.db.mover import HELD
from worker.domain.pilot import Pilot, Status
from worker.domain.vo import DEFAULT_VO


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A listing, sorted.

    `returning`: in doubt or lost here, and the CE knows it. `strangers`: nobody here knows the
    stamp. `leftovers`: over here, or of another CE, and yet alive there. `doubles`: a stamp that
    the CE has already under another id. Only jobs that are alive count as one of the last three.
    """

    listed: frozenset[str]
    returning: list[tuple[Pilot, Observed]] = field(default_factory=list)
    strangers: list[Observed] = field(default_factory=list)
    leftovers: list[tuple[Pilot, Observed]] = field(default_factory=list)
    doubles: list[Observed] = field(default_factory=list)

    def unwanted(self) -> list[Job]:
        """Name the jobs that ought not to be there."""
        return [
            Job(stamp=job.stamp, handle=job.handle, vo=job.vo or DEFAULT_VO)
            for job in (*self.strangers, *self.doubles, *(job for _, job in self.leftovers))
        ]


def compare(ce: str, listing: Listing, known: Mapping[str, Pilot]) -> Comparison:
    """Sort what a CE listed, knowing the pilots of its stamps."""
    ours, doubles = _first_of_each(listing.jobs, known)
    found = Comparison(
        listed=frozenset(ours), doubles=[job for job in doubles if job.status in HELD]
    )
    for stamp, job in ours.items():
        pilot = known.get(stamp)
        if pilot is None:
            if job.status in HELD:
                found.strangers.append(job)
        elif pilot.ce == ce and pilot.status in (Status.SUBMITTING, Status.LOST):
            found.returning.append((pilot, job))
        elif job.status in HELD and _is_over(pilot, ce, listing.as_of):
            found.leftovers.append((pilot, job))
    return found


def _is_over(pilot: Pilot, ce: str, as_of: datetime) -> bool:
    """Tell whether a pilot was over here, or elsewhere, already when the CE was asked."""
    return pilot.ce != ce or (pilot.ended_at is not None and pilot.ended_at < as_of)


def covers(listing: Listing, pilot: Pilot) -> bool:
    """Tell whether a listing would show a pilot if its CE had it."""
    return listing.complete and (listing.vos is None or pilot.vo in listing.vos)


def _first_of_each(
    jobs: Iterable[Observed], known: Mapping[str, Pilot]
) -> tuple[dict[str, Observed], Sequence[Observed]]:
    """Part the job of each stamp, the recorded one if it is there, from any other of that stamp."""
    first: dict[str, Observed] = {}
    others = []
    for job in jobs:
        if job.stamp not in first:
            first[job.stamp] = job
            continue
        pilot = known.get(job.stamp)
        if pilot is not None and job.handle == pilot.handle:
            others.append(first[job.stamp])
            first[job.stamp] = job
        else:
            others.append(job)
    return first, others
