"""Sentences for the pages about pilots. Nothing here depends on a request or a database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from worker.domain.lengths import in_two_units
from worker.domain.pilot import CE_FAULTS, FINAL, NOT_SENT, OCCUPYING, Cause, Status, Use
from worker.domain.pilot_filter import PilotFilter
from worker.services.observe.failing import By, Failures
from worker.services.operate.pilots import ASKED_FOR, ShownPilot
from worker.web.console.pilot_query import Query
from worker.web.console.words import counted, listed, number

TO_TYPE = 100
"""To cancel this many pilots or more, one has to type their number."""

GROWN = 1.1
"""If a set has grown by more than this factor since it was shown, a new confirmation is needed."""

SEVERAL = 3
"""This many others that ended in the same way are no coincidence."""

_DOING = {
    Status.RESERVED: ("holds a slot", "hold a slot"),
    Status.SUBMITTING: ("is being sent", "are being sent"),
    Status.SUBMITTED: ("waits", "wait"),
    Status.RUNNING: ("runs", "run"),
    Status.DONE: ("ended well", "ended well"),
    Status.FAILED: ("failed", "failed"),
    Status.CANCELLED: ("was cancelled", "were cancelled"),
    Status.LOST: ("is lost", "are lost"),
}
_ENDED_BADLY = {Cause.EXIT_CODE, Cause.FAILED_FAST, Cause.FAILED_LATE, Cause.UNKNOWN}
"""Causes that are less precise than the exit code or the CE's own words."""

_OF_NO_USE = {Use.SHORT: "It was too short to be of use.", Use.EMPTY: "It had no work."}


def doing(counts: Mapping[Status, int]) -> str:
    """Write what pilots do: 300 run, 112 wait and 9,000 have ended."""
    order = (Status.RUNNING, Status.SUBMITTED, *Status)
    present = [status for status in dict.fromkeys(order) if counts.get(status)]
    active = [status for status in present if status in OCCUPYING]
    parts = [counted(counts[status], *_DOING[status]) for status in active or present]
    ended = sum(counts[status] for status in present if status in FINAL)
    return listed(
        [*parts, counted(ended, "has ended", "have ended")] if active and ended else parts
    )


def of_list(
    query: Query,
    rows: Sequence[ShownPilot],
    *,
    is_last: bool,
    counts: Counter[Status] | None,
    active: Counter[Status],
) -> str:
    """Write how many pilots match a list; if they were not counted, which ones are listed."""
    if counts is None and is_last and query.page.after is None:
        counts = Counter(pilot.status for pilot in rows)
    if counts is None:
        now = f" Of all that match, {doing(active)} now." if active else ""
        return f"{which(query, len(rows))}{now}"
    total = counts.total()
    if not total:
        return "No pilot matches." if query.chosen.values() else "There is no pilot yet."
    match = f" {'matches' if total == 1 else 'match'}" if query.chosen.values() else ""
    return f"{counted(total, 'pilot')}{match}: {doing(counts)}."


def which(query: Query, rows: int) -> str:
    """Write which pilots are listed if their total was not counted."""
    pilots = "pilot" if rows == 1 else f"{number(rows)} pilots"
    words = ["The", _place(query), pilots, describe(query.chosen)]
    return " ".join(word for word in words if word) + f"{_order(query)}."


def _place(query: Query) -> str:
    page = query.page
    if page.after is not None:
        return "next"
    if page.sort in (None, "id"):
        return "newest" if page.descending else "oldest"
    return "first"


def _order(query: Query) -> str:
    sort = query.page.sort
    if sort in (None, "id"):
        return ""
    if sort == "ended_at":
        return f", the {'latest' if query.page.descending else 'earliest'} end first"
    return f", sorted by {str(sort).replace('_', ' ')}"


def describe(chosen: PilotFilter) -> str:
    """Write a filter as the end of a sentence: that failed at lyon for VO lhcb."""
    parts = [_statuses(chosen.statuses)]
    parts.append(_words("that failed for the cause", chosen.causes))
    parts.append(_words("that ended well and were", chosen.uses))
    parts.append(f"at {chosen.ce}" if chosen.ce else "")
    parts.append(f"at CEs with the tag {chosen.tag}" if chosen.tag else "")
    parts.append(f"for VO {chosen.vo}" if chosen.vo else "")
    parts.append(f"on node {chosen.node}" if chosen.node else "")
    parts.append(f"with the job id {chosen.handle}" if chosen.handle else "")
    parts.append(f"found by {chosen.search}" if chosen.search else "")
    parts.append(f"older than {in_two_units(chosen.older_than)}" if chosen.older_than else "")
    return " ".join(part for part in parts if part)


def _statuses(statuses: Sequence[Status]) -> str:
    if not statuses:
        return ""
    if set(statuses) == FINAL:
        return "that ended"
    if set(statuses) == OCCUPYING:
        return "that are active"
    return f"that {' or '.join(_DOING[status][1] for status in statuses)}"


