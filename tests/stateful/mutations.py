"""Broken builds that the machine must find: those of the crash harness that show with one writer,
and some that show only in a long run.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.crash.mutations import MUTATIONS as OF_THE_HARNESS
from tests.crash.mutations import Mutation

OURS: Mapping[str, tuple[Mutation, ...]] = {
    "forgets_the_waiting_limit": (
        Mutation(
            about="A reservation counts places without the waiting limit,",
            function="worker.db.slots._ce_room",
            pieces={"free if ce.waiting_limit is None": "free if True"},
            names={},
        ),
        Mutation(
            about="and so does the allocation.",
            function="worker.services.facts._ce_facts",
            pieces={
                "free = ce.available if": "free = max(0, ce.capacity - ce.occupying) if",
            },
            names={},
        ),
    ),
    "tells_no_reason_for_nothing": (
        Mutation(
            about="Why a CE got nothing is not stored.",
            function="worker.db.decisions.add",
            pieces={"for one in made:": "for one in [d for d in made if d.granted]:"},
            names={},
        ),
    ),
    "prunes_what_is_young": (
        Mutation(
            about="Pilots are forgotten by when they were made, not by when they ended.",
            function="worker.services.tasks.prune._limits",
            pieces={"runtime.keep_final": "now - now"},
            names={},
        ),
    ),
    "ends_what_is_of_another_ce": (
        Mutation(
            about="What is at a CE and has its pilot at another CE is taken for a leftover.",
            function="worker.policy.comparison.compare",
            pieces={
                "if _owner(ce, job, pilot) != ce:": "if False:",
                "_is_over(pilot, listing.as_of)": "(pilot.ce != ce or pilot.ended_at)",
            },
            names={},
        ),
    ),
    "finds_no_lost_nudge": (
        Mutation(
            about="No tick finds the pilots whose nudge was lost.",
            function="worker.db.pilot_reads.ces_with",
            pieces={"return list(": "return [] and list("},
            names={},
        ),
    ),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Make this a broken build within the block."""
    pieces = OURS[name] if name in OURS else (OF_THE_HARNESS[name],)
    with ExitStack() as stack:
        for piece in pieces:
            stack.enter_context(piece.applied())
        yield
