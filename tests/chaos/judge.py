"""Judge the evidence of a chaos run: `python tests/chaos/judge.py FILE`.

It shares no code with the program or the tests, and reads only the evidence: lines of JSON, plain
or compressed by xz. `tests/chaos/evidence.py` describes the lines.
The exit code is 1 if anything is wrong, and 2 if the file is no evidence.
"""

import json
import lzma
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

Line = Mapping[str, Any]
Place = tuple[str, str]
MOVES: Mapping[str | None, set[str]] = {
    None: {"reserved"},
    "reserved": {"submitting", "cancelled"},
    "submitting": {"submitted", "running", "done", "failed", "lost"},
    "submitted": {"running", "done", "failed", "cancelled", "lost"},
    "running": {"submitted", "done", "failed", "cancelled", "lost"},
    "lost": {"submitted", "running", "done", "failed", "cancelled"},
}
"""The statuses that may follow each status; nothing follows the others."""
OVER = {"done", "failed", "cancelled", "lost"}
WAITS = {"reserved", "submitting", "submitted"}
NEVER_RAN = {"refused", "quota", "credential", "never_started"}
NOBODY: Line = {"ce": "?", "vo": "?"}
KINDS = ("limit", "pilot", "step", "job", "removed")


def read(name: str) -> dict[str, list[Line]]:
    """Read the lines of each kind, in their order."""
    open_file = lzma.open if name.endswith(".xz") else open
    lines: dict[str, list[Line]] = {kind: [] for kind in KINDS}
    with open_file(name, "rt", encoding="utf-8") as file:
        for line in map(json.loads, file):
            lines[line["kind"]].append(line)
    return lines


def judge(lines: Mapping[str, Sequence[Line]]) -> dict[str, list[str]]:
    """Name all that is wrong, by kind."""
    pilots, steps, jobs = lines["pilot"], lines["step"], lines["job"]
    there = {job["stamp"]: job for job in jobs}
    strangers = there.keys() - {pilot["stamp"] for pilot in pilots}
    return {
        "lost": [*map("{}: a job of no pilot".format, strangers), *told_otherwise(pilots, there)],
        "doubled": [*twice("rows", pilots), *twice("jobs", jobs)],
        "stuck": [f"{p['stamp']}: still {p['status']}" for p in pilots if p["status"] not in OVER],
        "exceeded": list(exceeded(lines["limit"], pilots, steps)),
        "freed too soon": list(freed_too_soon(steps, there)),
        "impossible moves": list(impossible(pilots, steps)),
        "ended though wanted": list(unwished(pilots, {one["stamp"] for one in lines["removed"]})),
    }


def told_otherwise(pilots: Iterable[Line], there: Mapping[str, Line]) -> Iterator[str]:
    """Name the pilots that are over, but not in the way that the site says."""
    for pilot in pilots:
        tale = another_tale(pilot, there.get(pilot["stamp"]))
        if tale and pilot["status"] in OVER:
            yield f"{pilot['stamp']}: {pilot['status']}, but its job {tale}"


def another_tale(pilot: Line, job: Line | None) -> str | None:
    """Return what the site says of a pilot that is over, if that differs."""
    status, code = pilot["status"], pilot["code"]
    if job is None or not job["started"]:
        ran = status == "done" or (status == "failed" and code is not None and 0 <= code < 128)
        return "never ran" if ran else None
    if job["goes_on"]:
        return "goes on"
    if status == "lost":
        return "ran"
    if job["broke"]:
        return None  # its keeper was killed, and it lied: any end will do
    if status == "done":
        return None if job["code"] == 0 else f"ended with {job['code']}"
    if status == "failed" and code is not None and 0 < code < 128:
        return None if job["code"] == code else f"ended with {job['code']}"
    return "ran" if status == "failed" and pilot["cause"] in NEVER_RAN else None


def twice(what: str, lines: Iterable[Line]) -> list[str]:
    """Name the stamps that occur more than once."""
    counts = Counter(line["stamp"] for line in lines)
    return [f"{stamp}: {number} {what}" for stamp, number in counts.items() if number > 1]


