"""Promise 1 under fire: many processes at once, and no limit is exceeded at any commit."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.databases import somebody_waits
from tests.expectations import refused
from tests.factories import a_ce, a_pilot, a_vo
from tests.integration import crowd
from tests.integration.commits import COMMITS, watching
from tests.integration.crowd import Orders, together
from tests.patience import until, wait_for
from worker.db import ces, pilot_reads, vos
from worker.db.database import Database
from worker.domain.errors import AlreadyExists, DatabaseUnavailable
from worker.domain.pilot import OCCUPYING, WAITING, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import database as care

ROOT = Path(__file__).parents[2]
PROCESSES = 8
SNAPSHOT = """
SELECT ce.name AS ce, vo.name AS vo, p.status, count(*) AS pilots
  FROM pilots p JOIN ces ce ON ce.id = p.ce_id JOIN vos vo ON vo.id = p.vo_id
 GROUP BY ce.name, vo.name, p.status
"""


@dataclass
class Limits:
    """The limits, and the pilots of each CE, those of them that wait, and the pilots of each VO."""

    capacity: dict[str, int]
    waiting_limit: dict[str, int]
    vo_limit: dict[str, int]
    occupying: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    owned: Counter[str] = field(default_factory=Counter)

    def count(self, ce: str, vo: str, status: Status | None, number: int) -> None:
        """Add the number of pilots that came to a status; it is negative if they left it."""
        if status in OCCUPYING:
            self.occupying[ce] += number
            self.owned[vo] += number
        if status in WAITING:
            self.waiting[ce] += number

    def exceeded(self) -> list[str]:
        """Return a text for each limit that is exceeded."""
        return [
            f"{what} {name}: {pilots[name]} of {limit}"
            for what, pilots, limits in (
                ("capacity", self.occupying, self.capacity),
                ("waiting limit", self.waiting, self.waiting_limit),
                ("VO", self.owned, self.vo_limit),
            )
            for name, limit in limits.items()
            if pilots[name] > limit
        ]


def build(database: Database) -> None:
    """Make 20 CEs and 4 VOs; some have waiting limits, some VOs limits, some CEs are closed."""
    with database.uow() as tx:
        small = a_vo().named("small").limited_to(15).create(tx)
        middle = a_vo().named("middle").limited_to(40).create(tx)
        a_vo().named("large").create(tx)
        default = vos.get(tx, DEFAULT_VO)
        for n in range(20):
            ce = a_ce().named(f"ce{n:02}").with_capacity(3 + n % 8)
            if n % 3 == 0:
                ce = ce.with_waiting_limit(2 + n % 4)
            if n % 5 == 0:
                ce = ce.only_for(default, small, middle)
            ce.create(tx)


def orders(database: Database, **changes: Any) -> list[Orders]:
    with database.uow() as tx:
        ce_names = tuple(ce.name for ce in ces.find(tx).items)
        vo_names = tuple(vo.name for vo in vos.find(tx).items)
    url = database.url.render_as_string(hide_password=False)
    return [
        Orders(
            url=url,
            seed=seed,
            moves=seed % 3 == 0,
            **{"ce_names": ce_names, "vo_names": vo_names, **changes},
        )
        for seed in range(PROCESSES)
    ]


def limits(database: Database) -> Limits:
    with database.uow() as tx:
        places, owners = ces.find(tx).items, vos.find(tx).items
    return Limits(
        capacity={ce.name: ce.capacity for ce in places},
        waiting_limit={c.name: c.waiting_limit for c in places if c.waiting_limit is not None},
        vo_limit={vo.name: vo.limit for vo in owners if vo.limit is not None},
    )


def snapshot(database: Database, connection: Connection) -> Limits:
    state = limits(database)
    with connection.begin():
        for row in connection.execute(text(SNAPSHOT)):
            state.count(row.ce, row.vo, Status(row.status), row.pilots)
    return state


@contextmanager
def observing(database: Database) -> Iterator[list[list[str]]]:
    """Look at one consistent state after another; yield the limits that each exceeds.

    Every transition is recorded with its commit, for a replay afterwards.
    """
    problems: list[list[str]] = []
    stop = threading.Event()

    def look() -> None:
        with database.engine.connect() as plain:
            connection = plain.execution_options(isolation_level="REPEATABLE READ")
            # The pause leaves the processor to the other processes.
            while not stop.wait(0.005):
                problems.append(snapshot(database, connection).exceeded())

    observer = threading.Thread(target=look)
    observer.start()
    try:
        with watching(database.engine):
            yield problems
    finally:
        stop.set()
        wait_for(observer)


def replay(database: Database) -> list[str]:
    """Replay the history commit by commit; return every limit that was exceeded after one."""
    state = limits(database)
    problems: list[str] = []
    with database.uow() as tx:
        rows = tx.execute(text(COMMITS)).all()
    for _, commit in groupby(rows, key=lambda row: row.committed):
        for row in commit:
            if row.was is not None:
                state.count(row.ce, row.vo, Status(row.was), -1)
            state.count(row.ce, row.vo, Status(row.became), 1)
        problems += state.exceeded()
    return problems


def knows_its_commits(database: Database) -> bool:
    with database.uow() as tx:
        return bool(tx.execute(text("SHOW track_commit_timestamp")).scalar_one() == "on")


def test_a_test_that_fails_while_it_watches_leaves_no_trigger(
    postgresql_database: Database,
) -> None:
    with pytest.raises(ZeroDivisionError), observing(postgresql_database):
        raise ZeroDivisionError

    assert care.verify(postgresql_database) == []


def test_eight_processes_never_exceed_a_limit_and_use_all_there_is(
    postgresql_database: Database,
) -> None:
    build(postgresql_database)
    with observing(postgresql_database) as observations:
        together(crowd.reserve_at_random, orders(postgresql_database, rounds=20))
    with postgresql_database.engine.connect() as connection:
        end = snapshot(postgresql_database, connection)

    assert len(observations) > 20
    assert [problems for problems in observations if problems] == []
    if knows_its_commits(postgresql_database):
        assert replay(postgresql_database) == []
    for ce, capacity in end.capacity.items():
        full = end.occupying[ce] == capacity
        assert full or end.waiting[ce] == end.waiting_limit.get(ce), ce


def test_without_the_lock_the_same_crowd_does_exceed_them(postgresql_database: Database) -> None:
    build(postgresql_database)
    with watching(postgresql_database.engine):
        together(crowd.reserve_at_random, orders(postgresql_database, rounds=20, locks=False))
    with postgresql_database.engine.connect() as connection:
        end = snapshot(postgresql_database, connection)

    problems = replay(postgresql_database) if knows_its_commits(postgresql_database) else []
    assert problems + end.exceeded() != []


def test_no_two_claims_take_the_same_pilot(postgresql_database: Database) -> None:
    with postgresql_database.uow() as tx:
        ce = a_ce().with_capacity(300).create(tx)
        all_pilots = a_pilot().on(ce).reserved().create_many(tx, 300)
    claims = together(crowd.claim_all, orders(postgresql_database)[:4])

    assert sorted(i for some in claims for i in some) == [pilot.id for pilot in all_pilots]
    assert all(claims)


def test_moves_and_checks_of_the_same_pilots_never_deadlock(
    postgresql_database: Database,
) -> None:
    with postgresql_database.uow() as tx:
        ce = a_ce().with_capacity(100).create(tx)
        a_pilot().on(ce).create_many(tx, 100)
    together(crowd.move_or_check, orders(postgresql_database, rounds=20)[:4])

    with postgresql_database.uow() as tx:
        assert pilot_reads.count_active(tx) == 100


def test_two_that_migrate_at_once_both_succeed(blank: Database) -> None:
    url = blank.url.render_as_string(hide_password=False)
    statuses = together(crowd.migrate, [Orders(url=url), Orders(url=url)])

    for chain in zip(*statuses, strict=True):
        assert sorted(chain) == ["created", "unchanged"]


def test_of_two_that_add_the_same_name_one_is_told_that_it_is_taken(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    names = tuple(f"ce{n}" for n in range(40))
    counts = together(crowd.add_ces, [Orders(url=url, ce_names=names)] * 2)

    assert sum(successes for successes, _ in counts) == len(names)
    assert sum(refusals for _, refusals in counts) == len(names)


def test_one_that_waits_for_the_same_name_is_told_that_it_is_taken(
    postgresql_database: Database,
) -> None:
    errors: list[BaseException] = []

    def second() -> None:
        try:
            with refused(AlreadyExists, "ce01"), postgresql_database.uow() as tx:
                a_ce().named("ce01").create(tx)
        except BaseException as error:  # noqa: BLE001  # it is checked below
            errors.append(error)

    thread = threading.Thread(target=second)
    with postgresql_database.uow() as tx:
        a_ce().named("ce01").create(tx)
        thread.start()
        until(lambda: somebody_waits(postgresql_database), "the second to wait for the first")
    wait_for(thread)

    assert errors == []


def test_a_connection_is_not_shared_across_a_fork(postgresql_database: Database) -> None:
    url = postgresql_database.url.render_as_string(hide_password=False)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.integration.forking", url],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    ids = json.loads(result.stdout)

    assert ids["status"] == 0
    assert ids["child"] != ids["before"]
    assert ids["after"] == ids["before"]


def test_a_crowd_raises_the_errors_of_its_members() -> None:
    bad_orders = Orders(url="postgresql://nobody@127.0.0.1:1/nothing_test", ce_names=("ce",))

    with pytest.raises(DatabaseUnavailable):
        together(crowd.claim_all, [bad_orders])
