"""If one of several batches may have been sent, the error says so for all."""

from collections.abc import Iterator, Sequence
from typing import cast
from uuid import uuid4

import pytest

from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.submit import ArraySender, batches
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import BackendError, NotSent, Unavailable, Unreadable

AWAY = NotSent("ce", "sbatch is not installed on this host")
TIMED_OUT = Unavailable("ce", "sbatch: Socket timed out")
NONSENSE = Unreadable("?", "ce", "no number")


class Answering:
    """A client with prepared answers; a text is the number of a job."""

    def __init__(self, answers: Sequence[BackendError | str]) -> None:
        self._answers: Iterator[BackendError | str] = iter(answers)

    def submit(self, words: object, script: object) -> str:
        answer = next(self._answers)
        if isinstance(answer, BackendError):
            raise answer
        return answer


def send(answers: Sequence[BackendError | str]) -> list[Receipt]:
    """Send one batch for each answer; each has its own script."""
    orders = [
        Order(stamp=uuid4().hex, vo="default", script=f"exit {n}") for n in range(len(answers))
    ]
    client = cast(SlurmClient, Answering(answers))
    sender = ArraySender(client=client, ce="ce", names=Names("p"), options=SlurmOptions())
    return sender.send(batches(orders, 1000))


@pytest.mark.parametrize("doubtful", [TIMED_OUT, NONSENSE])
@pytest.mark.parametrize("first", [True, False])
def test_one_batch_that_may_be_there_keeps_all_from_being_given_up(
    doubtful: BackendError, *, first: bool
) -> None:
    answers = [doubtful, AWAY] if first else [AWAY, doubtful]
    with pytest.raises(type(doubtful)) as caught:
        send(answers)
    assert not isinstance(caught.value, NotSent)


def test_only_where_nothing_was_sent_at_all_is_it_said_so() -> None:
    with pytest.raises(NotSent):
        send([AWAY, AWAY])


def test_a_batch_that_was_sent_keeps_its_receipt_beside_one_that_was_not() -> None:
    first, second = send(["4711", AWAY])

    assert first.handle is not None
    assert second.not_sent
