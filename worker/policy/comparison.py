"""The jobs of a CE against the pilots of the database, stamp by stamp.

Several CEs may be at one place, and the listing of each may show the jobs of all. A job belongs to
the CE of its pilot; a job without a pilot belongs to the CE that it names, or to the CE that lists
it. Only that CE adopts it or ends it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.domain.ce_answers import Job, Listing, Observed
from worker.domain.pilot import AT_CE, FINAL, AnyPilot, Pilot, Status
from worker.domain.vo import DEFAULT_VO


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A listing, sorted.

    `returning`: in doubt or lost here, and the CE knows it. `strangers`: no pilot has the stamp.
    `leftovers`: over here, and still alive there. `doubles`: a second job of a stamp. `foreign`: of
    another CE that has no living pilot for it; that CE deals with it. Only jobs that are alive
    count as one of the last four.
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
    """Return the CE that a job belongs to: the database knows it better than the job."""
    return pilot.ce if pilot is not None else job.ce or ce


def _is_double(ce: str, job: Observed, pilot: Pilot | None) -> bool:
    """Return whether a job is a second one of its stamp.

    As long as a pilot has no id of its CE, each of the jobs with its stamp may be the pilot.
    """
    is_settled = pilot is None or pilot.handle is not None
    return job.status in AT_CE and _owner(ce, job, pilot) == ce and is_settled


def _is_over(pilot: Pilot, as_of: datetime) -> bool:
    """Return whether a pilot was over here already when the CE was asked."""
    return pilot.ended_at is not None and pilot.ended_at < as_of


def covers(listing: Listing, pilot: AnyPilot) -> bool:
    """Return whether a listing is complete, and shows the pilots of this VO."""
    return listing.complete and (listing.vos is None or pilot.vo in listing.vos)


def _first_of_each(
    jobs: Iterable[Observed], pilots: Mapping[str, Pilot]
) -> tuple[dict[str, Observed], Sequence[Observed]]:
    """Separate the job of each stamp, the recorded one if it is there, from its others."""
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
