"""Why a pilot became what it is, each thing said once."""

from worker.domain.pilot import Cause, Status

ECHOES = {
    Status.SUBMITTED: {"submitted", "pending", "queued", "idle", "waiting"},
    Status.RUNNING: {"running"},
    Status.DONE: {"done", "completed", "finished"},
    Status.FAILED: {"failed"},
    Status.CANCELLED: {"cancelled", "canceled"},
}
"""Raw words that say of a pilot what its status says already."""


def why(became: Status, cause: Cause | None, raw: str | None, reason: str | None) -> list[str]:
    """Return its cause, what the CE said and the reason, without what another of them says.

    A reason that spells the cause out makes it needless, and so does one that has all words of
    what the CE said.
    """
    spoken = set((reason or "").lower().split())
    is_echo = raw is not None and (
        raw.lower() in {*ECHOES.get(became, ()), str(cause)} or set(raw.lower().split()) <= spoken
    )
    words = (cause_beside(cause, reason), None if is_echo else raw, reason)
    return [str(word) for word in dict.fromkeys(words) if word]


def cause_beside(cause: Cause | None, reason: str | None) -> Cause | None:
    """Return the cause, unless the reason spells it out."""
    is_spelt = cause is not None and str(reason).startswith(str(cause).replace("_", " "))
    return None if is_spelt else cause
