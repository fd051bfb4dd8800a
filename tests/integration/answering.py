"""Do the work of a request that must be done only once, and die at a given moment.

python -m tests.integration.answering URL KEY MOMENT
"""

import os
import signal
import sys
from typing import Any

from tests.factories import a_vo
from worker.db.answered import Once
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.domain.change import Actor, Door

WHO = "alice"
HASH = "a" * 64
ANSWER = {"vo": "lhcb"}
MOMENTS = ("begun", "worked", "encoded", "committed", "never")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def request(database: Database, key: str, moment: str = "never") -> Any:
    """Add a VO; a request with the same key adds nothing and gets the same answer."""

    def encode(answer: object) -> object:
        if moment == "encoded":
            die()
        return answer

    once = Once(who=WHO, key=key, request_hash=HASH, encode=encode)
    with database.used_by(Actor(who=WHO, door=Door.API), once=once).uow() as tx:
        if moment == "begun":
            die()
        a_vo().named(ANSWER["vo"]).create(tx)
        if moment == "worked":
            die()
        if moment == "committed":
            tx.after_commit(die)
        return tx.answer(ANSWER)


if __name__ == "__main__":
    request(Database(parse_url(sys.argv[1])), sys.argv[2], sys.argv[3])
