"""Sharing out: slots to VOs by max-min fairness, pilots to CEs by weight and largest remainder."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from worker.policy.facts import CEFacts, Rival, VOFacts


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The claim of a VO: its share, and the most slots that it would take."""

    share: float
    wants: float


def max_min(claims: Mapping[str, Claim], slots: float) -> dict[str, float]:
    """Share slots out between VOs: no VO gets more than it wants, and the rest goes to the others.

    VOs that want more than they get have slots in proportion to their shares.
    """
    grants = dict.fromkeys(claims, 0.0)
    left = float(slots)
    # A VO with a share of 0 gets what the others leave; for that it needs a small weight.
    weight = {name: max(claim.share, 1e-9) for name, claim in claims.items()}
    # The VO that wants least relative to its share is satisfied first.
    by_want = sorted(claims, key=lambda name: (claims[name].wants / weight[name], name))
    shares = sum(weight.values())
    for name in by_want:
        grants[name] = max(0.0, min(claims[name].wants, left * weight[name] / shares))
        left -= grants[name]
        shares -= weight[name]
    return grants


def entitlement(vo: VOFacts, ces: Sequence[CEFacts], usable: Container[str]) -> int | None:
    """Return how many slots a VO may occupy while others want more; `None` is all that it wants.

    The slots that are shared out are all occupied slots, and the free slots of usable CEs.
    """
    if not any(wants_more(rival) for rival in vo.rivals):
        return None
    offered = {ce.name: ce.occupying + (ce.free if ce.name in usable else 0) for ce in ces}
    slots = sum(offered.values())
    own = Rival(
        name=vo.name,
        share=vo.share,
        demand=vo.demand,
        occupying=sum(ce.vo_occupying for ce in ces),
        waiting=sum(ce.vo_waiting for ce in ces),
        room=vo.room,
    )
    # A CE that is open to some VOs only offers nothing to the other VOs.
    closed = [ce for ce in ces if ce.vos is not None]
    claims = {}
    for party in (own, *vo.rivals):
        shut = sum(offered[ce.name] for ce in closed if party.name not in (ce.vos or ()))
        claims[party.name] = Claim(share=party.share, wants=min(_wants(party), slots - shut))
    part = max_min(claims, slots)[vo.name]
    return None if part >= claims[vo.name].wants else int(part + 0.5)


def is_contested(vo: VOFacts, ce: CEFacts) -> bool:
    """Return whether another VO wants slots of a CE."""
    return any(
        wants_more(rival) and (ce.vos is None or rival.name in ce.vos) for rival in vo.rivals
    )


def scarce(total: int, rooms: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, int]:
    """Share out fewer pilots than there is room for, by weight; no CE gets more than its room.

    What one CE cannot take goes to the others. The rest is given by largest remainder, then by
    name.
    """
    exact: dict[str, float] = {}
    left, weight = float(total), sum(weights.values())
    # The CE with the least room relative to its weight comes first.
    for name in sorted(rooms, key=lambda name: (_fullness(rooms[name], weights[name]), name)):
        part = left * weights[name] / weight if weight > 0 else left
        exact[name] = min(float(rooms[name]), part)
        left -= exact[name]
        weight -= weights[name]
    grants = {name: min(rooms[name], int(part + 1e-9)) for name, part in exact.items()}
    rest = total - sum(grants.values())
    while rest > 0:
        order = sorted(
            (name for name in rooms if grants[name] < rooms[name]),
            key=lambda name: (grants[name] - exact[name], name),
        )
        for name in order[:rest]:
            grants[name] += 1
        rest -= len(order[:rest])
    return grants


def wants_more(rival: Rival) -> bool:
    """Return whether a VO wants more slots than it has."""
    wanting = rival.demand is None or rival.demand > rival.waiting
    return wanting and (rival.room is None or rival.room > 0)


def _wants(rival: Rival) -> float:
    running = rival.occupying - rival.waiting
    wants = float("inf") if rival.demand is None else float(running + rival.demand)
    if rival.room is not None:
        wants = min(wants, rival.occupying + max(0, rival.room))
    return max(wants, float(rival.occupying))


def _fullness(room: int, weight: float) -> float:
    return room / weight if weight > 0 else float("inf")
