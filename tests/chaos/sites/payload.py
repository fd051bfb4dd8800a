"""Pilots that write into a log of their own that they started, and their end.

What the log says is written by the payload alone, so that no code of ours counts for itself.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos.verdict import Job

SCRIPT = """echo "$PILOTAGE_STAMP start" >> {log}
case $PILOTAGE_STAMP in [0-4]*) sleep {short};; [5-a]*) sleep {middle};; *) sleep {long};; esac
code=0
case $PILOTAGE_STAMP in ?0*) code=3;; esac
echo "$PILOTAGE_STAMP end $code" >> {log}
exit $code
"""


class Log:
    """The log of all pilots of a run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "payload.log"
        self.path.touch()
        # Batch systems run pilots as another user.
        self.path.chmod(0o666)

    def script(self, short: float, middle: float, long: float) -> str:
        """Write the payload of pilots that live for so many seconds; some fail of themselves."""
        return SCRIPT.format(log=self.path, short=short, middle=middle, long=long)

    def jobs(self, has_ended: Callable[[str], bool]) -> list[Job]:
        """List one job for each start that was written."""
        starts: Counter[str] = Counter()
        ends: dict[str, int] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            stamp, what, *code = line.split()
            if what == "start":
                starts[stamp] += 1
            else:
                ends[stamp] = int(code[0])
        return [
            Job(stamp, code=ends.get(stamp), ended=has_ended(stamp)) for stamp in starts.elements()
        ]
