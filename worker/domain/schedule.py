"""When a periodic task fires, and how it went."""

from worker.domain.words import Described


class Scope(Described):
    """What one execution of a task is for."""

    VO = "vo", "One VO."
    CE = "ce", "One CE."
    GLOBAL = "global", "All."


class Outcome(Described):
    """How the last execution of a task ended."""

    OK = "ok", "It did its work and committed."
    FAILED = (
        "failed",
        "An error ended it, or a part of its work; what it committed before stays.",
    )
    SKIPPED = "skipped", "Another execution held its lock, or there was nothing to do."
