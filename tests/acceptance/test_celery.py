"""The application of Celery: its messages, and what happens to those that nobody takes."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from billiard import pool
from kombu.exceptions import OperationalError

import celeryconfig
from tests.acceptance.processes import CELERY, PILOTAGE, Processes, settings_of
from tests.factories import MINUTE, NOW
from worker import wiring
from worker.db.database import Database
from worker.domain.schedule import Scope
from worker.messaging import app as door
from worker.messaging.consumer import UNTIL
from worker.services.operate.database import setup
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import catalogue, execute
from worker.services.turns import Turn


class Spy:
    """Records the messages of a task instead of sending them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.messages: list[tuple[Any, ...]] = []
        self.error = error

    def apply_async(self, arguments: tuple[str, ...], **options: Any) -> None:
        self.messages.append((arguments, options))
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def _hearing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door._broker, "skip_sends_until", 0.0)


def spy(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception | None = None) -> Spy:
    recorder = Spy(error)
    monkeypatch.setitem(door.app.tasks, name, recorder)
    return recorder


def test_every_task_of_the_catalogue_is_one_of_celerys_in_its_queue() -> None:
    for name, task in catalogue.tasks().items():
        celery_task = door.app.tasks[name]
        queue = door.app.amqp.router.route({}, name)["queue"].name
        assert queue == task.queue
        assert task.queue == "call" or task.scope is not Scope.CE
        assert celery_task.__doc__ == task.about


def test_messages_are_nudges() -> None:
    settings = door.app.conf
    assert not settings.task_acks_late
    assert settings.task_ignore_result
    assert settings.result_backend is None
    assert settings.accept_content == ["json"]
    assert settings.task_serializer == "json"
    assert settings.worker_prefetch_multiplier == 1
    assert celeryconfig.task_soft_time_limit < celeryconfig.task_time_limit


def test_a_pool_that_stops_does_not_wait_for_a_parent_that_no_longer_listens() -> None:
    tries = pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT
    assert tries * pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL <= 2


def test_a_nudge_is_worth_reading_until_the_next_tick_by_the_clock_that_all_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = spy(monkeypatch, "dispatch")
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    door.nudge("dispatch", "lyon")
    headers = {UNTIL: (NOW + MINUTE).isoformat(), door.BY: "nudge"}
    assert recorder.messages == [(("lyon",), {"headers": headers})]