def _words(before: str, words: Sequence[Cause] | Sequence[Use]) -> str:
    return f"{before} {' or '.join(map(str, words))}" if words else ""


# -- one pilot


def of_pilot(pilot: ShownPilot) -> str:
    """Write what happened to a pilot."""
    say = _SENTENCES[pilot.status].format(
        ce=pilot.ce,
        age=in_two_units(pilot.age),
        wait=_length(pilot.wait),
        run_time=_length(pilot.run_time),
        where=_where(pilot),
        after=_after(pilot),
        cause=cause_of(pilot),
        reason=_reason(pilot),
        loss=_loss(pilot),
    )
    return f"Pilot {pilot.id} {say}."


_SENTENCES = {
    Status.RESERVED: "has held a slot at {ce} for {age}; it was not sent yet",
    Status.SUBMITTING: "is being sent to {ce}, whose answer is not known yet",
    Status.SUBMITTED: "has waited at {ce} for {wait}",
    Status.RUNNING: "has run {where} for {run_time}",
    Status.DONE: "ended well {after}",
    Status.FAILED: "failed {after}: {cause}",
    Status.CANCELLED: "was cancelled {after}{reason}",
    Status.LOST: "is lost: {loss}",
}


def _loss(pilot: ShownPilot) -> str:
    if pilot.raw == NOT_SENT or pilot.handle is None:
        return f"it did not reach {pilot.ce}"
    return f"{pilot.ce} no longer knows it"


def cause_of(pilot: ShownPilot) -> str:
    """Write why a pilot failed."""
    if pilot.cause in _ENDED_BADLY and pilot.exit_code:
        return f"exit code {pilot.exit_code}"
    if pilot.cause in _ENDED_BADLY or pilot.cause is None:
        return pilot.reason or pilot.raw or "no reason is known"
    return str(pilot.cause).replace("_", " ")


def _reason(pilot: ShownPilot) -> str:
    """Write why a pilot was cancelled, or why its cancellation was requested."""
    if pilot.cancel_reason is None:
        return ""
    by_hand = pilot.cancel_reason == ASKED_FOR
    return f": {'somebody asked for it' if by_hand else pilot.cancel_reason}"


def _after(pilot: ShownPilot) -> str:
    if pilot.run_time is None:
        return f"at {pilot.ce} without having run"
    return f"after {in_two_units(pilot.run_time)} {_where(pilot)}"


def _where(pilot: ShownPilot) -> str:
    return f"on {pilot.node}" if pilot.node else f"at {pilot.ce}"


def _length(value: timedelta | None) -> str:
    return "an unknown time" if value is None else in_two_units(value)


def more_of(pilot: ShownPilot) -> list[str]:
    """Write more about a pilot that is active, or that ended well for nothing."""
    sentences = []
    if pilot.use in _OF_NO_USE:
        sentences.append(_OF_NO_USE[pilot.use])
    if pilot.status in FINAL:
        return sentences
    if pilot.misses:
        sentences.append(
            f"{pilot.ce} did not know it in the last {counted(pilot.misses, 'answer')}."
        )
    if pilot.attempts:
        sentences.append(f"{counted(pilot.attempts, 'check')} had no answer; that changes nothing.")
    if pilot.cancel_requested_at is not None:
        sentences.append(f"It is to end{_reason(pilot)}.")
    return sentences


def whose_fault(pilot: ShownPilot, groups: Sequence[Failures], since: datetime) -> str | None:
    """Write how many others ended in the same way lately, and what that suggests."""
    if pilot.status not in (Status.FAILED, Status.LOST):
        return None
    word = str(pilot.cause or pilot.status)
    alike = {group.words.get(By.NODE): group.pilots for group in groups if _is(group, word)}
    if pilot.ended_at is not None and pilot.ended_at >= since and alike.get(pilot.node):
        alike[pilot.node] -= 1
    here = alike.get(pilot.node, 0) if pilot.node else 0
    everywhere = sum(alike.values())
    counts = pilot.cause in CE_FAULTS
    blame = f" It counts against {pilot.ce}." if counts else ""
    return f"{_others(pilot, here, everywhere)}{_points_to(pilot, alike, here, everywhere)}{blame}"


def _is(group: Failures, word: str) -> bool:
    return group.words.get(By.CAUSE) == word


def _others(pilot: ShownPilot, here: int, everywhere: int) -> str:
    way = "were lost" if pilot.status is Status.LOST else "failed"
    why = "" if pilot.status is Status.LOST else " for this cause"
    if not everywhere:
        single = "was lost" if pilot.status is Status.LOST else "failed"
        return f"No other pilot {single} at {pilot.ce}{why} in the last hour."
    elsewhere = everywhere - here
    if here and elsewhere:
        return (
            f"{counted(here, 'other', 'others')} {way} there{why} in the last hour, "
            f"and {number(elsewhere)} elsewhere at {pilot.ce}."
        )
    place = "there" if here else f"at {pilot.ce}"
    return f"{counted(everywhere, 'other', 'others')} {way} {place}{why} in the last hour."


