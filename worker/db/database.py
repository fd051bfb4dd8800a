"""One database: its address, its engine, its unit of work, and the chains that make its tables."""

from collections.abc import Iterable
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine
from sqlalchemy.pool import QueuePool

from worker.db.account import account
from worker.db.chains import CORE_CHAIN, Chain
from worker.db.engine import POOL_SIZE, make_engine, shown
from worker.db.uow import UnitOfWork
from worker.domain.change import Actor

if TYPE_CHECKING:
    from worker.db.answered import Once


class Database:
    """A database, as the services get it. Nothing is opened before it is used.

    Changes by its unit of work are stored with the name of the actor, by default the account of
    this process.
    """

    def __init__(
        self,
        url: URL,
        backend_chains: Iterable[Chain] = (),
        *,
        pool_size: int = POOL_SIZE,
        actor: Actor | None = None,
    ) -> None:
        self.url = url
        self.actor = actor or Actor(who=account())
        self.chains = [CORE_CHAIN, *backend_chains]
        self._pool_size = pool_size

    @cached_property
    def engine(self) -> Engine:
        """The engine, made on first use."""
        return make_engine(self.url, pool_size=self._pool_size)

    @cached_property
    def uow(self) -> UnitOfWork:
        """The unit of work on this database."""
        return UnitOfWork(self.engine, self.actor)

    def used_by(self, actor: Actor, *, once: "Once | None" = None) -> "Database":
        """Return this database for another actor; both share one engine.

        With `once`, it is for a request that is done once, however often it is sent.
        """
        other = copy(self)
        other.engine = self.engine
        other.actor = actor
        other.uow = self.uow.used_by(actor, once=once)
        return other

    def connections(self) -> tuple[int, int] | None:
        """Return how many connections of this process are in use and idle, if it has a pool."""
        pool = self.engine.pool
        return (pool.checkedout(), pool.checkedin()) if isinstance(pool, QueuePool) else None

    def close(self) -> None:
        """Close the engine, if it was used; the next use opens it again."""
        if "engine" in vars(self):
            self.engine.dispose()

    def __str__(self) -> str:
        return shown(self.url)
