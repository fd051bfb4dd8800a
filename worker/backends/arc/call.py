"""One call of the driver: its time, its turns at the CE, and the identities that it speaks as."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from worker.backends.arc.access import Access, open_access
from worker.backends.arc.options import ArcOptions
from worker.backends.arc.rest import Rest, connected
from worker.backends.contract import Means
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import BackendError, CredentialProblem, DatabaseError, Unavailable

log = logging.getLogger(__name__)

AGREED_FOR = 600.0
"""Seconds for which a CE is not asked again which versions it speaks, unless a call fails."""

_agreed: dict[tuple[str, str | None], tuple[str, float]] = {}

Value = TypeVar("Value")
Work = Callable[[Rest], Coroutine[Any, Any, Value]]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the parts of the driver work with."""

    ce: CE
    options: ArcOptions
    means: Means

    def now(self) -> datetime:
        """Tell the time."""
        return self.means.now()

    def read(self, work: Callable[[Transaction], Value]) -> Value:
        """Look into what is remembered."""
        with self.means.uow() as tx:
            return work(tx)

    def note(self, work: Callable[[Transaction], object]) -> None:
        """Remember something of what the CE said; its answer stands, whether or not it is noted."""
        try:
            with self.means.uow() as tx:
                work(tx)
        except DatabaseError as error:
            log.warning("CE %s: what it said of its jobs was not noted: %s", self.ce.name, error)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the work for each VO: an answer, or an error."""

    answers: dict[tuple[str, ...], Any] = field(default_factory=dict)
    problems: dict[str, BackendError] = field(default_factory=dict)

    def raise_if_vain(self) -> None:
        """Raise an error, if not one identity had an answer."""
        if self.problems and not self.answers:
            errors = list(self.problems.values())
            # What is wrong with the CE says more than what is wrong with one credential.
            raise next((e for e in errors if not isinstance(e, CredentialProblem)), errors[0])


def within(timeout: float, ce: str, work: Coroutine[Any, Any, Value]) -> Value:
    """Do the work of a call, and give it up when its time has passed."""

    async def limited() -> Value:
        async with asyncio.timeout(timeout):
            return await work

    try:
        return asyncio.run(limited())
    except TimeoutError:
        raise Unavailable(ce, f"no answer within {timeout:g} s") from None


async def each(
    desk: Desk,
    vos: Iterable[str] | None,
    work: Work[Any],
    outcome: Outcome,
) -> None:
    """Do the work as each identity of these VOs, side by side; of all VOs that have one if `None`.

    What is done by the time that the call is given up stands in the outcome.
    """
    turns = asyncio.Semaphore(desk.options.connections)
    accesses = _accesses(desk, vos, outcome)

    async def one(access: Access) -> None:
        try:
            async with _reached(desk, access, turns) as rest:
                outcome.answers[access.vos] = await work(rest)
        except BackendError as error:
            _agreed.pop(_line(desk), None)
            outcome.problems.update(dict.fromkeys(access.vos, error))

    await asyncio.gather(*(one(access) for access in accesses))


@asynccontextmanager
async def _reached(desk: Desk, access: Access, turns: asyncio.Semaphore) -> AsyncIterator[Rest]:
    timeout = desk.options.call_timeout
    async with connected(access, turns, desk.ce.name, desk.options.url, timeout) as rest:
        await _agree(desk, rest)
        yield rest


async def _agree(desk: Desk, rest: Rest) -> None:
    """Agree with the CE upon a version of REST, unless this process has done so of late."""
    version, until = _agreed.get(_line(desk), ("", 0.0))
    if monotonic() < until:
        rest.speak(version)
    else:
        await rest.negotiate(desk.options.version)
        _agreed[_line(desk)] = rest.version, monotonic() + AGREED_FOR


def _line(desk: Desk) -> tuple[str, str | None]:
    return desk.options.url, desk.options.version


def _accesses(desk: Desk, vos: Iterable[str] | None, outcome: Outcome) -> list[Access]:
    """Open the credential of each VO; VOs that share a file share the identity."""
    held = desk.means.credentials(desk.options.credential)
    by_path: dict[Path, list[str]] = {}
    for vo in held if vos is None else dict.fromkeys(vos):
        found = held.get(vo) or CredentialProblem(
            desk.ce.name, f"VO {vo} has no {desk.options.authentication} for it"
        )
        if isinstance(found, CredentialProblem):
            outcome.problems[vo] = found
        else:
            by_path.setdefault(Path(found), []).append(vo)
    opened = []
    for path, sharing in by_path.items():
        try:
            opened.append(open_access(desk.ce.name, desk.options, tuple(sharing), path))
        except CredentialProblem as error:
            outcome.problems.update(dict.fromkeys(sharing, error))
    return opened
