"""Pilots that lie: which of them do, what they say, and what becomes of them then.

Whether a pilot lies is in its stamp, so everybody knows it without asking. Where a pilot can reach
the file that tells its end, it puts the lie there as soon as it runs. Half of the liars then
go on as honest pilots do, and their keeper tells the truth; the others end their keeper, and what
they wrote is all that is left. Where no pilot reaches such a file, a liar ends with the exit code
of a signal that nobody sent, and fills its output with what is no text.
"""

import os
from collections.abc import Callable
from pathlib import Path

from worker.backends.conformance import Lie

WHO = "012"
"""The third character of the stamps of those that lie: about a sixth of all."""
BREAKS = "89abcdef"
"""The fifth character of the stamps of the liars that end their keeper."""
LARGE = 100_000_000

LIES = "lies"
"""The folder of the lies. While it is not there, nobody lies."""

Plant = Callable[[Path, Lie], None]

FILE = """lie=; case $PILOTAGE_STAMP in
{choice}
esac
if [ -n "$lie" ] && [ -d {lies} ]; then
  end={end}
  note lies "$lie"
  rm -rf "$end"; cp -a --sparse=always {lies}/$lie "$end"
  case $PILOTAGE_STAMP in ????[{breaks}]*) breaks=yes;; esac
fi
"""

CODE = """case $PILOTAGE_STAMP in ??[{who}]*)
  note lies code
  code=137; printf '\\000\\033[2J\\377\\303'
esac
"""


def lie_of(stamp: str) -> Lie | None:
    """Look up which lie a pilot tells, if any."""
    number, lies = int(stamp[3], 16), list(Lie)
    return lies[number] if stamp[2] in WHO and number < len(lies) else None


def by_file(folder: Path, end: str, plant: Plant) -> str:
    """Write what liars do where they can reach the file of their end; `end` is words of a shell.

    Each lie is made once, for all liars to copy. The large one takes no room.
    """
    lies = folder / LIES
    lies.mkdir()
    lies.chmod(0o755)
    for lie in Lie:
        path = lies / lie.value
        plant(path, lie)
        if lie is Lie.LARGE:
            path.write_bytes(b"")
            os.truncate(path, LARGE)
    return FILE.format(choice=_choice(), end=end, lies=f"'{lies}'", breaks=BREAKS)


def by_code() -> str:
    """Write what liars do where they reach no file."""
    return CODE.format(who=WHO)


def _choice() -> str:
    return "\n".join(f"??[{WHO}]{number:x}*) lie={lie.value};;" for number, lie in enumerate(Lie))
