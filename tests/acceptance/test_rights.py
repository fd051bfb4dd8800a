"""The rules for the user of Redis in the documents are enough, and not more than needed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.acceptance import site
from tests.acceptance.processes import CELERY, Processes, ended
from tests.factories import a_ce
from tests.patience import until
from tests.redis_server import Redis, real
from worker.db.database import Database
from worker.domain.pilot import Status

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "rights.md"
PASSWORD = "acl-of-a-test"
OF_OTHERS = (
    ("GET", "other"),
    ("LPUSH", "other", "x"),
    ("SUBSCRIBE", "other"),
    ("PUBLISH", "other", "x"),
    ("CONFIG", "GET", "*"),
    ("KEYS", "*"),
    ("FLUSHALL",),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("EVAL", "return redis.call('GET', 'other')", "0"),
)


def rules() -> list[str]:
    """Return the rules in the documents."""
    return re.findall(r"^user .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def closed_redis(tmp_path: Path) -> Iterator[Redis]:
    """A server with only the users of these rules."""
    folder = tmp_path / "redis"
    folder.mkdir()
    users = folder / "users.acl"
    users.write_text("\n".join(rules()).replace("PASSWORD", PASSWORD) + "\n", encoding="utf-8")
    login = f"pilotage:{PASSWORD}"
    try:
        with real(
            folder, ["--port", "{port}", "--aclfile", str(users)], scheme="redis", login=login
        ) as server:
            yield server
    except LookupError as problem:
        pytest.skip(f"needs the service Redis: {problem}")


def test_workers_and_schedulers_need_no_more_rights_in_redis_than_the_documents_say(
    processes: Processes, sqlite_database: Database, closed_redis: Redis
) -> None:
    with sqlite_database.uow() as tx:
        a_ce().named("ce").with_options(**site.LIFE).create(tx)
    settings = site.settings(processes, sqlite_database.url.render_as_string(), closed_redis.url)
    worker = processes.start("worker", site.worker("worker"), settings)
    beat = processes.start("beat", site.beat(), settings)
    until(
        lambda: (
            site.statuses(sqlite_database).get(Status.DONE, 0) > 3
            or "NoPermissionError" in processes.said("worker")
        ),
        progress=processes.progress,
    )

    for words in (("inspect", "ping"), ("inspect", "active"), ("call", "report")):
        result = processes.run([*CELERY, *words], settings)
        assert result.returncode == 0, result.stdout + result.stderr
    for one in (beat, worker):
        one.terminate()
    assert [ended(one) for one in (beat, worker)] == [0, 0]
    for name in ("worker", "beat"):
        assert "NoPermission" not in processes.said(name)
        assert "Traceback" not in processes.said(name)


@pytest.mark.finding("M4")
@pytest.mark.parametrize("words", OF_OTHERS, ids=lambda words: words[0])
def test_the_user_of_redis_sees_nothing_of_others(
    closed_redis: Redis, words: tuple[str, ...]
) -> None:
    with closed_redis.client() as client, pytest.raises(redis.RedisError) as refusal:
        client.execute_command(*words)

    assert re.search("no permissions|can't access", str(refusal.value))


def test_nobody_writes_without_a_password(closed_redis: Redis) -> None:
    address = closed_redis.url.partition("@")[2]
    with (
        redis.Redis.from_url(f"redis://{address}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
