"""What orders have in common that differ only in their stamps: the CE may be called once for all.

It is a tuple, because it is made for each of thousands of orders and is a key of a dictionary.
"""

from typing import NamedTuple

from worker.backends.option_types import check_text
from worker.domain.ce_answers import Order


class Alike(NamedTuple):
    """What the orders of one submission have in common."""

    vo: str
    script: str | None
    arguments: tuple[str, ...]
    url: str | None = None
    grace: float | None = None

    @property
    def problem(self) -> str | None:
        """Why these orders can never be sent; `None` if they can."""
        try:
            for word in (self.script or "", *self.arguments):
                check_text(word)
        except ValueError as error:
            return f"the script or an argument: {error}"
        return None


def alike(order: Order) -> Alike:
    """Return what an order has in common with others of its submission."""
    return Alike(order.vo, order.script, tuple(order.arguments), order.url, order.grace)
