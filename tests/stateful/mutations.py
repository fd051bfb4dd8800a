"""Broken builds that the machine must find: those of the crash harness that show on one writer,
and some that show in the long run only.
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
            pieces={"free=ce.available": "free=max(0, ce.capacity - ce.occupying)"},
            names={},
        ),
    ),
    "tells_no_reason_for_nothing": (
        Mutation(
            about="Why a CE got nothing is not stored.",
            function="worker.db.decisions.add",
            pieces={"for d in made)": "for d in made if d.granted)"},
            names={},
        ),
    ),
    "prunes_what_is_young": (
        Mutation(
            about="Pilots are forgotten by when they were made, not by when they ended.",
            function="worker.services.prune.prune",
            pieces={"now - parts.keep_final": "now"},
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

FOUND: Mapping[str, tuple[int, str]] = {
    "gives_up_after_one_listing": (0, "not known"),
    "trusts_an_incomplete_listing": (0, "not known"),
    "ignores_the_visibility_delay": (0, "not known"),
    "adopts_no_lost_pilot": (0, "fate"),
    "records_whatever_the_pilot_is_by_now": (0, "not known"),
    "records_before_the_ce_has_answered": (0, "not known"),
    "takes_a_failed_call_for_a_refusal": (0, "not known"),
    "takes_no_answer_for_an_absence": (0, "not known"),
    "takes_an_error_for_an_absence": (0, "not known"),
    "loses_a_pilot_at_its_first_absence": (0, "not known"),
    "sends_those_in_doubt_again": (0, "twice"),
    "decides_in_another_transaction": (0, "reason"),
    "never_takes_over_a_lease": (0, "fate"),
    "forgets_the_waiting_limit": (0, "too many"),
    "tells_no_reason_for_nothing": (0, "reason"),
    "prunes_what_is_young": (0, "lost"),
    "finds_no_lost_nudge": (0, "fate"),
}
"""With which plays to begin, so that it is soon found, and what the oracle then says."""


SOON = frozenset(
    {
        "gives_up_after_one_listing",
        "trusts_an_incomplete_listing",
        "ignores_the_visibility_delay",
    }
)
"""Those that a short search finds."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Be a broken build."""
    pieces = OURS[name] if name in OURS else (OF_THE_HARNESS[name],)
    with ExitStack() as stack:
        for piece in pieces:
            stack.enter_context(piece.applied())
        yield
