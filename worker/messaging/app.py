"""The Celery application and its tasks, made from the catalogue.

A task is executed once for each message. It is retried only if another execution has the turn or
the lock that it needs. After any other error, the next tick finds the work again.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from billiard import pool
from celery import Celery, current_task
from celery.concurrency.asynpool import AsynPool
from celery.exceptions import Reject
from celery.signals import (
    celeryd_after_setup,
    heartbeat_sent,
    setup_logging,
    worker_init,
    worker_process_shutdown,
)
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel, QoS
from redis import RedisError

from worker import logs, tracing, wiring
from worker.domain.errors import PilotageError
from worker.domain.texts import one_line
from worker.messaging.consumer import (
    UNTIL,
    free_what_cannot_be_acknowledged,
    survive_garbage,
)
from worker.messaging.pool import keep_files_in, watch_living_only
from worker.services.log_files import LogFile
from worker.services.log_lines import Trigger, about
from worker.services.operate import call_timeouts
from worker.services.operate.database import require_current
from worker.services.tasks import catalogue, execute
from worker.services.tasks.catalogue import Task

log = logging.getLogger(__name__)

RETRIES = 5
"""An execution that finds another one at work is retried after 1, 2, 4, 8 and 16 s; after that its
next tick does the work."""

BROKER_COOLDOWN = 5.0
"""Seconds in which nothing is sent after the broker did not accept a message."""


_OF_THE_BROKER = ("celery.bootsteps", "celery.worker", "kombu")
"""The loggers of the modules that speak to the broker."""


BY = "pilotage_by"
"""The header of a message with what triggered it; it is written to the log."""


class _Broker:
    """The state of this process's connection to the broker."""

    skip_sends_until = 0.0


_broker = _Broker()

# If a worker loses its broker, messages that it has fetched and not begun are lost; any nudge may
# be. To put them back, kombu 5.7 would use the lost connection, and the worker would end.
Channel.do_restore = False
survive_garbage(Channel)
free_what_cannot_be_acknowledged(QoS)
watch_living_only(AsynPool)

# A process of a pool that ends waits until its parent has read its results. A stopping parent reads
# them no longer, and all results are in the database: two seconds are enough, not half a minute.
pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 20

app = Celery("pilotage")
app.config_from_object("celeryconfig")


def send(task: Task, subject: str | None, *, expires: float, by: Trigger = Trigger.TICK) -> None:
    """Send a message. If it cannot be sent, that is a lost nudge and not an error.

    After a message that the broker did not accept, no message is sent for a while: if the broker
    does not answer at all, each attempt would keep a scheduler waiting for seconds.
    """
    if time.monotonic() < _broker.skip_sends_until:
        return
    arguments = () if subject is None else (subject,)
    try:
        headers = {UNTIL: _until(expires), BY: str(by), **tracing.parent()}
        app.tasks[task.name].apply_async(arguments, headers=headers)
    except (OperationalError, OSError, AttributeError) as error:
        _broker.skip_sends_until = time.monotonic() + BROKER_COOLDOWN
        # AttributeError: when a broker begins to refuse, kombu 5.7 may use a channel that it has
        # already closed.
        why = "it refuses" if isinstance(error, AttributeError) else error
        log.warning("the broker took no message for %s %s: %s", task.name, subject or "", why)


def _until(expires: float) -> str:
    return (wiring.now() + timedelta(seconds=expires)).isoformat()


def nudge(name: str, subject: str) -> None:
    """Send a message which says that a task has something to do."""
    task = catalogue.get(name)
    send(task, subject, expires=task.every or 60, by=Trigger.NUDGE)


def _trigger(request: Any) -> str | None:
    """Return what triggered a message. A sender may write anything there, so it is checked."""
    by = request.get(BY)
    return by if isinstance(by, str) and by in set(map(str, Trigger)) else None


def _register(task: Task) -> None:
    name = task.name

    # Errors in `throws` are meant for people: we log them in one line. For other errors, which are
    # mistakes in our code, Celery logs the traceback.
    @app.task(name=name, bind=True, max_retries=RETRIES, throws=(PilotageError,))
    def body(self: Any, subject: str | None = None) -> None:
        logs.follow_level()
        with (
            about(task_id=str(self.request.id), by=_trigger(self.request)),
            tracing.continued(self.request.get(tracing.PARENT)),
        ):
            execute_message(self, subject)

    def execute_message(self: Any, subject: str | None) -> None:
        until = self.request.get(UNTIL)
        if until is not None and wiring.now() > datetime.fromisoformat(until):
            log.info("%s %s comes too late; its next tick has come", name, subject or "")
            return
        runtime = wiring.runtime(nudge=nudge)
        try:
            done = execute.execute(task, subject, runtime)
        except PilotageError as error:
            log.warning("%s failed: %s", " ".join(filter(None, (name, subject))), error)
            raise
        if done.busy and self.request.retries < RETRIES:
            try:
                raise self.retry(
                    countdown=2**self.request.retries,
                    headers={UNTIL: until, BY: _trigger(self.request), **tracing.parent()},
                )
            except Reject as error:
                log.warning(
                    "%s %s is not tried again before its next tick: %s", name, subject, error
                )

    body.__doc__ = task.about


for _task in catalogue.tasks().values():
    _register(_task)
app.conf.task_routes = {name: {"queue": task.queue} for name, task in catalogue.tasks().items()}


@worker_init.connect
def _refuse_a_wrong_schema(**_: object) -> None:
    try:
        require_current(wiring.database())
    except PilotageError as error:
        raise SystemExit(f"pilotage: {error}") from None
    if wiring.settings().is_embedded:
        keep_files_in(wiring.settings().home / "pool")
    # The pool's processes are forked from this one and share what it has imported.
    catalogue.import_all()
    wiring.database().engine.dispose()


@celeryd_after_setup.connect
def _warn_of_long_calls(**_: object) -> None:
    """Warn of each CE whose calls may take longer than a task may. Before this signal there is no
    log.
    """
    for line in call_timeouts.warnings(wiring.runtime()):
        log.warning(line)
    # The pool's processes must not inherit this connection.
    wiring.database().engine.dispose()


@setup_logging.connect
def _log(loglevel: int | str = logging.INFO, logfile: str | None = None, **_: object) -> None:
    logs.set_up(wiring.settings(), loglevel, logfile)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_name_the_execution)
        handler.addFilter(_shorten_errors_of_the_broker)


def _shorten_errors_of_the_broker(record: logging.LogRecord) -> bool:
    """Write an error of Redis in one line, instead of Celery's traceback."""
    error = record.exc_info[1] if record.exc_info else None
    # The error of Redis may be the cause of another one: if the broker is lost, for example,
    # Celery closes its gossip twice and fails.
    while error is not None and not isinstance(error, RedisError):
        error = error.__cause__ or error.__context__
    if error is not None and record.name.startswith(_OF_THE_BROKER):
        record.msg, record.args = f"{record.getMessage()}: {one_line(str(error), 200)}", None
        record.exc_info = record.exc_text = None
    return True


@worker_process_shutdown.connect
def _send_the_last_spans(**_: object) -> None:
    tracing.close()


@heartbeat_sent.connect
def _follow_the_log(**_: object) -> None:
    """Let the parent of a pool, which logs rarely, follow a log file that was rotated."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFile):
            handler.follow()


def _name_the_execution(record: logging.LogRecord) -> bool:
    """Add the id of the execution, as 'celery inspect' shows it, to the name of the logger."""
    execution = current_task.request.id if current_task else None
    if execution and not record.name.endswith("]"):
        record.name = f"{record.name}[{execution}]"
    return True
