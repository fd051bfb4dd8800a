"""Pilots that write their start and their end into a log of their own.

Only the payload writes this log, so that none of our code judges itself.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.chaos.verdict import Job

SCRIPT = """note() {{ echo "$PILOTAGE_STAMP $1 ${{2:--}} $(date +%s.%N)" >> '{log}'; }}
note start
code=0 breaks=
case $PILOTAGE_STAMP in ?0*) code=3;; esac
{lying}
case $PILOTAGE_STAMP in [0-4]*) sleep {short};; [5-a]*) sleep {middle};; *) sleep {long};; esac
if [ -n "$breaks" ]; then note breaks; kill -9 $PPID; sleep 60; fi
note end $code
exit $code
"""


class Note(NamedTuple):
    """A line of the log: a pilot says that it starts, lies, breaks its keeper, or ends."""

    stamp: str
    what: str
    word: str
    at: float


class Log:
    """The log of all pilots of a run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "payload.log"
        self.path.touch()
        # Batch systems run pilots as another user.
        self.path.chmod(0o666)

    def script(self, short: float, middle: float, long: float, lying: str) -> str:
        """Return the payload of pilots with these lives in seconds; some fail by themselves."""
        return SCRIPT.format(log=self.path, short=short, middle=middle, long=long, lying=lying)

    def notes(self) -> list[Note]:
        """Read what the pilots wrote; the last line may be incomplete."""
        lines = [line.split() for line in self.path.read_text(encoding="utf-8").split("\n")]
        whole = [line for line in lines if len(line) == len(Note._fields)]
        return [Note(stamp, what, word, float(at)) for stamp, what, word, at in whole]

    def jobs(self, has_ended: Callable[[str], bool]) -> list[Job]:
        """Return a job for each start in the log."""
        starts: list[Note] = []
        lies: dict[str, str] = {}
        ends: dict[str, Note] = {}
        for note in self.notes():
            if note.what == "start":
                starts.append(note)
            elif note.what == "lies":
                lies[note.stamp] = note.word
            else:
                ends[note.stamp] = note
        return [
            Job(
                start.stamp,
                code=int(end.word) if end and end.what == "end" else None,
                ended=has_ended(start.stamp),
                began=start.at,
                until=end.at if end else None,
                lie=lies.get(start.stamp),
                broke=end is not None and end.what == "breaks",
            )
            for start in starts
            for end in (ends.get(start.stamp),)
        ]
