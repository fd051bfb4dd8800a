"""The installed policies: ours and the operator's own, through the same entry point."""

from worker import plugins
from worker.domain.errors import ConfigurationError
from worker.domain.nearest import nearest
from worker.policy.contract import DEFAULT_POLICY, Bounded, Policy

GROUP = "pilotage.policies"


def find(name: str = DEFAULT_POLICY) -> Policy:
    """Load a policy. The decisions of one that is not ours are checked against the contract."""
    installed = plugins.names(GROUP)
    if name not in installed:
        raise ConfigurationError(f"unknown policy {name}", nearest(name, installed))
    policy = plugins.load(GROUP, object, "policy", only=name)[name]
    if not callable(policy):
        raise ConfigurationError(f"policy {name}", "it is not a function")
    ours = policy.__module__.startswith("worker.policy.")
    return policy if ours else Bounded(name, policy)
