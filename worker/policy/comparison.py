"""Comparison of the jobs of a CE with the pilots of the database, by their stamps.

Several CEs may be at the same place, and the listing of each may show the jobs of all. A job
belongs to the CE of its pilot; a job without a pilot belongs to the CE that it names, or else to
the CE that lists it. A job is adopted or ended only for the CE to which it belongs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.domain.ce_answers import Job, Listing, Observed
from worker.domain.pilot import AT_CE, FINAL, AnyPilot, Pilot, Status
from worker.domain.vo import DEFAULT_VO


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The jobs of a listing, sorted into groups.

    `returning`: the pilot is in doubt or lost in the database, and the CE knows its job.
    `strangers`: no pilot has the stamp. `leftovers`: the pilot is over in the database, and its job
    is alive at the CE. `doubles`: a second job with the stamp. `foreign`: the job belongs to
    another CE and has no living pilot; it is dealt with for that CE. The last four groups hold only
    jobs that are alive.
    """

    listed: frozenset[str]
    returning: list[tuple[Pilot, Observed]] = field(default_factory=list)
    strangers: list[Observed] = field(default_factory=list)
    leftovers: list[tuple[Pilot, Observed]] = field(default_factory=list)
    doubles: list[Observed] = field(default_factory=list)
    foreign: list[tuple[Pilot | None, Observed]] = field(default_factory=list)

    def unwanted(self) -> list[Job]:
        """Return the jobs that should not be at the CE."""
        return [
            Job(stamp=job.stamp, handle=job.handle, vo=job.vo or DEFAULT_VO)
            for job in (*self.strangers, *self.doubles, *(job for _, job in self.leftovers))
        ]


def compare(ce: str, listing: Listing, pilots: Mapping[str, Pilot]) -> Comparison:
    """Sort the jobs of a listing by the pilots of their stamps."""
    first, others = _first_of_each(listing.jobs, pilots)
    comparison = Comparison(
        listed=frozenset(first),
        doubles=[job for job in others if _is_double(ce, job, pilots.get(job.stamp))],
    )
    for stamp, job in first.items():
        pilot = pilots.get(stamp)
        if _owner(ce, job, pilot) != ce:
            if job.status in AT_CE and (pilot is None or pilot.status in FINAL):
                comparison.foreign.append((pilot, job))
        elif pilot is None:
            if job.status in AT_CE:
                comparison.strangers.append(job)
        elif pilot.status in (Status.SUBMITTING, Status.LOST):
            comparison.returning.append((pilot, job))
        elif job.status in AT_CE and _is_over(pilot, listing.as_of):
            comparison.leftovers.append((pilot, job))
    return comparison


def _owner(ce: str, job: Observed, pilot: Pilot | None) -> str:
    """Return the CE that a job belongs to: that of its pilot, else that which the job names."""
    return pilot.ce if pilot is not None else job.ce or ce


def _is_double(ce: str, job: Observed, pilot: Pilot | None) -> bool:
    """Return whether a job is a second one of its stamp.

    As long as a pilot has no handle, each of the jobs with its stamp may be the pilot.
    """
    is_settled = pilot is None or pilot.handle is not None
    return job.status in AT_CE and _owner(ce, job, pilot) == ce and is_settled


def _is_over(pilot: Pilot, as_of: datetime) -> bool:
    """Return whether a pilot was already over in the database when the CE was asked."""
    return pilot.ended_at is not None and pilot.ended_at < as_of


def covers(listing: Listing, pilot: AnyPilot) -> bool:
    """Return whether a listing is complete, and shows the pilots of this VO."""
    return listing.complete and (listing.vos is None or pilot.vo in listing.vos)


def _first_of_each(
    jobs: Iterable[Observed], pilots: Mapping[str, Pilot]
) -> tuple[dict[str, Observed], Sequence[Observed]]:
    """Return one job for each stamp, and the other jobs.

    Of several jobs with a stamp, the one with the pilot's handle is taken, or else the first.
    """
    first: dict[str, Observed] = {}
    others = []
    for job in jobs:
        if job.stamp not in first:
            first[job.stamp] = job
            continue
        pilot = pilots.get(job.stamp)
        if pilot is not None and job.handle == pilot.handle:
            others.append(first[job.stamp])
            first[job.stamp] = job
        else:
            others.append(job)
    return first, others
