"""A request with a key is done once, also if two come at a time or a process is killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from tests.integration.answering import ANSWER, HASH, MOMENTS, WHO, request
from tests.patience import PATIENCE, until
from worker.db import tokens, vos
from worker.db.answered import AnsweredBefore, Once
from worker.db.database import Database
from worker.db.engine import POSTGRESQL
from worker.db.tables import answered_requests, changes
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.change import Actor
from worker.domain.token import LIFE_OF_LINK, Token, TokenKind

ROOT = Path(__file__).parents[2]
KEY = "4711"
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def killed_at(database: Database, moment: str) -> int:
    """Send the request from a process that dies at this moment; return its exit code."""
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.integration.answering", url, KEY, moment]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=PATIENCE).returncode


def work_done(database: Database) -> tuple[bool, int, int]:
    """Return whether the VO exists, and the numbers of changes and of keys that are stored."""
    with database.uow() as tx:
        changes_count, keys_count = (
            tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (changes, answered_requests)
        )
        return ANSWER["vo"] in vos.names(tx), changes_count, keys_count


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_repeat_after_a_kill_completes_the_work_or_gets_the_answer(
    database: Database, moment: str
) -> None:
    was_committed = moment in ("committed", "never")
    assert killed_at(database, moment) == (0 if moment == "never" else -signal.SIGKILL)
    assert work_done(database) == ((True, 1, 1) if was_committed else (False, 0, 0))

    if was_committed:
        with pytest.raises(AnsweredBefore) as caught:
            request(database, KEY)
        assert caught.value.answer == ANSWER
    else:
        assert request(database, KEY) == ANSWER

    assert work_done(database) == (True, 1, 1)


def second_of_two(database: Database, first: Callable[[Transaction], object]) -> Future[Any]:
    """Send a request, and a second one before the first has ended; return the second."""
    once = Once(who=WHO, key=KEY, request_hash=HASH)
    mine = database.used_by(Actor(who=WHO), once=once)
    with ThreadPoolExecutor(1) as pool, suppress(ZeroDivisionError), mine.uow() as tx:
        second = pool.submit(request, database, KEY)
        if tx.dialect == POSTGRESQL:
            until(
                lambda: tx.execute(text(WAITS)).scalar_one(),
                "the second request to wait for the first",
            )
        else:
            threading.Event().wait(0.2)  # the second waits for the only writer
        assert not second.done()
        first(tx)
    second.exception(PATIENCE)
    return second


def test_of_two_at_the_same_moment_one_does_it_and_the_other_gets_its_answer(
    database: Database,
) -> None:
    before = second_of_two(database, lambda tx: tx.answer("of the first")).exception()

    assert isinstance(before, AnsweredBefore)
    assert before.answer == "of the first"
    assert work_done(database) == (False, 0, 1)


def test_if_the_first_is_rolled_back_the_second_does_it(database: Database) -> None:
    second = second_of_two(database, lambda tx: tx.answer(1) / 0)

    assert second.result() == ANSWER
    assert work_done(database) == (True, 1, 1)


def test_of_many_at_the_same_moment_one_does_it(database: Database) -> None:
    together = threading.Barrier(6)

    def send() -> tuple[str, Any]:
        together.wait(PATIENCE)
        try:
            return ("did it", request(database, KEY))
        except AnsweredBefore as before:
            return ("was answered", before.answer)

    with ThreadPoolExecutor(6) as pool:
        answers = [one.result(PATIENCE) for one in [pool.submit(send) for _ in range(6)]]

    assert sorted(answers, key=str) == [("did it", ANSWER)] + [("was answered", ANSWER)] * 5
    assert work_done(database) == (True, 1, 1)


def test_of_many_who_use_a_link_at_the_same_moment_one_gets_in(database: Database) -> None:
    together = threading.Barrier(6)
    now = datetime.now(UTC)
    with database.uow() as tx:
        link = Token(
            name=WHO,
            kind=TokenKind.LINK,
            role=Role.ADMIN,
            made_at=now,
            made_by=WHO,
            expires_at=now + LIFE_OF_LINK,
        )
        tokens.add(tx, link, HASH)

    def use() -> bool:
        together.wait(PATIENCE)
        with database.uow() as tx:
            return tokens.take_link(tx, HASH, now) is not None

    with ThreadPoolExecutor(6) as pool:
        uses = [one.result(PATIENCE) for one in [pool.submit(use) for _ in range(6)]]

    assert sorted(uses) == [False] * 5 + [True]
