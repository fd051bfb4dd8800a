"""The keeper: a process that starts one pilot, waits for its end, and records the end.

For each submission the worker runs `launch.main` as a separate program, which forks one keeper for
each pilot and ends. This package uses the standard library only and imports nothing else of ours,
so that it starts quickly. Everything that is known about a pilot is in its folder:

    launch.json   written and locked before the folder has its name; locked until the keeper ends
    output        made just before the pilot is started
    cancel        made by a driver that asks for the pilot's end
    exit          the record of the end, written in one step

The folder gets its name, the stamp, by a rename that only one keeper can win. So a pilot without a
folder was never started, and it never gets a second folder. The kernel releases the lock however
the keeper ends, and no other process takes it: if a folder's lock is free and there is no `exit`,
its keeper is lost, and the pilot will never be started.
"""
