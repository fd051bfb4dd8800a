"""The statuses of a pilot, its causes, and the moves it may make."""

import pytest

from tests.expectations import refused
from worker.db.tables import pilots, transitions
from worker.domain.errors import Invalid
from worker.domain.pilot import (
    CE_FAULTS,
    FINAL,
    LEGAL_MOVES,
    MOVES,
    OCCUPYING,
    WAITING,
    Cause,
    Grant,
    Move,
    Status,
    check_stamp,
)
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.domain.words import Described

# The table of the design, written a second time on purpose.
TABLE = """
reserved    submitting cancelled
submitting  submitted running done failed lost
submitted   running done failed cancelled lost
running     submitted done failed cancelled lost
done
failed
cancelled
lost        submitted running done failed cancelled
"""


def test_a_pilot_makes_the_moves_of_the_design_and_no_other() -> None:
    lines = [line.split() for line in TABLE.strip().splitlines()]

    assert {str(was): set(map(str, to)) for was, to in MOVES.items()} == {
        was: set(to) for was, *to in lines
    }


def test_the_pairs_of_legal_moves_say_the_same_as_the_table() -> None:
    assert set(LEGAL_MOVES) == {(was, to) for was, targets in MOVES.items() for to in targets}
    assert len(set(LEGAL_MOVES)) == len(LEGAL_MOVES)


def test_no_pilot_becomes_reserved_again_or_moves_to_where_it_is() -> None:
    assert all(to is not Status.RESERVED for _, to in LEGAL_MOVES)
    assert all(was is not to for was, to in LEGAL_MOVES)


def test_the_sets_of_statuses_are_those_of_the_design() -> None:
    assert {"reserved", "submitting", "submitted", "running"} == OCCUPYING
    assert {"reserved", "submitting", "submitted"} == WAITING
    assert {"done", "failed", "cancelled", "lost"} == FINAL
    assert set(Status) == OCCUPYING | FINAL


def test_only_a_lost_pilot_leaves_a_final_status() -> None:
    assert {was for was in FINAL if MOVES[was]} == {Status.LOST}


@pytest.mark.parametrize("words", [Status, Cause, Sending, Outcome])
def test_every_word_has_a_sentence_of_its_own(words: type[Described]) -> None:
    sentences = [word.sentence for word in words]

    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize("words", [Status, Cause, Sending, Outcome])
def test_every_word_fits_its_column_and_is_found_by_itself(words: type[Described]) -> None:
    for word in words:
        assert len(word) <= 16
        assert words(str(word)) is word


def test_the_columns_know_exactly_the_words_of_the_domain() -> None:
    assert getattr(pilots.c.status.type, "enums", None) == list(Status)
    assert getattr(pilots.c.cause.type, "enums", None) == list(Cause)
    assert getattr(transitions.c.became.type, "enums", None) == list(Status)


def test_what_is_not_the_fault_of_the_ce_does_not_count_against_it() -> None:
    innocent = {Cause.QUOTA, Cause.CREDENTIAL, Cause.WALLTIME, Cause.PREEMPTED, Cause.REMOVED}

    assert set(Cause) - CE_FAULTS == innocent


def test_a_failed_pilot_always_has_a_cause() -> None:
    assert Move(pilot_id=1, to=Status.FAILED).cause is Cause.UNKNOWN
    assert Move(pilot_id=1, to=Status.FAILED, cause=Cause.NODE).cause is Cause.NODE


@pytest.mark.parametrize("to", sorted(set(Status) - {Status.FAILED}))
def test_a_pilot_that_did_not_fail_has_no_cause(to: Status) -> None:
    assert Move(pilot_id=1, to=to).cause is None
    with refused(Invalid, f"a pilot that is {to} has none"):
        Move(pilot_id=1, to=to, cause=Cause.NODE)


def test_a_grant_is_for_no_fewer_than_no_pilots() -> None:
    assert Grant(vo="default", ce="ce", count=0).count == 0
    with refused(Invalid, "count", "-1 is below 0"):
        Grant(vo="default", ce="ce", count=-1)


def test_a_stamp_is_32_lower_case_hexadecimal_characters() -> None:
    check_stamp("0123456789abcdef" * 2)

    for wrong in ("", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 32 + "\n", "0" * 31 + "٠"):
        with refused(Invalid, "stamp"):
            check_stamp(wrong)
