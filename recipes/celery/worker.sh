#!/bin/sh
# One worker of a Celery application. It leaves when it had nothing to do for a while.
#
# Celery takes no new task once it gets SIGTERM, finishes the one that it has, and ends: that is what
# happens when the worker is to end. One task at a time, so that none waits behind another here.
setup=$1 app=$2 queue=$3 idle=$4
eval "$setup" || exit 78

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
one_at_a_time = ["--concurrency=1", "--prefetch-multiplier=1"]
quiet = ["--without-gossip", "--without-mingle", "--loglevel=INFO"]
app.worker_main(["worker", f"--queues={queue}", f"--hostname={name}@%h", *one_at_a_time, *quiet])
END
exec python3 "$program" "$app" "$queue" "$idle"
