"""The moves of the claimed pilots that follow from the answer of a CE to a submission."""

import pytest

from tests.factories import NOW
from worker.domain.ce_answers import Receipt
from worker.domain.errors import BackendError, CredentialProblem, NotSent, Refused, Unavailable
from worker.domain.pilot import NOT_SENT, Cause, Status
from worker.policy.judgement import judge_failed_submission, judge_receipts

IDS = {"accepted": 1, "refused": 2, "not sent": 3, "doubtful": 4}


def test_a_receipt_that_says_neither_yes_nor_no_moves_nothing() -> None:
    receipts = [
        Receipt("accepted", handle="7", raw="PENDING"),
        Receipt("refused", refused=Cause.QUOTA, reason="full"),
        Receipt("not sent", not_sent=True, raw="left out", reason="no script"),
        Receipt("doubtful", raw="?"),
    ]

    moves = judge_receipts(IDS, receipts, NOW)

    became = {move.pilot_id: (move.to, move.cause, move.raw, move.reason) for move in moves}
    assert became == {
        1: (Status.SUBMITTED, None, "PENDING", None),
        2: (Status.FAILED, Cause.QUOTA, None, "full"),
        3: (Status.LOST, None, NOT_SENT, "no script"),
    }
    assert [move.handle for move in moves] == ["7", None, None]
    assert {(move.was, move.next_check_at) for move in moves} == {(Status.SUBMITTING, NOW)}


@pytest.mark.parametrize(
    ("error", "to", "cause"),
    [
        (CredentialProblem("ce"), Status.FAILED, Cause.CREDENTIAL),
        (Refused("quota", "ce"), Status.FAILED, Cause.QUOTA),
        (Refused("a word of its own", "ce"), Status.FAILED, Cause.REFUSED),
        (NotSent("ce"), Status.LOST, None),
    ],
)
def test_a_call_that_failed_for_certain_decides_all_of_its_pilots(
    error: BackendError, to: Status, cause: Cause | None
) -> None:
    moves = judge_failed_submission([1, 2], error)

    assert [(move.pilot_id, move.to, move.cause) for move in moves] == [
        (1, to, cause),
        (2, to, cause),
    ]
    assert {move.reason for move in moves} == {str(error)}


def test_a_call_that_may_have_arrived_leaves_its_pilots_in_doubt() -> None:
    assert judge_failed_submission([1, 2], Unavailable("ce")) == []
