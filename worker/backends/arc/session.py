"""One call of the driver: its time limit, its concurrent requests, and its identities."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from worker.backends.arc.access import ArcAccess, open_access
from worker.backends.arc.client import Rest, connected
from worker.backends.arc.options import ArcOptions
from worker.backends.contract import Means
from worker.backends.identities import Answers, Identities, Identity
from worker.backends.remembered import Remembered
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import BackendError, DatabaseError, Unavailable

log = logging.getLogger(__name__)

AGREED_FOR = 600.0
"""Seconds for which the chosen version of REST is reused without a query, unless a call fails."""

_agreed = Remembered[tuple[str, str | None], str](AGREED_FOR)

Value = TypeVar("Value")
Work = Callable[[Rest], Coroutine[Any, Any, Value]]


@dataclass(frozen=True, kw_only=True)
class Session:
    """The values that all parts of the driver use."""

    ce: CE
    options: ArcOptions
    means: Means

    def now(self) -> datetime:
        """Return the current time of the driver's clock."""
        return self.means.now()

    def read(self, work: Callable[[Transaction], Value]) -> Value:
        """Read stored records in a unit of work."""
        with self.means.uow() as tx:
            return work(tx)

    def note(self, work: Callable[[Transaction], object]) -> None:
        """Store something that the CE said.

        The CE's answer stays valid if the database fails: the error is only logged.
        """
        try:
            with self.means.uow() as tx:
                work(tx)
        except DatabaseError as error:
            log.warning("CE %s: its answer about its jobs was not stored: %s", self.ce.name, error)


def run_with_timeout(timeout: float, ce: str, work: Coroutine[Any, Any, Value]) -> Value:
    """Do the work of a call; raise `Unavailable` if it takes longer than the time-out."""

    async def limited() -> Value:
        async with asyncio.timeout(timeout):
            return await work

    try:
        return asyncio.run(limited())
    except TimeoutError:
        raise Unavailable(ce, f"no answer within {timeout:g} s") from None


async def each(
    session: Session, who: Identities, work: Work[Value], answers: Answers[Value]
) -> None:
    """Do the work as each identity, concurrently.

    If the call runs out of time, `answers` has the results of the identities that were done.
    """
    turns = asyncio.Semaphore(session.options.connections)

    async def as_identity(identity: Identity) -> None:
        with answers.noting_problems(identity), _forgetting(session):
            access = open_access(session.ce.name, session.options, identity)
            async with _reached(session, access, turns) as rest:
                answers.by_identity[identity] = await work(rest)

    await asyncio.gather(*map(as_identity, who.usable))


@contextmanager
def _forgetting(session: Session) -> Iterator[None]:
    """Forget the chosen version of REST if the block fails, so that it is chosen again."""
    try:
        yield
    except BackendError:
        _agreed.forget(_line(session))
        raise


@asynccontextmanager
async def _reached(
    session: Session, access: ArcAccess, turns: asyncio.Semaphore
) -> AsyncIterator[Rest]:
    timeout = session.options.call_timeout
    async with connected(access, turns, session.ce.name, session.options.url, timeout) as rest:
        await _agree(session, rest)
        yield rest


async def _agree(session: Session, rest: Rest) -> None:
    """Choose a version of REST with the CE, or use one that this process chose recently."""
    version = _agreed.get(_line(session))
    if version is not None:
        rest.speak(version)
    else:
        await rest.negotiate(session.options.version)
        _agreed.put(_line(session), rest.version)


def _line(session: Session) -> tuple[str, str | None]:
    return session.options.url, session.options.version
