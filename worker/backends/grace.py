"""The time that a pilot has to finish once it is asked to end, as parts of a script for /bin/sh.

The script runs the pilot in the background. It passes the first SIGTERM on to the pilot and makes
a file that says the same for as long as the pilot lives; later signals are ignored. Where the
batch system sends no signal before the time is up, a timer in the script does.
"""

END_VARIABLE = "PILOTAGE_END_FILE"
"""The variable that names the file which exists once the pilot was asked to end."""

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
    """Write the lines that give a pilot the name of the file; `folder` is a shell expression."""
    return f"{END_VARIABLE}={folder}/{END_FILE}\nexport {END_VARIABLE}\n"


def run(command: str, *, after: float | None = None) -> str:
    """Write the lines that run a command, pass SIGTERM on, and put its exit code into `code`.

    With `after`, the script itself asks the pilot to end after so many seconds.
    """
    if after is None:
        return _RUN.format(command=command, variable=END_VARIABLE, clock="")
    clock = _CLOCK.format(seconds=max(0, int(after)))
    return _RUN.format(command=command, variable=END_VARIABLE, clock=clock) + _STOP


def before(walltime: float | None, grace: float) -> float | None:
    """Return after how many seconds a pilot is asked to end; `None` if it has no walltime."""
    return None if walltime is None else max(0.0, walltime - grace)
