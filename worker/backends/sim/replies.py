"""Effects of faults on one call: they refuse it, delay it, or damage the answer."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

from worker.backends.sim.kinds import WHOLE_CALL, Active, Fault
from worker.domain.errors import CredentialProblem, Refused, Unavailable, Unreadable

Answer = TypeVar("Answer")

NONSENSE = "<html><head><title>504 Gateway Time-out</title></head>"
"""The text of an unreadable answer."""

BROKEN_TEXT = "held: \udcff\x00 caf\udce9 \x1b[31mred\x07\u202e"
"""A broken reason, as a CE may write it."""

CUT_SHORT = (Fault.TRUNCATES, Fault.ANSWERS_HALF, Fault.ANSWERS_NOTHING)
"""With one of these faults, a listing is not complete."""


class Reply:
    """One call to a CE, with the faults that affect it."""

    def __init__(self, ce: str, timeout: float, faults: Mapping[Fault, Active]) -> None:
        self.ce = ce
        self.timeout = timeout
        self.faults = {
            fault: active
            for fault, active in faults.items()
            # Whether a fault affects a call is random; which pilots it affects is not.
            if fault not in WHOLE_CALL or random.random() < active.rate  # noqa: S311
        }

    def turn_away(self) -> None:
        """Refuse the call before anything is done."""
        if Fault.DOWN in self.faults:
            raise Unavailable(self.ce, "connection refused")
        if Fault.CREDENTIAL in self.faults and self.locked_out() is None:
            raise CredentialProblem(self.ce, "the credential has expired")

    def turn_away_submission(self) -> None:
        """Refuse a submission as a whole before anything is done."""
        refuses = self.faults.get(Fault.REFUSES)
        if refuses is not None and refuses.settings.whole and random.random() < refuses.rate:  # noqa: S311
            raise Refused(refuses.settings.cause, self.ce, refuses.settings.reason)

    def locked_out(self) -> str | None:
        """Return the VO whose credential has expired; `None` if all have expired, or none."""
        credential = self.faults.get(Fault.CREDENTIAL)
        return credential.settings.vo if credential else None

    def check_credential(self, vos: set[str]) -> None:
        """Refuse a call that is only for the VO whose credential has expired."""
        locked_out = self.locked_out()
        if locked_out is not None and vos == {locked_out}:
            raise CredentialProblem(self.ce, f"the credential of VO {locked_out} has expired")

    def accepted_share(self) -> float:
        """Return the share of the orders of a submission that reach the CE."""
        loses = self.faults.get(Fault.LOSES_REPLY)
        return loses.settings.share if loses else 1.0

    def deliver(self) -> None:
        """Delay the answer, or raise an error in its place; the work of the call stays done."""
        slow = self.faults.get(Fault.SLOW)
        if slow is not None:
            time.sleep(min(slow.settings.seconds, self.timeout))
            if slow.settings.seconds >= self.timeout:
                raise Unavailable(self.ce, f"no answer within {self.timeout:g} s")
        if Fault.UNREADABLE in self.faults:
            raise Unreadable(NONSENSE, self.ce, "it answered something that is not its language")

    def lose_receipts(self) -> None:
        """Raise an error in place of the receipts if a fault loses the reply."""
        if Fault.LOSES_REPLY in self.faults:
            raise Unavailable(self.ce, "connection reset before the reply")

    def part_of(self, answers: Sequence[Answer]) -> list[Answer]:
        """Return the part of the answers that the faults leave."""
        if Fault.ANSWERS_NOTHING in self.faults:
            return []
        half = self.faults.get(Fault.ANSWERS_HALF)
        return self._without(answers, half.settings.share) if half else list(answers)

    def part_of_listing(self, answers: Sequence[Answer]) -> list[Answer]:
        """Return the part of a listing that the faults leave."""
        cut = self.faults.get(Fault.TRUNCATES)
        answered = self.part_of(answers)
        return self._without(answered, cut.settings.share) if cut else answered

    def is_complete(self) -> bool:
        """Return whether a listing has all jobs that it should have."""
        return not any(fault in self.faults for fault in CUT_SHORT)

    def _without(self, answers: Sequence[Answer], share: float) -> list[Answer]:
        # Other answers are left out each time, so that a repeated query learns more.
        kept = random.sample(range(len(answers)), round(len(answers) * (1 - share)))
        return [answers[i] for i in sorted(kept)]
