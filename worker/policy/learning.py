"""What outcomes teach about a CE: a success rate that starts at the configured one.

Counts halve with time, so that a CE is judged by what it did lately; the configured rate is
worth ten pilots, so that two early failures do not damn it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

SUCCESS_RATE = "success_rate"
HALF_LIFE = timedelta(hours=24)
CONFIGURED_WORTH = 10.0


def fold(
    rates: Mapping[str, Any], *, configured: float, good: int, bad: int, elapsed: timedelta
) -> dict[str, float]:
    """Add new outcomes to what was learnt before."""
    kept = 0.5 ** (elapsed / HALF_LIFE)
    good_now = float(rates.get("good", 0.0)) * kept + good
    bad_now = float(rates.get("bad", 0.0)) * kept + bad
    known = CONFIGURED_WORTH * configured + good_now
    rate = known / (CONFIGURED_WORTH + good_now + bad_now)
    return {"good": good_now, "bad": bad_now, SUCCESS_RATE: rate}
