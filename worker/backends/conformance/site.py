"""The description of the CE that the suite tests: what can be made there, and what cannot."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from secrets import token_hex
from types import MappingProxyType

from worker.backends.contract import Driver
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import GROUP_LENGTH, GROUP_SIZE, numbered
from worker.domain.vo import DEFAULT_VO
from worker.domain.words import Described


class Life(Described):
    """How long the pilots of a driver live, and how they end."""

    LONG = "long", "It starts soon and runs until it is ended."
    SHORT = "short", "It starts soon and ends well soon."
    FAILING = "failing", "It starts soon and ends soon with an exit code other than 0."
    CHATTY = "chatty", "It ends well soon and has written far more than the limit of an output."


class Trouble(Described):
    """What can be made to go wrong at a CE."""

    REPLY_LOST = "reply_lost", "Orders are accepted and the reply is lost."
    HALF = "half", "Orders are accepted and only some are answered."
    REFUSAL = "refusal", "The orders of these stamps are refused, the others accepted."
    DOWN = "down", "The CE cannot be reached."
    SLOW = "slow", "The CE takes ten times longer than the driver waits."
    EMPTY = "empty", "The CE answers with success and says nothing."
    TRUNCATED = "truncated", "The CE's listing is cut short, and this can be seen."
    UNREADABLE = "unreadable", "The CE answers something that is not its language."
    STRANGE_WORD = "strange_word", "The CE uses a status word that nobody knows."
    GARBAGE = "garbage", "The CE's reasons hold control characters and broken UTF-8."
    CREDENTIAL = "credential", "The credential has expired."
    FORGOTTEN = "forgotten", "The CE knows these jobs no longer, live or in its history."
    LEFT_LISTING = "left_listing", "These jobs, which have ended, are in the CE's history only."
    REMOVED = "removed", "Somebody else removes these jobs at the CE."
    REQUEUED = "requeued", "The CE stops these running jobs, and starts them again later."
    NEVER_STARTS = "never_starts", "The jobs that the CE accepts from now on wait for ever."
    SKEWED = "skewed", "The CE's clock is ten minutes ahead."


class Lie(Described):
    """What a pilot may report of itself, or put in place of the file that records its end."""

    HUGE = "huge", "An exit code that has more than 32 bits."
    NEGATIVE = "negative", "An exit code far below zero."
    DIGITS = "digits", "A number of 5,000 digits."
    NO_ZONE = "no_zone", "Times without a zone."
    YEAR_1 = "year_1", "Times in the year 1."
    YEAR_9999 = "year_9999", "Times in the year 9999, in a zone west of UTC."
    NUL = "nul", "Words that hold NUL and half a character."
    LARGE = "large", "10 MB."
    FIFO = "fifo", "A FIFO, which nobody writes into."
    DIRECTORY = "directory", "A folder."
    SYMLINK = "symlink", "A symbolic link to something without end."
    LOOP = "loop", "A symbolic link to itself."


def never(reason: str, *lies: Lie) -> Mapping[Lie, str]:
    """Return a mapping of these lies, or of all lies, to the reason why no pilot can tell them."""
    return MappingProxyType(dict.fromkeys(lies or Lie, reason))


FILES = (Lie.FIFO, Lie.DIRECTORY, Lie.SYMLINK, Lie.LOOP)
"""The lies that need a file of the pilot's own."""


class Site(ABC):
    """One CE of the back-end that is tested: new and empty for each test."""

    cannot: Mapping[Trouble, str] = MappingProxyType({})
    """Each trouble that cannot be made here, and why."""

    many: int = 1000
    """Pilots in the largest submission."""

    many_ids: int = 100_000
    """Jobs in the largest poll, most of them unknown to the CE."""

    cannot_lie: Mapping[Lie, str] = MappingProxyType({})
    """Each lie that no pilot can tell here, and why."""

    visibility_delay: float = 0
    """The visibility delay in the options of the CE."""

    time_limit: float = 10
    """Seconds that the driver waits for the CE."""

    margin: float = 2
    """Seconds that the driver may take beyond `time_limit`, on a machine that is not overloaded."""

    step: float = 0.05
    """Seconds from one poll to the next, while a case waits for something."""

    patience: int = 6000
    """Polls until the wait is given up: several minutes, as this only ends a case that hangs."""

    output_limit: int = 1_048_576
    """Characters of a pilot's output that a driver may return."""

    alone: str = ""
    """Why there cannot be a second CE at the same place; empty if there can be one."""

    tells_ce: bool = True
    """Whether the listing has the jobs of one CE only, or names the CE of each job."""

    @abstractmethod
    def connect(self, life: Life = Life.LONG) -> Driver:
        """Make a driver of the CE, as another process would; its pilots behave as `life` says."""

    def connect_second(self, life: Life = Life.LONG) -> Driver:
        """Make a driver of a second CE at the same place: another partition of the same cluster."""
        raise NotImplementedError("connect a second CE, or say in `alone` why there is none")

    @abstractmethod
    def contents(self) -> object:
        """Return the jobs at the CE and their files, to see whether a call changes them."""

    def grow_old(self) -> None:  # noqa: B027 - at many CEs a driver has nothing to clean up
        """Make what the CE keeps of ended pilots old enough to be cleaned up, where possible."""

    @abstractmethod
    def unknown_handle(self, number: int) -> str:
        """Return the handle of a job that the CE never had: a different one for each number."""

    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> AbstractContextManager[None]:
        """Make trouble during the block; for these stamps only, if the trouble is about jobs."""
        raise NotImplementedError(f"provoke {trouble}, or name it in `cannot` with the reason")

    def plant(self, lie: Lie, job: Job) -> None:
        """Replace what a pilot that has ended reported of itself by this lie."""
        raise NotImplementedError(f"plant {lie}, or name it in `cannot_lie` with the reason")

    def orders(self, count: int) -> list[Order]:
        """Make new orders of one VO, with stamps in groups as a reservation makes them."""
        groups = [token_hex(GROUP_LENGTH // 2) for _ in range(0, count, GROUP_SIZE)]
        return [
            Order(stamp=numbered(groups[n // GROUP_SIZE], n % GROUP_SIZE), vo=DEFAULT_VO)
            for n in range(count)
        ]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """Read the clock that the driver reads."""
        return datetime.now(UTC)
