"""Celery's settings, in Celery's own lower-case names. A line of reason for each unusual one."""

# Celery takes every lower-case name here for a setting, but none that begins with a line.
from kombu.entity import Queue as _Queue

from worker.domain.errors import PilotageError as _PilotageError
from worker.wiring import broker as _broker
from worker.wiring import settings as _settings

try:
    broker_url, broker_transport, broker_transport_options = _broker()
except _PilotageError as _error:
    raise SystemExit(f"pilotage: {_error}") from None

# Messages are nudges: the database remembers what is to be done, so one that is lost costs a tick.
# A message is acknowledged before its task runs: one whose worker dies is not delivered again.
task_acks_late = False
task_ignore_result = True
result_backend = None

# Whoever can write to the broker could otherwise have code run by us.
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]

# They could also put anything in it: what is no message of ours is dropped with a line.
worker_consumer = "worker.messaging.consumer:Consumer"

# Long and short tasks share a worker: none is kept waiting behind one that was fetched early.
worker_prefetch_multiplier = 1

# What only uses the database (plan) and what calls a CE (call) wait in different queues, and what
# plans is fetched first where one worker serves both.
task_default_queue = "plan"
task_queues = [_Queue("plan"), _Queue("call")]
task_create_missing_queues = True

# A task that hangs is ended before its lease runs out; it is told so a moment before.
task_time_limit = _settings().time_limit
task_soft_time_limit = _settings().soft_time_limit

# A worker that starts before its broker waits for it; one that loses it comes back.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# So does one whose broker refuses to write: its memory is full, or it has become a replica.
broker_channel_error_retry = True
worker_cancel_long_running_tasks_on_connection_loss = False

# To send a nudge is tried twice and then left to the next tick.
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.5}

# A pool process is renewed now and then, against whatever leaks.
worker_max_tasks_per_child = 1000

worker_hijack_root_logger = False
worker_send_task_events = False
timezone = "UTC"
enable_utc = True

# Ticks are claimed in the database, by any number of beats.
beat_scheduler = "worker.messaging.beat:DatabaseScheduler"
# Schedules are changed while beat runs: it looks at them this often, in seconds.
beat_max_loop_interval = _settings().beat_interval
