#!/bin/sh
# One worker of a Celery application. It leaves when it had nothing to do for a while.
#
# Celery takes no new task once it gets SIGTERM, finishes the one that it has, and ends: that is what
# happens when the worker is to end. One task at a time, so that none waits behind another here.
setup=$1 app=$2 queue=$3 idle=$4
trap 'exit 78' EXIT # in some shells a '.' that fails ends the script at once
eval "$setup" || exit 78
trap - EXIT

program=$(mktemp) || exit 71
cat >"$program" <<'END'
import os
import sys
import time

from celery import bootsteps
from celery.app.utils import find_app
from celery.worker import state

NO_TASK = 77
app, queue, idle = find_app(sys.argv[1]), sys.argv[2], float(sys.argv[3])


class LeaveWhenIdle(bootsteps.StartStopStep):
    """Ends the worker once it had no task for so many seconds."""

    requires = {"celery.worker.components:Timer"}

    def start(self, worker):
        self.since = time.monotonic()
        self.before = 0
        worker.timer.call_repeatedly(min(1.0, idle / 4), self.look)

    def look(self):
        done = sum(state.total_count.values())
        if state.reserved_requests or state.active_requests or done != self.before:
            self.since, self.before = time.monotonic(), done
        elif time.monotonic() - self.since > idle:
            state.should_stop = 0 if done else NO_TASK


app.steps["worker"].add(LeaveWhenIdle)
os.unlink(sys.argv[0])
name = os.environ["PILOTAGE_STAMP"]
# The command 'celery worker' drops the exit code, so it is started as that command starts it.
worker = app.Worker(
    hostname=f"{name}@{os.uname().nodename}",
    queues=[queue],
    concurrency=1,
    prefetch_multiplier=1,
    without_gossip=True,
    without_mingle=True,
    loglevel="INFO",
)
worker.start()
sys.exit(worker.exitcode)
END
exec python3 "$program" "$app" "$queue" "$idle"
