"""What is still needed of a demand, once the pilots that a VO has are counted off."""

from worker.policy.facts import VOFacts


def of_demand(vo: VOFacts, demand: int, waiting: int, worth: float) -> tuple[int, str]:
    """Return how many pilots a demand still needs, and a sentence about it.

    Of those that wait, as many count as are expected to end well. Where pilots are wanted
    altogether, all of them count, so that there are never more.
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
    """Return how many more are needed where pilots are wanted altogether, or `None`."""
    return None if vo.wanted is None else max(0, vo.wanted - (vo.has or 0))
