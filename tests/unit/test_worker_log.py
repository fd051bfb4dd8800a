"""The log of a worker: a line of an execution names its id."""

import io
import logging
from collections.abc import Iterator

import pytest
from celery._state import _task_stack
from celery.signals import celeryd_after_setup, setup_logging
from redis import exceptions

from tests.cli.command import address, forget
from tests.factories import a_ce
from worker.db.database import Database
from worker.domain.errors import PilotageError
from worker.messaging.app import app
from worker.services.tasks import catalogue, execute


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log of a worker after it has set up its logging, for people."""
    monkeypatch.setenv("PILOTAGE_LOG_FORMAT", "text")
    forget()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    setup_logging.send(sender=app, loglevel=logging.INFO)
    stream = io.StringIO()
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
    yield stream
    root.handlers, root.level = handlers, level
    forget()


def test_a_line_of_an_execution_names_its_id(log: io.StringIO) -> None:
    task = app.tasks["learn"]
    task.push_request(id="4f1c")
    _task_stack.push(task)
    try:
        execute.log.info("learn: outcomes 24")
    finally:
        _task_stack.pop()
        task.pop_request()
    execute.log.info("outside")

    inside, outside = log.getvalue().splitlines()
    assert inside.endswith("worker.services.tasks.execute[4f1c]: learn: outcomes 24")
    assert outside.endswith("worker.services.tasks.execute: outside")


def test_a_worker_that_starts_warns_of_calls_that_may_outlast_a_task(
    log: io.StringIO, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    forget()
    with sqlite_database.uow() as tx:
        a_ce().named("lyon").with_options(call_timeout=600).create(tx)

    celeryd_after_setup.send(sender="plan@here", instance=None, conf=app.conf)
    forget()

    assert "WARNING worker.messaging.app: call_timeout of CE lyon is 600 s" in log.getvalue()


@pytest.mark.parametrize(
    ("setting", "ids"), [("", ["info", "warning"]), ("warning", ["warning"]), ("error", [])]
)
def test_the_log_level_of_the_settings_goes_before_that_of_celery(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, setting: str, ids: list[str]
) -> None:
    monkeypatch.setenv("PILOTAGE_LOG_LEVEL", setting)
    forget()
    stream: io.StringIO = request.getfixturevalue("log")

    for level in ("debug", "info", "warning"):
        getattr(execute.log, level)(level)

    assert [line.rpartition(" ")[2] for line in stream.getvalue().splitlines()] == ids


def test_what_the_broker_refuses_is_one_line(log: io.StringIO) -> None:
    try:
        raise exceptions.AuthenticationError("invalid username-password pair")
    except exceptions.AuthenticationError:
        log_of_celery = logging.getLogger("celery.worker.request")
        log_of_celery.critical("Couldn't ack %r", "4f1c", exc_info=True)

    [line] = log.getvalue().splitlines()
    assert line.endswith(
        "celery.worker.request: Couldn't ack '4f1c': invalid username-password pair"
    )


def test_what_celery_stumbles_over_without_a_broker_is_one_line(log: io.StringIO) -> None:
    try:
        try:
            raise exceptions.ConnectionError("Connection closed by server.")
        finally:
            raise AttributeError("connection_errors")
    except AttributeError:
        logging.getLogger("celery.bootsteps").exception("Error on restarting")
        logging.getLogger("worker.mistake").exception("a mistake of ours")

    first, *others = log.getvalue().splitlines()
    assert first.endswith("celery.bootsteps: Error on restarting: Connection closed by server.")
    assert others[-1] == "AttributeError: connection_errors"


def test_an_error_of_the_domain_is_expected_and_one_of_ours_is_not() -> None:
    assert all(app.tasks[name].throws == (PilotageError,) for name in catalogue.tasks())