def _points_to(
    pilot: ShownPilot, alike: Mapping[str | None, int], here: int, everywhere: int
) -> str:
    if here >= SEVERAL and 2 * here >= everywhere:
        return f" Most of them were on {pilot.node}: it may be the node."
    nodes = sum(1 for node, count in alike.items() if node and count)
    if everywhere >= SEVERAL and nodes >= SEVERAL:
        return f" They were on {nodes} nodes: it is not one node."
    return ""


# -- actions


def sentence(error: object) -> str:
    """Return an error's text with the end of a sentence."""
    text = str(error)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def objection(shown: int | None, typed: int | None, now: int) -> str | None:
    """Return why a set is not cancelled yet: it has grown, or its number was not typed."""
    if shown is None or now > shown * GROWN:
        before = "" if shown is None else f"{counted(shown, 'pilot')} matched, and now "
        return f"Look again: {before}{number(now)} match. Nothing was cancelled."
    if shown >= TO_TYPE and typed != shown:
        return f"Type the number {shown} to go on. Nothing was cancelled."
    return None


def question(by_ce: Mapping[str, Mapping[Status, int]]) -> str:
    """Ask whether these pilots are to be cancelled."""
    total = sum(sum(of_ce.values()) for of_ce in by_ce.values())
    if not total:
        return "No active pilot matches: there is nothing to cancel."
    where = next(iter(by_ce)) if len(by_ce) == 1 else counted(len(by_ce), "CE")
    return f"Cancel {counted(total, 'pilot')} at {where}?"


def cancelling(by_ce: Mapping[str, Mapping[Status, int]]) -> str:
    """Write that these pilots are being cancelled."""
    return question(by_ce).replace("Cancel ", "Cancelling ").replace("?", ".")


def consequences(by_ce: Mapping[str, Mapping[Status, int]]) -> list[str]:
    """Write what is lost when these pilots are cancelled, and what happens next."""
    counts: Counter[Status] = Counter()
    for of_ce in by_ce.values():
        counts.update(of_ce)
    running = counts[Status.RUNNING]
    waiting = counts.total() - running
    sentences = []
    if running:
        sentences.append(
            f"{counted(running, 'pilot runs', 'pilots run')}. "
            f"{'It ends' if running == 1 else 'They end'} with what "
            f"{'it runs' if running == 1 else 'they run'}: that work is lost."
        )
    if waiting:
        sentences.append(
            f"{counted(waiting, 'pilot waits', 'pilots wait')}. No work is lost by that."
        )
    return [*sentences, *NEXT]


NEXT = (
    "Those that were not sent yet end at once, the others by the next check of their CE.",
    (
        "Their slots become free, and the next ticks may send new pilots. "
        "To prevent that, hold the CE or lower the demand first."
    ),
)


OF_A_SET = (
    "The end of {pilots} was asked for: the next check of each CE ends them.",
    "No active pilot matched any more: nothing was cancelled.",
)
OF_NAMED = (
    "The CE accepted the end of {pilots}; a later check confirms it.",
    "The request is stored; the next check asks the CE.",
)
"""The sentence for pilots that their CE must end, and the sentence if nothing else is said."""


def cancelled(
    counts: Mapping[str, int], lines: Sequence[str] = (), *, by_name: bool = False
) -> str:
    """Write what happened to cancelled pilots, of a filter or by name."""
    asked, nothing = OF_NAMED if by_name else OF_A_SET
    sentences = []
    if counts.get("cancelled"):
        were = "it was" if counts["cancelled"] == 1 else "they were"
        pilots = counted(counts["cancelled"], "pilot")
        sentences.append(f"{pilots} ended before {were} sent.")
    if counts.get("asked"):
        sentences.append(asked.format(pilots=counted(counts["asked"], "pilot")))
    if counts.get("over already"):
        sentences.append(f"{counted(counts['over already'], 'pilot')} had ended already.")
    sentences += [f"{line}; the next check asks again." for line in lines]
    return " ".join(sentences) or nothing


def held(ce: str, vo: str, count: int, got: int) -> str:
    """Write how many slots are held for pilots that somebody sends by hand."""
    verb = "is" if got == 1 else "are"
    sentence = f"{counted(got, 'slot')} {verb} held at {ce} for VO {vo}; the next dispatch sends"
    sentence += " the pilot." if got == 1 else " the pilots."
    return (
        sentence if got == count else f"{sentence} Only {number(got)} of {number(count)} were free."
    )