@pytest.mark.parametrize(("late", "count"), [(-1, 1), (1, 0)])
def test_a_message_that_comes_after_the_next_tick_is_not_executed(
    monkeypatch: pytest.MonkeyPatch, late: int, count: int
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(wiring, "runtime", lambda **_: None)
    monkeypatch.setattr(wiring, "now", lambda: NOW + timedelta(seconds=late))

    def note(*arguments: Any) -> TaskResult:
        calls.append(arguments)
        return TaskResult()

    monkeypatch.setattr(execute, "execute", note)
    task = door.app.tasks["dispatch"]
    task.push_request(id="one", retries=0, **{UNTIL: NOW.isoformat()})
    try:
        task.run("lyon")
    finally:
        task.pop_request()
    assert len(calls) == count


A_CLOSED_CHANNEL = AttributeError("'NoneType' object has no attribute 'client'")
"""Kombu sometimes raises this when a broker begins to refuse messages."""


@pytest.mark.parametrize(
    "error", [OperationalError("refused"), ConnectionResetError("reset"), A_CLOSED_CHANNEL]
)
def test_a_broker_that_takes_no_message_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    moment = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    refusing = spy(monkeypatch, "dispatch", error)
    with caplog.at_level(logging.WARNING):
        for number in range(500):
            door.nudge("dispatch", f"ce{number}")
    assert len(refusing.messages) == 1
    [record] = caplog.records
    assert "NoneType" not in record.getMessage()

    moment[0] += door.BROKER_COOLDOWN
    accepting = spy(monkeypatch, "dispatch")
    door.nudge("dispatch", "lyon")
    assert len(accepting.messages) == 1


def test_a_mistake_of_ours_is_not_taken_for_a_deaf_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    spy(monkeypatch, "dispatch", TypeError("a mistake"))
    with pytest.raises(TypeError):
        door.nudge("dispatch", "lyon")
    assert door._broker.skip_sends_until == 0


def test_a_pool_is_forked_without_an_open_connection(
    at_home: Database,
) -> None:
    door._refuse_a_wrong_schema()
    pool: Any = at_home.engine.pool
    assert pool.checkedin() == 0


@pytest.mark.parametrize(("retries", "again"), [(0, True), (door.RETRIES, False)])
def test_a_busy_execution_comes_again_later_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, retries: int, again: bool
) -> None:
    monkeypatch.setattr(wiring, "runtime", lambda **_: None)
    monkeypatch.setattr(execute, "execute", lambda *_: TaskResult(busy=True))
    retry_options: list[dict[str, Any]] = []

    class Again(Exception):
        pass

    def retry(**options: Any) -> Again:
        retry_options.append(options)
        return Again()

    task = door.app.tasks["dispatch"]
    monkeypatch.setattr(task, "retry", retry)
    task.push_request(id="one", retries=retries)
    try:
        if again:
            with pytest.raises(Again):
                task.run("lyon")
        else:
            task.run("lyon")
    finally:
        task.pop_request()
    assert retry_options == (
        [{"countdown": 1, "headers": {UNTIL: None, door.BY: None}}] if again else []
    )


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """The database of a process whose home is a folder of this test."""
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path / "home"))
    wiring.forget()
    setup(wiring.database())
    yield wiring.database()
    wiring.database().engine.dispose()


@pytest.mark.usefixtures("at_home")
def test_of_two_deliveries_of_one_message_at_once_one_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtimes: list[Runtime] = []

    def note(_task: object, _subject: str | None, runtime: Runtime) -> TaskResult:
        runtimes.append(runtime)
        return TaskResult()

    monkeypatch.setattr(execute, "execute", note)
    task = door.app.tasks["dispatch"]
    for _ in range(2):
        task.push_request(id="one", retries=0)
        try:
            task.run("lyon")
        finally:
            task.pop_request()

    first, second = runtimes
    with first.database.uow() as tx:
        turns = Turn.take(tx, first, "ce:lyon"), Turn.take(tx, second, "ce:lyon")
    assert [turn is not None for turn in turns] == [True, False]


def test_a_busy_execution_whose_broker_is_away_is_left_to_the_next_tick(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiring, "runtime", lambda **_: None)
    monkeypatch.setattr(execute, "execute", lambda *_: TaskResult(busy=True))
    task = door.app.tasks["dispatch"]

    class Unsent:
        def apply_async(self) -> None:
            raise OperationalError("connection refused")

    monkeypatch.setattr(task, "signature_from_request", lambda *_, **__: Unsent())
    task.push_request(id="one", retries=0, called_directly=False)
    try:
        with caplog.at_level(logging.WARNING):
            task.run("lyon")
    finally:
        task.pop_request()

    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("dispatch lyon is not tried again before its next tick")


@pytest.mark.parametrize("sign", "/?#")
@pytest.mark.parametrize("words", [[*CELERY, "worker"], [*CELERY, "beat"], [*PILOTAGE, "up"]])
def test_a_broker_url_that_is_wrong_shows_no_part_of_a_password(
    processes: Processes, words: list[str], sign: str
) -> None:
    home = processes.folder / "home"
    wrong = {"home": str(home), "broker_url": f"redis://:hush{sign}secret@127.0.0.1:1/0"}
    result = processes.run(words, settings_of(wrong))

    line = result.stderr.strip()
    assert result.returncode == 1
    assert line.startswith("pilotage: ")
    assert "the broker URL is malformed" in line
    assert "\n" not in line
    assert not any(part in result.stderr + result.stdout for part in ("hush", "secret"))
