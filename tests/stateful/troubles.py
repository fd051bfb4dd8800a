"""What a simulated CE may do wrong in a play, in words for the story."""

from collections.abc import Mapping
from typing import Any

from worker.backends.sim.faults import Fault

ATLAS = "atlas"
"""The second VO of every play."""

Trouble = tuple[Fault, Mapping[str, Any]]
Troubles = Mapping[str, Trouble]
AT_SUBMISSION: Troubles = {
    "accepts and loses the reply": (Fault.LOSES_REPLY, {}),
    "accepts half and loses the reply": (Fault.LOSES_REPLY, {"share": 0.5}),
    "loses the orders": (Fault.LOSES_REPLY, {"share": 0.0}),
    "is slow": (Fault.SLOW, {"seconds": 1.0}),
    "is down": (Fault.DOWN, {}),
    "shows jobs late": (Fault.LATE, {"seconds": 400.0}),
    "refuses some": (Fault.REFUSES, {}),
    "refuses all": (Fault.REFUSES, {"whole": True}),
}
IN_ITS_ANSWERS: Troubles = {
    "leaves out half": (Fault.ANSWERS_HALF, {}),
    "leaves out all": (Fault.ANSWERS_NOTHING, {}),
    "cuts its listing short": (Fault.TRUNCATES, {"share": 1.0}),
    "forgets jobs for a while": (Fault.FORGETS, {}),
    "is down": (Fault.DOWN, {}),
    "talks nonsense": (Fault.UNREADABLE, {}),
    "takes no credential": (Fault.CREDENTIAL, {}),
    "takes none of atlas": (Fault.CREDENTIAL, {"vo": ATLAS}),
    "has a wrong clock": (Fault.SKEWED, {}),
    "uses a strange word": (Fault.STRANGE_WORD, {}),
    "garbles its reasons": (Fault.GARBLES, {}),
}
WITH_ITS_JOBS: Troubles = {
    "forgets them for ever": (Fault.FORGETS, {"for_ever": True}),
    "holds them": (Fault.HOLDS, {}),
    "fails them": (Fault.FAILS_FAST, {}),
    "kills them": (Fault.KILLS, {}),
    "removes them": (Fault.REMOVES, {}),
    "requeues them": (Fault.REQUEUES, {}),
}
