"""Sentences about the state of a CE: the state, its reason, and what happens next."""

from datetime import datetime

from worker.domain.calls import NOT_ANSWERING, NOT_ASKED, REFUSING
from worker.domain.lengths import clock
from worker.services.ce_lines import NORMAL, CELine, without_reason
from worker.services.operate.ce_inventory import ShownCE
from worker.web.console import words

_VERBS = (
    (NOT_ANSWERING, "does not answer"),
    (REFUSING, "refuses our calls"),
    (NOT_ASKED, "is not asked"),
)
"""States in which calls fail or none are made, and the words for them in a sentence."""


MAINTENANCE = "in maintenance"

SHORT = (
    NOT_ANSWERING,
    REFUSING,
    NOT_ASKED,
    "paused",
    "held",
    MAINTENANCE,
    "draining",
    "disabled",
)
"""The states of CEs that get no new pilots, in one or two words, the most urgent first."""

PLACES = {state: place for place, state in enumerate((*SHORT, NORMAL))}


def short(state: str) -> str:
    """Return a state in one word or two, without its reason and its moments."""
    text = without_reason(state)
    return next((one for one in SHORT if text.startswith(one)), NORMAL)


def shown(line: CELine) -> str:
    """Return the state of a CE; its maintenance counts only if the state is normal."""
    if line.state == NORMAL and line.away is not None:
        return f"{MAINTENANCE} {line.away}"
    return line.state


def headline(line: CELine) -> str:
    """Write the state of a CE and its reason in a sentence."""
    if line.gets_pilots:
        return f"{line.name} is normal: {pilots(line)}."
    state, _, reason = shown(line).partition(": ")
    first, _, more = state.partition(", ")
    sentence = _with_verb(first) + (f" and is {more}" if more else "")
    if line.setter is not None and line.trouble is None:
        # The next sentence says when it ends.
        return f"{line.name} is {short(sentence.removeprefix('is '))} {reason}."
    return f"{line.name} {sentence}{_because(reason)}"


def pilots(line: CELine) -> str:
    """Write how many pilots a CE has, and how many more fit."""
    running = words.counted(line.running, "pilot runs", "pilots run")
    waits = words.counted(line.waiting, "waits", "wait")
    free = words.counted(line.free, "slot is", "slots are")
    return f"{running}, {waits}, {free} free"


def _with_verb(state: str) -> str:
    for begin, verb in _VERBS:
        if state.startswith(begin):
            return verb + state.removeprefix(begin)
    return f"is {state}"


def _because(reason: str) -> str:
    """Write a reason as the end of a sentence; it may already have its full stop."""
    if not reason:
        return "."
    return f": {reason}" + ("" if reason.endswith((".", "!", "?")) else ".")


def next_steps(ce: ShownCE, line: CELine, now: datetime) -> list[str]:
    """Write what happens next, and what the operator can do."""
    steps = []
    if line.trouble is not None:
        steps.append(f"Its calls: {line.trouble}. Its pilots are counted as in its last answer.")
    elif line.state.startswith(NOT_ASKED):
        steps.append("Start a worker: until then nothing is sent and nothing is checked.")
    return [*steps, _of_sending(ce, line, now), *_of_its_pilots(ce, line, now)]


def _of_its_pilots(ce: ShownCE, line: CELine, now: datetime) -> list[str]:
    """Write what happens to waiting pilots at a CE that is sent none, not even a probe."""
    is_closed = not ce.enabled or ce.draining or "held" in without_reason(line.state)
    if not is_closed and line.away is None:
        return []
    sentences = []
    if line.reserved:
        number = words.counted(line.reserved, "pilot is", "pilots are")
        were, them = ("it was", "it") if line.reserved == 1 else ("they were", "them")
        text = f"{were} never sent, and the next dispatch cancels {them}"
        sentences.append(f"{number} reserved: {text}.")
    if line.submitting:
        number = words.counted(line.submitting, "pilot is", "pilots are")
        sentences.append(f"{number} submitting: reconcile finds out whether the CE has them.")
    if line.submitted:
        number = words.counted(line.submitted, "pilot waits", "pilots wait")
        stay = "it is checked as before, and runs" if line.submitted == 1 else _STAY
        end = ""
        if ce.draining and ce.drain_by is not None:
            end = f"; pilots that wait at {clock(ce.drain_by, now, seconds=False)} are cancelled"
        sentences.append(f"{number} at the CE: {stay} when the CE starts it{end}.")
    return sentences


_STAY = "they are checked as before, and each runs"


def _of_sending(ce: ShownCE, line: CELine, now: datetime) -> str:
    if not ce.enabled:
        return "No pilots are sent until somebody enables it. Its pilots go on."
    if ce.draining:
        return _of_draining(ce, now)
    if "held" in without_reason(line.state):
        return _of_hold(ce, now)
    if line.away is not None:
        until = without_reason(line.away)
        return f"Nothing is sent, not even a probe, {until}; then it goes on by itself."
    if "paused" in without_reason(line.state):
        return (
            "Only a probe is sent now and then. When probes do well it is normal again by itself; "
            "somebody may resume it before."
        )
    return "Pilots are sent as long as there are demand and free slots."


def _of_hold(ce: ShownCE, now: datetime) -> str:
    if ce.unreconciled_since is not None:
        return (
            "The database was restored, and the CE may have pilots that are not in it. Run "
            f"'pilotage task run reconcile --ce {ce.name} --explain', then resume it."
        )
    if ce.held_until is not None:
        until = clock(ce.held_until, now, seconds=False)
        return f"Nothing is sent, not even a probe, until {until}; then it goes on by itself."
    return "Nothing is sent, not even a probe, until somebody resumes it."


def _of_draining(ce: ShownCE, now: datetime) -> str:
    if ce.drain_by is None:
        return "No pilots are sent; its pilots go on until they end."
    by = clock(ce.drain_by, now, seconds=False)
    ended = "pilots that still wait or run" if ce.end_running else "pilots that still wait"
    return f"No pilots are sent. At {by} {ended} are cancelled."


def of_all(lines: list[CELine]) -> str:
    """Write how many CEs there are, and how many get no new pilots."""
    if not lines:
        return "There is no CE yet."
    stopped = sum(1 for line in lines if not line.gets_pilots)
    number = words.counted(len(lines), "CE")
    if not stopped:
        return f"{number}, all normal." if len(lines) > 1 else "1 CE, and it is normal."
    if stopped == len(lines):
        return (
            f"{number}, and it gets no new pilots."
            if stopped == 1
            else f"{number}, none gets new pilots."
        )
    return f"{number}, {words.number(stopped)} {'gets' if stopped == 1 else 'get'} no new pilots."
