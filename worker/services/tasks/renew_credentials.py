"""renew_credentials: check every credential, renew those that are due, warn before they expire.

Take the turn (committed), check the files and run the commands, record the results (committed). A
credential is renewed even if no pilot is sent or checked. The output of a command is not kept; if
it failed, only its exit code and its last line of error output are, shortened and without words
that could be secrets.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from worker.backends import credentials as files
from worker.backends import shell
from worker.db import credentials, webhook_events
from worker.db.uow import Transaction
from worker.domain.credential import (
    Credential,
    CredentialKind,
    called,
    problem_of,
    renewal_due,
    warning,
)
from worker.domain.errors import BackendError, Invalid
from worker.domain.schedule import Outcome
from worker.domain.secrets import without_long_words
from worker.domain.texts import one_line
from worker.domain.webhook import credential_event
from worker.policy.polling import after_failures
from worker.services.runtime import Runtime, TaskResult, busy, skipped
from worker.services.turns import Turn

log = logging.getLogger(__name__)

LEASE = "renew_credentials"
TIME_LIMIT = 30.0
"""How many seconds a command may take."""
ENOUGH = 90.0
"""After this many seconds no further command is started; the next execution continues."""
BACK_OFF = timedelta(minutes=1)
"""The delay after the first failed renewal in a row; it doubles."""
_SHOWN = 200


def renew_credentials(runtime: Runtime) -> TaskResult:
    """Check every credential, and renew those that are due."""
    return renew(runtime, lambda credential: renewal_due(credential, runtime.now()))


def renew(runtime: Runtime, is_due: Callable[[Credential], bool]) -> TaskResult:
    """Check every credential, and renew those for which `is_due` is true."""
    with runtime.database.uow() as tx:
        turn = Turn.take(tx, runtime, LEASE)
        if turn is None:
            return busy("another execution renews credentials")
        stored = credentials.get_all(tx)
        if not stored:
            turn.give_back(tx)
            return skipped("there is no credential")
    with turn:
        results = _look_and_renew(runtime, stored, is_due)
        with runtime.database.uow() as tx:
            credentials.save_looks(tx, results.looks)
            webhook_events.add(tx, _events(stored, results.looks, runtime.now()), runtime.now())
            if runtime.by_hand:
                _note_renewals(tx, stored, results.looks)
            turn.give_back(tx)
    _warn(runtime, stored, results.looks)
    return _done(runtime, results)


def _events(
    stored: Collection[Credential], looks: Collection[Credential], now: datetime
) -> list[webhook_events.NewEvent]:
    before = {look.id: look for look in stored}
    events = (credential_event(before[look.id], look, now) for look in looks)
    return [event for event in events if event is not None]


def _note_renewals(
    tx: Transaction, stored: Collection[Credential], looks: Collection[Credential]
) -> None:
    before = {look.id: look for look in stored}
    for look in looks:
        if look.renewed_at != before[look.id].renewed_at:
            credentials.note_renewal(tx, before[look.id], look)


def renew_one(
    runtime: Runtime, vo: str | None, backend: str, kind: CredentialKind | None
) -> TaskResult:
    """Renew one credential now, whether or not it is due."""
    with runtime.database.uow() as tx:
        chosen = credentials.get(tx, vo, backend, kind)
    if chosen.renew is None:
        raise Invalid(called(chosen), "it has no command that renews it")
    done = renew(runtime, lambda credential: credential.id == chosen.id)
    lines = tuple(line for line in done.lines if called(chosen) in line)
    return done if done.busy else replace(done, lines=lines)


def plan(runtime: Runtime) -> TaskResult:
    """Return which credentials would be renewed now; run no command."""
    with runtime.database.uow() as tx:
        stored = credentials.get_all(tx)
    now = runtime.now()
    looks = [files.look(credential, now) for credential in stored]
    due = [credential for credential in looks if renewal_due(credential, now)]
    return TaskResult(
        counts={"would look at": len(looks), "would renew": len(due)},
        lines=tuple(f"would renew {called(credential)}" for credential in due),
    )


@dataclass(frozen=True)
class _Round:
    """The result of one execution: every credential as checked, and a line for each renewal."""

    looks: list[Credential] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def _look_and_renew(
    runtime: Runtime, stored: Sequence[Credential], is_due: Callable[[Credential], bool]
) -> _Round:
    began = time.monotonic()
    results = _Round()
    for credential in sorted(stored, key=_urgency):
        look = files.look(credential, runtime.now())
        if look.expires_at != credential.expires_at:
            look = replace(look, retry_at=None, failures=0)
        if look.renew is not None and is_due(look) and time.monotonic() - began < ENOUGH:
            look = _renewed(runtime, look, results)
        results.looks.append(look)
    return results


def _urgency(credential: Credential) -> tuple[bool, float]:
    """Sort by expiry, the earliest first; credentials without a known expiry come before all."""
    ends = credential.expires_at
    return ends is not None, ends.timestamp() if ends is not None else 0.0


def _renewed(runtime: Runtime, before: Credential, results: _Round) -> Credential:
    """Run a credential's command and check the file: only the file shows whether it was renewed."""
    assert before.renew is not None
    why = _run(before.renew)
    now = runtime.now()
    after = files.look(before, now)
    why = why or _not_better(before, after, now)
    if why is None:
        log.info("%s was renewed", called(before))
        results.renewed.append(f"{called(before)} was renewed")
        return replace(after, renewed_at=now, retry_at=None, failures=0)
    results.failed.append(f"{called(before)} could not be renewed: {why}")
    log.warning("%s", results.failed[-1])
    failures = before.failures + 1
    retry_at = after_failures(now, failures, soonest=BACK_OFF)
    return replace(after, retry_at=retry_at, failures=failures)


def _run(words: Sequence[str]) -> str | None:
    """Run a command; return why it failed, or `None`."""
    try:
        ended = shell.run(words, timeout=TIME_LIMIT, env=shell.without_our_settings(), umask=0o077)
    except BackendError as error:
        return _safe_line(": ".join(str(detail) for detail in error.details[:2]))
    if ended.exit_code == 0:
        return None
    last = _safe_line((ended.stderr.strip().splitlines() or [""])[-1])
    return f"its command ended with exit code {ended.exit_code}{': ' if last else ''}{last}"


def _safe_line(line: str) -> str:
    """Make a line of a program's output safe to show: short, printable, without likely secrets."""
    return without_long_words(one_line(line))[:_SHOWN]


def _not_better(before: Credential, after: Credential, now: datetime) -> str | None:
    problem = problem_of(after, now)
    if problem is not None:
        return f"its command ended well, but {problem}"
    if (
        before.expires_at is None
        or after.expires_at is None
        or after.expires_at > before.expires_at
    ):
        return None
    return "its command ended well, but the credential does not expire later than before"


def _warn(runtime: Runtime, stored: Collection[Credential], looks: Collection[Credential]) -> None:
    before = {look.id: look for look in stored}
    for look in looks:
        message = warning(before[look.id], look, runtime.now())
        if message is not None:
            log.warning("%s", message)


def _done(runtime: Runtime, results: _Round) -> TaskResult:
    bad = [
        problem
        for look in results.looks
        if (problem := problem_of(look, runtime.now())) is not None
    ]
    return TaskResult(
        outcome=Outcome.FAILED if results.failed else Outcome.OK,
        counts={
            "looked at": len(results.looks),
            "renewed": len(results.renewed),
            "not renewed": len(results.failed),
            "unusable": len(bad),
        },
        lines=(*results.renewed, *results.failed, *bad),
    )
