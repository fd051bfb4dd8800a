"""The plan: what the next cycle would do, with present or supposed values. Nothing is changed.

The VOs are planned in the order of their names, which is one possible order of their cycles. Slots
that one VO would get are no longer free for the next.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worker.db import vos
from worker.db.slots import CESlots
from worker.domain.access import Role
from worker.domain.ce import CE
from worker.domain.decision import Decision
from worker.domain.errors import UnknownCE, UnknownVO
from worker.domain.nearest import nearest
from worker.domain.validation import FileTable, naming_place, read
from worker.domain.vo import VO
from worker.services import policies
from worker.services.allowed import allowed_to
from worker.services.facts import Situation
from worker.services.runtime import Runtime
from worker.services.tasks.submit_pilots import decide, read_situation


class SupposedCE(FileTable):
    """The values of a CE that may be supposed."""

    capacity: int = 0
    waiting_limit: int | None = None
    success_rate: float = 1.0
    enabled: bool = True
    draining: bool = False


class SupposedVO(FileTable):
    """The values of a VO that may be supposed."""

    share: float = 1.0
    limit: int | None = None
    demand: int | None = None
    demand_min: int | None = None
    demand_max: int | None = None
    budget: int | None = None
    enabled: bool = True
    draining: bool = False


@dataclass(frozen=True, kw_only=True)
class Supposed:
    """The supposed values, by the name of the CE or VO."""

    ces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    vos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


NOTHING = Supposed()


@allowed_to(Role.READ)
def plan(
    runtime: Runtime,
    vo: str | None = None,
    supposed: Supposed = NOTHING,
    *,
    policy: str | None = None,
) -> dict[str, list[Decision]]:
    """Show what the next cycle would do, for one VO or for all, and change nothing.

    Other values of CEs and VOs, and another policy, may be supposed.
    """
    if policy is not None:
        runtime = replace(runtime, policy=policies.find(policy))
    with runtime.database.uow() as tx:
        names = [vo] if vo is not None else vos.names(tx)
        situations = {name: read_situation(tx, runtime, name) for name in names}
        _check(situations[names[0]], supposed)
    granted_at: Counter[str] = Counter()
    granted_to: dict[str, int] = {}
    decided = {}
    for name, situation in situations.items():
        supposing = _suppose(situation, supposed)
        decided[name] = decide(runtime, _after(supposing, granted_at, granted_to))
        granted_at.update({one.ce: one.granted for one in decided[name]})
        granted_to[name] = sum(one.granted for one in decided[name])
    return decided


def _check(situation: Situation, supposed: Supposed) -> None:
    """Refuse unknown CEs and VOs, and values that a CE or VO cannot have."""
    known_ces, known_vos = {ce.name for ce in situation.ces}, {vo.name: vo for vo in situation.vos}
    for name, values in supposed.ces.items():
        if name not in known_ces:
            raise UnknownCE(name, nearest(name, known_ces))
        with naming_place(f"CE {name}"):
            read(SupposedCE, values)
            CE(**{"name": name, "backend": "any", "capacity": 0, **values})
    for name, values in supposed.vos.items():
        if name not in known_vos:
            raise UnknownVO(name, nearest(name, known_vos))
        with naming_place(f"VO {name}"):
            read(SupposedVO, values)
            replace(known_vos[name], **values)


def _suppose(situation: Situation, supposed: Supposed) -> Situation:
    return replace(
        situation,
        vo=_other_vo(situation.vo, supposed),
        vos=tuple(_other_vo(vo, supposed) for vo in situation.vos),
        ces=tuple(_other_ce(ce, supposed.ces.get(ce.name, {})) for ce in situation.ces),
    )


def _other_vo(vo: VO, supposed: Supposed) -> VO:
    values = dict(supposed.vos.get(vo.name, {}))
    if "demand" in values:
        values["source"] = None  # a supposed demand replaces the source's answer
    return replace(vo, **values)


def _other_ce(ce: CESlots, values: Mapping[str, Any]) -> CESlots:
    if "success_rate" in values:
        return replace(ce, **{**values, "learned": {}})  # a supposed rate replaces what was learnt
    return replace(ce, **values)


def _after(
    situation: Situation, granted_at: Mapping[str, int], granted_to: Mapping[str, int]
) -> Situation:
    """Return a situation as it would be after the pilots that were planned for earlier VOs."""
    counts = {
        name: (occupying + granted_to.get(name, 0), waiting + granted_to.get(name, 0))
        for name, (occupying, waiting) in {
            **dict.fromkeys(granted_to, (0, 0)),
            **situation.demands.counts,
        }.items()
    }
    return replace(
        situation,
        demands=replace(situation.demands, counts=counts),
        ces=tuple(
            replace(
                ce,
                occupying=ce.occupying + granted_at.get(ce.name, 0),
                waiting=ce.waiting + granted_at.get(ce.name, 0),
            )
            for ce in situation.ces
        ),
    )
