"""The keeper: starts one pilot, stands by it to its end, and writes the end down.

The worker runs `launch.main` as a program of its own for each submission; that forks one keeper
a pilot and ends. This package needs the standard library only, so that it starts quickly, and it
imports nothing of ours. Everything that is known of a pilot is in its folder:

    launch.json   written and locked before the folder has its name; locked until the keeper ends
    output        made just before the pilot is started
    cancel        made by whoever asks for its end
    exit          how it ended, put there whole

The folder gets its name, the stamp, by a rename that only one can win. So a folder that is not
there was never started, and a second one is never made. The lock goes with the keeper however it
goes, and nobody locks again: a folder whose lock is free and that has no `exit` has lost its
keeper, and its pilot will never be started by anybody.
"""
