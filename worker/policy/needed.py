"""The need of a VO: its demand less the pilots that it has."""

from worker.policy.facts import VOFacts


def of_demand(vo: VOFacts, demand: int, waiting: int, worth: float) -> tuple[int, str]:
    """Return how many pilots are still needed for a demand, and a sentence about it.

    Of the waiting pilots, only as many are subtracted as are expected to end well. But if the
    number of pilots altogether is given, all of them are subtracted, so that it is never exceeded.
    """
    need = max(0, int(demand - worth + 0.5))
    sentence = f"demand is {demand}"
    if waiting:
        sentence += f"; {waiting} wait, of which {worth:.1f} are expected to end well"
    left = in_all(vo)
    if left is not None and left <= need:
        return left, vo.note or f"{left} more pilots are wanted"
    return need, sentence if vo.note is None else f"{sentence} ({vo.note})"


def in_all(vo: VOFacts) -> int | None:
    """Return how many more pilots are needed if their number altogether is given; else `None`."""
    return None if vo.wanted is None else max(0, vo.wanted - (vo.has or 0))
