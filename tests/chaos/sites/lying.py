"""Pilots that lie: which ones, what they say, and how they end.

The stamp of a pilot says whether it lies. Where a pilot can write the file with its end, it writes
the lie there as soon as it runs. Half of the liars then go on as honest pilots do, and their keeper
writes the truth; the others kill their keeper, so that only the lie is left. Where no pilot can
write such a file, a liar ends with the exit code of a signal that nobody sent, and its output is no
text.
"""

import os
from collections.abc import Callable
from pathlib import Path

from worker.backends.conformance import Lie

WHO = "012"
"""The third character of the stamps of liars: about a sixth of all pilots."""
BREAKS = "89abcdef"
"""The fifth character of the stamps of liars that kill their keeper."""
LARGE = 100_000_000

LIES = "lies"
"""The folder of the lies. Without it, nobody lies."""

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
    """Return the lie of a pilot, if it lies."""
    number, lies = int(stamp[3], 16), list(Lie)
    return lies[number] if stamp[2] in WHO and number < len(lies) else None


def by_file(folder: Path, end: str, plant: Plant) -> str:
    """Return the shell code of liars that can write the file of their end, whose path is `end`.

    Each lie is made once, and all liars copy it. The large one takes no room.
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
    """Return the shell code of liars that can write no such file."""
    return CODE.format(who=WHO)


def _choice() -> str:
    return "\n".join(f"??[{WHO}]{number:x}*) lie={lie.value};;" for number, lie in enumerate(Lie))
