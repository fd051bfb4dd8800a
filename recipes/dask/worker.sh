#!/bin/sh
# One Dask worker with one thread. It leaves when it had nothing to do for a while.
#
# 'dask worker' ends at once by SIGTERM, and its results are lost with it. This one takes no new task
# then, finishes the one that it has, hands its results over to other workers, and ends.
setup=$1 scheduler=$2 idle=$3 grace=$4
trap 'exit 78' EXIT # in some shells a '.' that fails ends the script at once
eval "$setup" || exit 78
trap - EXIT

exec python3 - "$scheduler" "$idle" "$grace" <<'END'
import asyncio
import os
import signal
import sys
import time

from distributed import Status, Worker

NO_SCHEDULER, NO_TASK = 69, 77
OVER = (Status.closing, Status.closed, Status.failed)
SECONDS_TO_CONNECT = 60
scheduler, idle, grace = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
step = min(1.0, idle / 4)


async def work(worker, is_to_end):
    """Work until the worker is to end, or had no task for a while and is spare."""
    done, since = 0, time.monotonic()
    while worker.status not in OVER and not is_to_end():
        await asyncio.sleep(step)
        if worker.state.all_running_tasks or worker.state.executed_count != done:
            done, since = worker.state.executed_count, time.monotonic()
        elif time.monotonic() - since > idle and await is_spare(worker):
            if await hand_over(worker):
                return
    await asyncio.wait_for(leave(worker), 0.8 * grace)


async def is_spare(worker):
    return worker.address in await worker.scheduler.workers_to_close()


async def leave(worker):
    """Hand over; while nobody else can take the results, go on, for another may come."""
    while worker.status not in OVER and not await hand_over(worker):
        await asyncio.sleep(step)


async def hand_over(worker):
    """Finish the task, and give all results to others; return whether somebody took them."""
    if not await retire(worker, remove=False):
        return False
    runs = True
    while runs:  # The end of a task reaches the scheduler a moment later, too.
        runs = worker.status is Status.running or worker.state.all_running_tasks
        await asyncio.sleep(step)
    if await retire(worker, remove=True):
        return True
    worker.status = Status.running
    return False


async def retire(worker, remove):
    retired = await worker.scheduler.retire_workers(workers=[worker.address], remove=remove)
    return worker.address in retired


async def main():
    name = os.environ["PILOTAGE_STAMP"]
    worker = Worker(scheduler, nthreads=1, name=name, death_timeout=SECONDS_TO_CONNECT)
    try:
        await worker
    except (asyncio.TimeoutError, OSError) as error:
        print(f"no scheduler answers at {scheduler}: {error}", file=sys.stderr)
        return NO_SCHEDULER
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    end_file = os.environ["PILOTAGE_END_FILE"]
    try:
        await work(worker, lambda: asked.is_set() or os.path.exists(end_file))
    except (asyncio.TimeoutError, OSError) as error:
        print(f"the results of this worker stay behind: {error!r}", file=sys.stderr)
    had_a_task = worker.state.executed_count or worker.state.all_running_tasks
    await worker.close(executor_wait=False)
    return 0 if had_a_task else NO_TASK


code = asyncio.run(main())
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # A task that still runs does not keep the worker.
END
