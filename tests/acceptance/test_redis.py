"""Several workers and schedulers on Redis and PostgreSQL, and faults of both."""

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.acceptance import site
from tests.acceptance.processes import CELERY, Processes, ended, settings_of
from tests.acceptance.site import SCHEDULES
from tests.databases import BOTH
from tests.factories import a_ce
from tests.integration.test_concurrency import knows_its_commits, observing, replay
from tests.patience import until
from tests.redis_server import Redis, free_port, running
from worker.db.database import Database
from worker.domain.pilot import Status
from worker.services.operate.database import migrate_chain

WORKERS = ("one", "two")
ENOUGH = 50
"""The number of pilots that end before the promises are checked."""


@pytest.fixture
def settings(
    processes: Processes, redis_server: Redis, postgresql_database: Database
) -> Iterator[dict[str, str]]:
    """The settings of the processes of a new site."""
    site.build(postgresql_database)
    url = postgresql_database.url.render_as_string(hide_password=False)
    yield site.settings(processes, url, redis_server.url)
    processes.end()


def ready(processes: Processes, name: str) -> bool:
    return "ready." in processes.said(name)


def control(processes: Processes, settings: dict[str, str], *words: str) -> str:
    result = processes.run([*CELERY, *words], settings)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_two_workers_and_two_schedulers_keep_every_promise(
    processes: Processes,
    redis_server: Redis,
    postgresql_database: Database,
    settings: dict[str, str],
) -> None:
    database = postgresql_database
    with site.watching_claims(database), observing(database) as observations:
        workers = [processes.start(name, site.worker(name), settings) for name in WORKERS]
        until(lambda: all(ready(processes, name) for name in WORKERS), progress=processes.progress)
        beats = [processes.start(name, site.beat(), settings) for name in ("first", "second")]
        until(lambda: len(site.claims(database).get("learn", [])) >= 3, progress=processes.progress)

        answer = json.loads(control(processes, settings, "inspect", "ping", "--json"))
        assert {name.split("@")[0] for name in answer} == set(WORKERS)
        assert all(
            f"{name}@" in control(processes, settings, "inspect", "active") for name in WORKERS
        )
        tasks = control(processes, settings, "inspect", "registered")
        assert all(name in tasks for name in SCHEDULES)
        calls = site.executions(processes, *WORKERS)["submit_pilots", "default"]
        control(processes, settings, "call", "submit_pilots", "--args", '["default"]')
        until(
            lambda: site.executions(processes, *WORKERS)["submit_pilots", "default"] > calls,
            progress=processes.progress,
        )

        with redis_server.client() as client:
            # A server of the machine may have data of others.
            lost_count = count_waiting(redis_server)
            client.flushdb() if redis_server.how == "url" else client.flushall()
        done_count = site.statuses(database).get(Status.DONE, 0)
        until(
            lambda: site.statuses(database).get(Status.DONE, 0) > done_count + 20,
            progress=processes.progress,
        )
        control(processes, settings, "inspect", "ping")

        beats[0].kill()
        moment_of_kill = site.claims(database)["learn"][-1]
        until(
            lambda: (
                site.claims(database)["learn"][-1] > moment_of_kill + timedelta(seconds=10)
                and site.statuses(database).get(Status.DONE, 0) > ENOUGH
            ),
            progress=processes.progress,
        )

        beats[1].terminate()
        assert ended(beats[1]) == 0
        claims = site.claims(database)
        until(
            lambda: count_waiting(redis_server) == 0, progress=lambda: count_waiting(redis_server)
        )
        for one in workers:
            one.terminate()
        assert [ended(one) for one in workers] == [0, 0]

    assert [problems for problems in observations if problems] == []
    if knows_its_commits(database):
        assert replay(database) == []
    assert len(observations) > 20
    assert site.twice_or_never(database) == []
    assert site.statuses(database).get(Status.LOST, 0) == 0

    executions, skips, late = (
        site.executions(processes, *WORKERS, pattern=pattern)
        for pattern in (site.EXECUTION, site.SKIP, site.TOO_LATE)
    )

    def is_executed_once(task: str, subject: str) -> bool:
        """Return whether each tick was executed; the flush, the end and skips may lose some."""
        it = task, subject
        missing_count = len(claims[task]) - (executions[it] - skips[it]) - late[it]
        return 0 <= missing_count <= 2 + lost_count + skips[it]

    for task, every in SCHEDULES.items():
        moments = claims[task]
        # No tick is claimed twice, and the ticks are regular.
        assert len(moments) == len(set(moments))
        beats_passed = [
            (after - before) / timedelta(seconds=every) for before, after in pairwise(moments[1:])
        ]
        assert all(round(n, 3) == round(n) for n in beats_passed)
    for task in ("learn", "report", "prune"):
        assert is_executed_once(task, ""), (task, executions, late, lost_count)
    for vo in site.VOS:
        assert is_executed_once("submit_pilots", vo), (vo, executions, late, lost_count)
    for name in WORKERS:
        assert "Traceback" not in processes.said(name)
        assert executions.total() > sum(site.executions(processes, name).values()) > 0
    assert "Traceback" not in processes.said("second")


