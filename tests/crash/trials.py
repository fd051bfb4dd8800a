"""The faults of the CEs and the broker while processes are killed."""

from collections.abc import Mapping
from typing import Any

from tests.crash.life import DELAY
from tests.crash.system import Broker
from worker.backends.sim.faults import Fault

FAULTS: Mapping[str, Mapping[Fault, Mapping[str, Any]]] = {
    "nothing": {},
    **{str(fault): {fault: {}} for fault in Fault},
    "loses_half_and_the_reply": {Fault.LOSES_REPLY: {"share": 0.5}},
    "loses_all_and_the_reply": {Fault.LOSES_REPLY: {"share": 0.0}},
    "refuses_as_a_whole": {Fault.REFUSES: {"whole": True}},
    "credential_of_one_vo": {Fault.CREDENTIAL: {"vo": "one"}},
    "later_than_it_says_and_no_reply": {
        Fault.LATE: {"seconds": DELAY + 400},
        Fault.LOSES_REPLY: {},
    },
    "forgets_for_ever": {Fault.FORGETS: {"for_ever": True, "rate": 0.5}},
    "half_an_answer_and_no_clock": {Fault.ANSWERS_HALF: {}, Fault.SKEWED: {}},
}
"""Every fault of the simulator, and some that say more or come together."""

ABOUT_ANSWERS = (
    "down",
    "unreadable",
    "loses_half_and_the_reply",
    "answers_half",
    "refuses",
    "later_than_it_says_and_no_reply",
    "forgets",
)
"""The faults that show most, for a short run."""

BROKERS: Mapping[str, Broker] = {
    "nudges_are_lost": Broker(nudges=0),
    "all_is_delivered_twice": Broker(nudges=2, ticks=2),
}
