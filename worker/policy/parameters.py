"""The parameters of the policy, with defaults that did well in simulations.

None is critical: twice or half of a default changes the results little. Prices are in hours of one
slot.
"""

from dataclasses import dataclass, fields
from datetime import timedelta

from worker.domain.errors import Invalid
from worker.policy.failures import FAST


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """How quickly the policy learns and pauses CEs, and the prices of failures."""

    half_life: timedelta = timedelta(minutes=30)
    """Recent outcomes count half after this time."""

    prior: float = 4.0
    """Weight of the long-term rate, in pilots, against recent outcomes."""

    memory: timedelta = timedelta(hours=24)
    """In the long-term rate, outcomes count half after this time."""

    configured_worth: float = 10.0
    """Weight of the configured success rate, in pilots, in the long-term rate."""

    survival: timedelta = FAST
    """A pilot that has run for this time has started well."""

    surprise: float = 0.001
    """A CE is paused after a run of failures whose probability by chance is below this."""

    least_run: int = 3
    """Fewest consecutive failures, refusals among them, that can pause a CE."""

    stuck_after: timedelta = timedelta(minutes=30)
    """A CE is stuck when its oldest pilot has waited for this time and none began in this time."""

    short_part: float = 0.1
    """A pilot that ends well within this part of the usual life of its VO's pilots was short; with
    0 none is."""

    least_short: int = 5
    """Fewest short pilots in a row that can pause a CE, or show that a VO has no work."""

    known_after: timedelta = timedelta(minutes=2)
    """After the survival time, this long is allowed until it is known whether a pilot survived;
    until then it is not compared with others."""

    trickle: int = 2
    """Demand of a VO whose pilots find no work: how many wait at a time."""

    lived_part: float = 0.75
    """A running pilot's life counts by this part; the rest counts when the pilot ends well."""

    better_part: float = 0.25
    """If a finite demand fits the slots of the CEs whose worth is at least this part of the best
    CE's, it waits for them; with 0 it never waits."""

    probe_soonest: timedelta = timedelta(minutes=4)
    """Shortest time between two probes of a paused CE."""

    probe_latest: timedelta = timedelta(minutes=10)
    """Longest time between two probes of a paused CE."""

    probe_part: float = 4.0
    """Within these two, the time between probes is the length of the pause divided by this."""

    forgiven: float = 0.25
    """Weight that old failures keep when the pause of a CE ends."""

    price_failed: float = 0.1
    """Price of a failed pilot: the work it makes, and the slot that it blocks."""

    price_late: float = 0.33
    """Additional price of a pilot that fails late: it used half the time of its slot."""

    price_refused: float = 0.05
    """Price of a refused submission."""

    worthless_probe: timedelta = timedelta(minutes=30)
    """Time between two probes of a CE whose pilots cost more than they bring."""

    preference: float = 10.0
    """Where slots are scarce, the weight of a CE is its room times its chance to this power."""

    drain_after: timedelta = timedelta(minutes=20)
    """When the oldest pilot has waited this long, no more pilots may wait than began in the last
    hour."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = timedelta() if isinstance(value, timedelta) else 0
            if value < least or (value == least and field.name in NEVER_ZERO):
                raise Invalid(f"parameter {field.name}", f"{value} is too small")
        if not self.surprise < 1:
            raise Invalid("parameter surprise", f"{self.surprise} is not below 1")
        for name in ("forgiven", "short_part", "lived_part", "better_part"):
            if not getattr(self, name) <= 1:
                raise Invalid(f"parameter {name}", f"{getattr(self, name)} is above 1")
        if self.probe_soonest > self.probe_latest:
            raise Invalid("parameter probe_soonest", "it is above probe_latest")


NEVER_ZERO = frozenset(
    {
        *("half_life", "prior", "memory", "configured_worth", "surprise", "least_run"),
        *("probe_part", "least_short", "trickle"),
    }
)
"""The parameters that must not be 0: they are divisors, or 0 would pause every CE or would let a VO
wait for ever."""

DEFAULTS = Parameters()