def count_waiting(server: Redis) -> int:
    """Return the number of messages that no worker has taken."""
    with server.client() as client:
        return sum(client.llen(f"pilotage:{queue}") for queue in ("plan", "call"))


@pytest.mark.parametrize(("what", "how_far"), [("worker", 0), ("worker", 1), ("beat", 1)])
@pytest.mark.parametrize("kind", BOTH)
def test_on_a_schema_that_is_behind_it_refuses_to_start_in_one_line(
    request: pytest.FixtureRequest, processes: Processes, kind: str, what: str, how_far: int
) -> None:
    blank: Database = request.getfixturevalue(f"{kind}_blank")
    for chain in blank.chains[:how_far]:
        migrate_chain(blank, chain)
    settings = settings_of(
        {
            "database_url": blank.url.render_as_string(hide_password=False),
            "home": str(processes.folder / "home"),
        }
    )
    result = processes.run([*CELERY, what], settings)
    lines = [line for line in result.stderr.splitlines() if line.startswith("pilotage: ")]

    assert result.returncode == 1
    assert len(lines) == 1
    assert ("pilotage db setup", "pilotage db migrate")[how_far] in lines[0]
    assert "Traceback" not in result.stderr + result.stdout


def test_a_broker_that_is_down_at_the_start_is_waited_for_and_found(
    processes: Processes, sqlite_database: Database
) -> None:
    port = free_port()
    folder = processes.folder / "redis"
    folder.mkdir()
    with sqlite_database.uow() as tx:
        a_ce().named("ce").with_options(**site.LIFE).create(tx)
    url = sqlite_database.url.render_as_string()
    settings = site.settings(processes, url, f"redis://127.0.0.1:{port}/0")
    worker = processes.start("worker", site.worker("worker"), settings)
    beat = processes.start("beat", site.beat(), settings)
    until(lambda: "Trying again in" in processes.said("worker"))
    assert str(port) in processes.said("worker")
    assert (worker.poll(), beat.poll()) == (None, None)

    try:
        with running(folder, port=port, password="") as server:
            until(lambda: ready(processes, "worker"))
            until(
                lambda: site.statuses(sqlite_database).get(Status.DONE), progress=processes.progress
            )
            with server.client() as client:
                assert client.ping()
            for one in (beat, worker):
                one.terminate()
            assert [ended(one) for one in (beat, worker)] == [0, 0]
    except LookupError as problem:
        processes.end()
        pytest.skip(f"needs the service Redis: {problem}")


def test_a_broker_that_goes_away_and_comes_back_is_found_again(
    processes: Processes, sqlite_database: Database
) -> None:
    port = free_port()
    folder = processes.folder / "redis"
    folder.mkdir()
    with sqlite_database.uow() as tx:
        a_ce().named("ce").with_options(**site.LIFE).create(tx)
    url = sqlite_database.url.render_as_string()
    settings = site.settings(processes, url, f"redis://127.0.0.1:{port}/0")
    try:
        with running(folder, port=port, password=""):
            worker = processes.start("worker", site.worker("worker"), settings)
            beat = processes.start("beat", site.beat(), settings)
            until(
                lambda: site.statuses(sqlite_database).get(Status.DONE), progress=processes.progress
            )
    except LookupError as problem:
        pytest.skip(f"needs the service Redis: {problem}")
    until(lambda: "Trying again in" in processes.said("worker"))
    with running(folder, port=port, password=""):
        before = site.count_transitions(sqlite_database)
        until(
            lambda: site.count_transitions(sqlite_database) > before + 10,
            progress=processes.progress,
        )
        assert (worker.poll(), beat.poll()) == (None, None)
        for one in (beat, worker):
            one.send_signal(signal.SIGTERM)
        assert [ended(one) for one in (beat, worker)] == [0, 0]


def test_a_worker_that_is_told_no_queues_serves_them_all(processes: Processes) -> None:
    result = processes.run(
        [
            CELERY[0],
            "-c",
            "from worker.celery import app; print(*sorted(app.amqp.queues.consume_from))",
        ],
        settings_of({"home": str(processes.folder / "home")}),
    )
    assert result.stdout.split() == ["call", "plan"], result.stderr
