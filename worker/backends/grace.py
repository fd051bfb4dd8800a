"""The time that a pilot has to finish once it is asked to end, as a script for /bin/sh gives it.

The script runs the pilot beside itself. The first signal to end is passed on, and a file says the
same for as long as the pilot lives; later signals change nothing. Where the batch system says
nothing before the time is up, a clock in the script does.
"""

END_VARIABLE = "PILOTAGE_END_FILE"
"""Where a pilot finds the name of the file that is there once it was asked to end."""

END_FILE = ".pilotage-end"

_RUN = """\
{command} &
pilot=$!
trap 'trap : TERM; : >"${variable}"; kill -TERM "$pilot" 2>/dev/null' TERM
{clock}while :; do
  wait "$pilot"
  code=$?
  kill -0 "$pilot" 2>/dev/null || break
done
"""

_CLOCK = """\
(
  trap 'kill "$sleep" 2>/dev/null; exit' TERM
  sleep {seconds} &
  sleep=$!
  wait "$sleep"
  kill -TERM $$
) &
clock=$!
"""

_STOP = 'kill "$clock" 2>/dev/null\n'


def named(folder: str) -> str:
    """Write what says to a pilot where the file will be; the folder is an expression of a shell."""
    return f"{END_VARIABLE}={folder}/{END_FILE}\nexport {END_VARIABLE}\n"


def run(command: str, *, after: float | None = None) -> str:
    """Write what runs a command, passes the signal on, and leaves its exit code in `code`.

    With `after`, the pilot is asked to end after so many seconds.
    """
    if after is None:
        return _RUN.format(command=command, variable=END_VARIABLE, clock="")
    clock = _CLOCK.format(seconds=max(0, int(after)))
    return _RUN.format(command=command, variable=END_VARIABLE, clock=clock) + _STOP


def before(walltime: float | None, grace: float) -> float | None:
    """Return after how many seconds a pilot is asked to end, if its time is bounded."""
    return None if walltime is None else max(0.0, walltime - grace)
