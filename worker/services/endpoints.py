"""The API as a table: which request calls which action.

`worker.web` serves these requests, and a command with --server sends them. Both derive the
arguments and the answer of an action from its signature, with `worker.services.arguments`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from worker.services import credentials, payloads
from worker.services.observe import (
    answers,
    audit,
    calls,
    capacity,
    failing,
    metrics,
    overview,
    plan,
    reports,
    tasks,
    trend,
    use,
)
from worker.services.operate import (
    ce_inventory,
    pauses,
    pilot_sets,
    pilots,
    tokens,
    vo_inventory,
)
from worker.services.tasks import ticks

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One request: its method, its path under /api, and the action that it calls."""

    method: Method
    path: str
    action: Callable[..., Any]
    group: str
    makes: bool = False
    """Whether it creates something."""
    takes_key: bool = False
    """Whether it takes an idempotency key.

    Creating a token takes none: its secret is shown only once, so a repeated request could not get
    it again.
    """
    is_text: bool = False
    """Whether the answer is plain text."""
    version: Callable[[Any], str] | None = None
    """Computes the version of the returned object, for ETag and If-Match."""

    @property
    def name(self) -> str:
        """Its name within the group."""
        return self.action.__name__.strip("_")

    @property
    def returns_nothing(self) -> bool:
        return get_type_hints(self.action)["return"] is type(None)

    @property
    def status(self) -> int:
        """The HTTP status of the answer when the action succeeded."""
        return 201 if self.makes else 200


def _group(name: str, *endpoints: tuple[Method, str, Callable[..., Any]]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            method=method,
            path=path,
            action=action,
            group=name,
            makes=action in MAKING,
            takes_key=action in MAKING - {tokens.create},
            is_text=action is metrics.metrics,
            version=VERSIONS.get(action),
        )
        for method, path, action in endpoints
    )


MAKING = {
    ce_inventory.add_ce,
    credentials.add,
    pauses.add_maintenance,
    pilot_sets.submit,
    tokens.create,
    vo_inventory.add_vo,
}
VERSIONS: dict[Callable[..., Any], Callable[[Any], str]] = {
    ce_inventory.show_ce: ce_inventory.version,
    ce_inventory.change_ce: ce_inventory.version,
    vo_inventory.show_vo: vo_inventory.version,
    vo_inventory.change_vo: vo_inventory.version,
}

ENDPOINTS = (
    *_group(
        "overview",
        ("GET", "/status", overview.overview),
        ("GET", "/trend", trend.trend),
        ("GET", "/decisions", overview.list_decisions),
        ("POST", "/plan", plan.plan),
        ("GET", "/failures", failing.summary),
        ("GET", "/reports", reports.stored),
        ("GET", "/sums", reports.sums_of),
        ("GET", "/audit", audit.recorded),
        ("GET", "/metrics", metrics.metrics),
    ),
    *_group(
        "pilots",
        ("GET", "/pilots", pilots.list_pilots),
        ("GET", "/pilots/counts", pilot_sets.count_active),
        ("POST", "/pilots/cancel", pilot_sets.cancel_matching),
        ("POST", "/pilots/cancel_named", pilots.cancel),
        ("GET", "/pilots/{which}", pilots.show_pilot),
        ("GET", "/pilots/{which}/output", pilots.output),
        ("POST", "/ces/{ce}/pilots", pilot_sets.submit),
    ),
    *_group(
        "ces",
        ("GET", "/ces", ce_inventory.list_ces),
        ("POST", "/ces", ce_inventory.add_ce),
        ("GET", "/ce_names", ce_inventory.ce_names),
        ("GET", "/ces/{name}", ce_inventory.show_ce),
        ("PATCH", "/ces/{name}", ce_inventory.change_ce),
        ("DELETE", "/ces/{name}", ce_inventory.remove_ce),
        ("POST", "/ces/{ce}/pause", pauses.pause),
        ("POST", "/ces/{ce}/resume", pauses.resume),
        ("GET", "/ces/{ce}/pauses", pauses.history),
        ("GET", "/ces/{ce}/calls", calls.calls_of),
        ("GET", "/ces/{ce}/decisions", overview.explain),
        ("POST", "/ces/{ce}/maintenances", pauses.add_maintenance),
        ("DELETE", "/ces/{ce}/maintenances/{which}", pauses.remove_maintenance),
        ("GET", "/maintenances", pauses.maintenances_of),
    ),
    *_group(
        "vos",
        ("GET", "/vos", vo_inventory.list_vos),
        ("POST", "/vos", vo_inventory.add_vo),
        ("GET", "/vo_names", vo_inventory.vo_names),
        ("GET", "/vos/{name}", vo_inventory.show_vo),
        ("PATCH", "/vos/{name}", vo_inventory.change_vo),
        ("DELETE", "/vos/{name}", vo_inventory.remove_vo),
        ("GET", "/vos/{name}/above_limit", vo_inventory.above_limit),
        ("GET", "/vos/{name}/use", use.of_vo),
        ("GET", "/vos/{name}/answer", answers.answer_of),
        ("GET", "/vos/{name}/capacity", capacity.capacity_of),
        ("GET", "/vos/{vo}/payload", payloads.show),
        ("PUT", "/vos/{vo}/payload", payloads.set_),
        ("DELETE", "/vos/{vo}/payload", payloads.clear),
    ),
    *_group(
        "credentials",
        ("GET", "/credentials", credentials.list_all),
        ("POST", "/credentials", credentials.add),
        ("GET", "/credentials/{vo}/{backend}", credentials.show),
        ("PATCH", "/credentials/{vo}/{backend}", credentials.change),
        ("DELETE", "/credentials/{vo}/{backend}", credentials.remove),
        ("GET", "/backends/{backend}/credentials/{kind}", credentials.useless),
    ),
    *_group(
        "tokens",
        ("GET", "/tokens", tokens.list_tokens),
        ("POST", "/tokens", tokens.create),
        ("DELETE", "/tokens/{name}", tokens.revoke),
        ("GET", "/token_names", tokens.token_names),
    ),
    *_group(
        "tasks",
        ("GET", "/tasks", tasks.list_tasks),
        ("PATCH", "/tasks/{task}", ticks.set_schedule),
    ),
)