def freed_too_soon(steps: Iterable[Line], there: Mapping[str, Line]) -> Iterator[str]:
    """Name the pilots that became over before they wrote so themselves."""
    for step in steps:
        end = there.get(step["stamp"], {}).get("ended")
        if step["to"] in ("done", "failed") and end is not None and step["at"] < end:
            yield f"{step['stamp']}: {step['to']} {end - step['at']:.3f} s before its end"


def impossible(pilots: Iterable[Line], steps: Iterable[Line]) -> Iterator[str]:
    """Name the illegal steps, and the pilots whose status is not that of their last step."""
    at: dict[str, str] = {}
    for step in steps:
        stamp, was, to = step["stamp"], step["from"], step["to"]
        if to not in MOVES.get(was, ()) or at.get(stamp) != was:
            yield f"{stamp}: {was} to {to}, and it was {at.get(stamp)}"
        at[stamp] = to
    for pilot in pilots:
        if at.get(pilot["stamp"]) != pilot["status"]:
            yield f"{pilot['stamp']}: {pilot['status']}, and it was {at.get(pilot['stamp'])}"


def unwished(pilots: Iterable[Line], removed: set[str]) -> Iterator[str]:
    """Name the pilots whose jobs were removed, but not by the tormentor."""
    for pilot in pilots:
        if pilot["cause"] == "removed" and pilot["stamp"] not in removed:
            yield f"{pilot['stamp']}: its job was removed, and nobody wished it"


def places(pilot: Line, status: str | None) -> list[Place]:
    """List the limits that a pilot counts against."""
    if status in OVER or status is None:
        return []
    limits = [("capacity", pilot["ce"]), ("vo", pilot["vo"])]
    return [*limits, ("waiting", pilot["ce"])] if status in WAITS else limits


class Held:
    """How many pilots hold places, and how many of them had lost theirs and came back."""

    def __init__(self) -> None:
        self.all: Counter[Place] = Counter()
        self.back: Counter[Place] = Counter()
        self._back_again: set[str] = set()

    def take(self, pilot: Line, step: Line) -> set[Place]:
        """Apply a step; return the places that a new pilot takes."""
        stamp, was, to = step["stamp"], step["from"], step["to"]
        self._count(stamp, places(pilot, was), -1)
        if was == "lost" or (was, to) == ("running", "submitted"):
            self._back_again.add(stamp)
        new_places = places(pilot, to)
        self._count(stamp, new_places, 1)
        return set(new_places) if was is None else set()

    def _count(self, stamp: str, some: Iterable[Place], number: int) -> None:
        for place in some:
            self.all[place] += number
            self.back[place] += number if stamp in self._back_again else 0


def exceeded(
    limits: Iterable[Line], pilots: Iterable[Line], steps: Iterable[Line]
) -> Iterator[str]:
    """Go through the steps commit by commit, and name the limits that are exceeded after one.

    A lost pilot that turns up, or a pilot that waits again, may exceed a limit; no new pilot may be
    added to it then.
    """
    holdings, by_stamp = Held(), {pilot["stamp"]: pilot for pilot in pilots}
    in_force: dict[Place, int | None] = {}
    coming = sorted(limits, key=itemgetter("at"), reverse=True)
    for at, group in groupby(steps, key=itemgetter("at")):
        while coming and coming[-1]["at"] <= at:
            line = coming.pop()
            in_force[line["of"], line["name"]] = line["most"]
        per_step = [holdings.take(by_stamp.get(step["stamp"], NOBODY), step) for step in group]
        new_places: set[Place] = set().union(*per_step)
        for place, most in in_force.items():
            number, back = holdings.all[place], holdings.back[place]
            if most is not None and number - (0 if place in new_places else back) > most:
                yield f"{place[0]} of {place[1]}: {number} of {most} at {at:.3f}"


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def main(words: Sequence[str]) -> int:
    """Judge a file, and print what is wrong."""
    try:
        [name] = words
        lines = read(name)
    except (OSError, ValueError, KeyError, lzma.LZMAError) as problem:
        say(f"judge: name one file of evidence: {problem!r}")
        return 2
    say(", ".join(f"{len(some)} {kind} lines" for kind, some in lines.items()))
    wrong = judge(lines)
    for kind, some in wrong.items():
        say(f"{len(some)} {kind}")
        for one in some[:20]:
            say(f"  {one}")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
