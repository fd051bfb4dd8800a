"""What a cluster says of itself. A process asks for it once in ten minutes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from worker.backends.slurm.options import SlurmOptions
from worker.domain.errors import Unreadable

KNOWN_FOR = 600.0
"""Seconds."""

_known: dict[tuple[object, ...], tuple["About", float]] = {}


@dataclass(frozen=True, kw_only=True)
class About:
    """What matters here of a cluster's configuration."""

    name: str
    version: str
    array_size: int
    forget_after: int
    accounting: bool


def known(options: SlurmOptions, ask: Callable[[], About]) -> About:
    """Tell what a cluster said of itself not long ago, or ask it."""
    about, until = _known.get(_line(options), (None, 0.0))
    return about if about is not None and monotonic() < until else learn(options, ask())


def learn(options: SlurmOptions, about: About) -> About:
    """Remember what it said just now."""
    _known[_line(options)] = about, monotonic() + KNOWN_FOR
    return about


def read(said: str) -> About:
    """Read the controller's configuration as scontrol shows it."""
    found = dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", said, re.MULTILINE))
    try:
        return About(
            name=found["ClusterName"],
            version=found["SLURM_VERSION"],
            array_size=int(found["MaxArraySize"]),
            forget_after=int(found["MinJobAge"].split()[0]),
            accounting=not found["AccountingStorageType"].endswith(("none", "(null)")),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(said[:2000], "scontrol show config", str(error)) from error


def _line(options: SlurmOptions) -> tuple[object, ...]:
    """Tell by what way a cluster is reached: the same way leads to the same cluster."""
    return (
        options.ssh,
        options.ssh_port,
        options.ssh_config,
        options.programs,
        options.slurm_conf,
        options.cluster,
    )
