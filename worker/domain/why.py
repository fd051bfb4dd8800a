"""Why a pilot has its status, in a few words without repetitions."""

from worker.domain.pilot import Cause, Status

ECHOES = {
    Status.SUBMITTED: {"submitted", "pending", "queued", "idle", "waiting"},
    Status.RUNNING: {"running"},
    Status.DONE: {"done", "completed", "finished"},
    Status.FAILED: {"failed"},
    Status.CANCELLED: {"cancelled", "canceled"},
}
"""Raw words of CEs that only repeat the status of a pilot."""


def why(became: Status, cause: Cause | None, raw: str | None, reason: str | None) -> list[str]:
    """Return the cause, the CE's word and the reason of a pilot, without repetitions.

    The cause is left out if the reason begins with it. The CE's word is left out if the reason
    contains all its words, or if it only repeats the status or the cause.
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
