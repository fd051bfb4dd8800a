"""Strategies of hypothesis for facts and events."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.factories import NOW
from worker.policy.facts import CEFacts, Chances, Pause, Rival, VOFacts
from worker.policy.outcomes import Event, EventKind

CHANCE = st.one_of(st.sampled_from([0.0, 1e-300, 1e-9, 0.5, 1.0]), st.floats(0, 1))
MOMENTS = st.integers(-200_000, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
NAMES = st.text("abcdefgh", min_size=1, max_size=4)

CES = st.lists(
    st.builds(
        CEFacts,
        name=NAMES,
        free=st.integers(0, 200),
        trial=st.booleans(),
        success_rate=CHANCE,
        closed=st.sampled_from([None, None, None, "the CE is draining"]),
        chances=st.none() | st.builds(Chances, accept=CHANCE, start=CHANCE, finish=CHANCE),
        pause=st.none() | st.builds(Pause, reason=st.just("it broke"), since=MOMENTS),
        occupying=st.integers(0, 300),
        waiting=st.integers(0, 100),
        vo_occupying=st.integers(0, 100),
        vo_waiting=st.integers(0, 50),
        oldest_waiting_since=st.none() | MOMENTS,
        drained=st.integers(0, 100),
        last_sent_at=st.none() | MOMENTS,
        vos=st.none() | st.frozensets(st.sampled_from(["vo", "one", "two"])),
    ),
    max_size=10,
    unique_by=lambda facts: facts.name,
)

RIVALS = st.lists(
    st.builds(
        Rival,
        name=st.sampled_from(["one", "two", "three"]),
        share=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
        demand=st.none() | st.integers(0, 300),
        occupying=st.integers(0, 200),
        waiting=st.integers(0, 100),
        room=st.none() | st.integers(-10, 200),
    ),
    max_size=3,
    unique_by=lambda rival: rival.name,
).map(tuple)

VOS = st.builds(
    VOFacts,
    name=st.just("vo"),
    demand=st.none() | st.integers(0, 500),
    room=st.none() | st.integers(-50, 500),
    share=st.sampled_from([0.0, 1.0, 2.0]),
    closed=st.sampled_from([None, None, None, "the VO is disabled"]),
    note=st.none() | st.just("unknown since noon: held"),
    rivals=RIVALS,
)
BUDGETS = st.integers(0, 500)
LONGEST_GAP = timedelta(minutes=15)
MOST_EVENTS = 40
END = NOW + MOST_EVENTS * LONGEST_GAP
"""No history goes on after this."""


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Draw outcomes in the order in which they became known."""
    events = []
    moment = NOW
    for kind, gap, ran in draw(
        st.lists(
            st.tuples(
                st.sampled_from(EventKind),
                st.integers(0, LONGEST_GAP.seconds),
                st.none() | st.integers(0, 4000),
            ),
            max_size=MOST_EVENTS,
        )
    ):
        moment += timedelta(seconds=gap)
        length = None if ran is None else timedelta(seconds=ran)
        events.append(Event(moment, kind, None if length is None else moment - length, length))
    return events
