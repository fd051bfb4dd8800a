"""The first argument of every service, and the result of a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from worker.backends import credentials, registry
from worker.backends.contract import Backend, Means, Options
from worker.backends.guard import Guard
from worker.db.database import Database
from worker.domain.ce import CE
from worker.domain.pilot_secret import NO_KEYS, PilotKeys
from worker.domain.schedule import Outcome
from worker.domain.webhook import Webhook
from worker.policy.allocation import three_chances
from worker.policy.contract import Policy
from worker.policy.parameters import DEFAULTS, Parameters

Nudge = Callable[[str, str], object]
"""Sends a nudge to a task, for a VO or CE. It may be lost; the next tick finds the same work."""


def no_nudge(task: str, subject: str) -> None:
    """Do nothing: a task that is run by hand nudges no other."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The database, the back-ends, the clock, and the means to reach other tasks."""

    database: Database
    backends: Mapping[str, Backend]
    home: Path
    now: Callable[[], datetime]
    holder: str
    nudge: Nudge = no_nudge
    by_hand: bool = False
    instance: str = "pilotage"
    budget: int = 1000
    batch: int = 1000
    keep_failed_output: int = 0
    policy: Policy = three_chances
    parameters: Parameters = DEFAULTS
    lease: timedelta = timedelta(seconds=180)
    soft_limit: timedelta = timedelta(seconds=140)
    """How long an execution may take, with all its calls; after that it is asked to end."""
    keep_final: timedelta = timedelta(days=30)
    keep_decisions: timedelta = timedelta(days=7)
    keep_reports: timedelta = timedelta(days=365)
    keep_changes: timedelta = timedelta(days=730)
    pilot_keys: PilotKeys = NO_KEYS
    """The keys from which the secrets of pilots are derived."""
    web_url: str | None = None
    """The URL at which pilots reach the server; `None` if they cannot."""
    webhook: Webhook | None = None
    """The receiver of webhook events; `None` if there is none."""

    def options(self, ce: CE) -> Options:
        return registry.check_options(self.backends, ce.backend, ce.options)

    def driver(self, ce: CE) -> Guard:
        """Make the driver of a CE, with the validated options of the CE."""
        uow = self.database.uow
        means = Means(
            uow=uow,
            home=self.home,
            now=self.now,
            credentials=partial(credentials.of_each_vo, uow, ce.backend, self.now),
            prefix=self.instance,
        )
        return registry.connect(self.backends, ce, means)


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The result of one execution of a task: its counts, and the lines to show."""

    outcome: Outcome = Outcome.OK
    counts: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    busy: bool = False
    left: str = ""
    """The work that is left to the next execution, which follows at once."""

    def __str__(self) -> str:
        counted = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        left = f"; still to do: {self.left}" if self.left else ""
        return f"{counted or self.outcome}{left}"

    def followed_by(self, other: "TaskResult") -> "TaskResult":
        """Return the combined result of two executions of the same work."""
        names = {**self.counts, **other.counts}
        counts = {n: self.counts.get(n, 0) + other.counts.get(n, 0) for n in names}
        return replace(other, counts=counts, lines=(*self.lines, *other.lines))


def skipped(*why: str) -> TaskResult:
    """Return the result of an execution that had nothing to do."""
    return TaskResult(outcome=Outcome.SKIPPED, lines=why)


def busy(who: str) -> TaskResult:
    """Return the result of an execution that found another one running; it may be repeated."""
    return TaskResult(outcome=Outcome.SKIPPED, lines=(who,), busy=True)
