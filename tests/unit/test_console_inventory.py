"""The words of the inventory pages, and the reading of their forms, without a page."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.domain.errors import ChangedMeanwhile, Invalid, UnknownVO
from worker.domain.pairs import parse_pairs, written_pair
from worker.domain.spelled import change
from worker.services.ce_lines import CELine, without_reason
from worker.web.console import forms, states, tasks, words
from worker.web.console.conflict import Difference, differences, written
from worker.web.console.forms import Form, FormField, FormGroup

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINE = CELine(
    name="lyon",
    backend="sim",
    capacity=10,
    reserved=1,
    submitting=0,
    submitted=2,
    running=1,
    free=6,
    chance=1.0,
    state="normal",
    failed_calls=0,
    answered_at=None,
    unanswered_since=None,
    last_error=None,
    retry_at=None,
    trouble=None,
)


@pytest.mark.parametrize(
    ("state", "headline", "word"),
    [
        ("normal", "lyon is normal: 1 pilot runs, 3 wait, 6 slots are free.", "normal"),
        ("held until 14:00Z: new disks", "lyon is held until 14:00Z: new disks.", None),
        ("held: why?", "lyon is held: why?", "held"),
        ("draining by 14:00Z", "lyon is draining by 14:00Z.", "draining by 14:00Z"),
        ("disabled", "lyon is disabled.", "disabled"),
        ("not answering: timed out", "lyon does not answer: timed out.", "not answering"),
        (
            "not answering, held until 14:00Z: x",
            "lyon does not answer and is held until 14:00Z: x.",
            "not answering, held until 14:00Z",
        ),
        ("calls refused: who?", "lyon refuses our calls: who?", "calls refused"),
        (
            "not asked since 11:00Z: no worker calls it",
            "lyon is not asked since 11:00Z: no worker calls it.",
            "not asked since 11:00Z",
        ),
    ],
)
def test_the_state_of_a_ce_is_a_sentence(state: str, headline: str, word: str | None) -> None:
    assert states.headline(replace(LINE, state=state)) == headline
    assert without_reason(state) == (word or state.partition(": ")[0])


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("normal", "in maintenance"),
        ("paused since 11:00Z: x", "paused"),
        ("not answering: x", "not answering"),
    ],
)
def test_a_maintenance_is_the_state_where_nothing_else_is(state: str, word: str) -> None:
    line = replace(LINE, state=state, away="until 14:00Z: new disks")
    assert states.short(states.shown(line)) == word
    assert not line.gets_pilots


def test_a_maintenance_is_a_sentence() -> None:
    line = replace(LINE, away="until 14:00Z: new disks")
    assert states.headline(line) == "lyon is in maintenance until 14:00Z: new disks."


@pytest.mark.parametrize(
    ("states_of_ces", "sentence"),
    [
        ([], "There is no CE yet."),
        (["normal"], "1 CE, and it is normal."),
        (["held: x"], "1 CE, and it gets no new pilots."),
        (["normal", "normal"], "2 CEs, all normal."),
        (["normal", "disabled"], "2 CEs, 1 gets no new pilots."),
        (["held: x", "disabled", "normal"], "3 CEs, 2 get no new pilots."),
        (["held: x", "disabled"], "2 CEs, none gets new pilots."),
    ],
)
def test_all_ces_are_a_sentence(states_of_ces: list[str], sentence: str) -> None:
    assert states.of_all([replace(LINE, state=state) for state in states_of_ces]) == sentence


@pytest.mark.parametrize(
    "value",
    [
        *("plain", "two words", " blank", "", "5", "none", "true", "[1]", '"quoted"', "a=b"),
        *("two\nlines", "tab\t", "\u2028"),
        *(5, 1.5, True, None, [1, "a"], {"a": {"b": 1}}),
    ],
)
def test_a_pair_is_read_as_it_was_written(value: Any) -> None:
    line = written_pair("key", value)
    assert len(line.splitlines()) == 1 or value == "\u2028"
    assert parse_pairs([line]) == {"key": value}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (forms.WHOLE, " 5 ", 5),
        (forms.LIMIT, "", None),
        (forms.LIMIT, "none", None),
        (forms.LIMIT, "0", 0),
        (forms.NUMBER, "0.5", 0.5),
        (forms.LENGTH, "2h", timedelta(hours=2)),
        (forms.LENGTH, " ", None),
        (forms.WORDS, "a, b  a", ("a", "b")),
        (forms.PAIRS, "a=1\n\n b=x \n", {"a": 1, "b": "x"}),
        (forms.SOURCE, "\n", None),
        (forms.FLAG, "yes", True),
        (forms.FLAG, "", False),
    ],
)
def test_what_is_typed_is_read(kind: forms.ValueKind, text: str, value: Any) -> None:
    assert kind.read("value", text) == value
    assert kind.read("value", kind.write(value)) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (forms.WHOLE, ""),
        (forms.WHOLE, "1.5"),
        (forms.WHOLE, "9" * 5000),
        (forms.NUMBER, "much"),
        (forms.LENGTH, "2 hours"),
        (forms.PAIRS, "key"),
        (forms.PAIRS, 'key="\\ud800"'),
    ],
)
def test_what_cannot_be_read_is_refused(kind: forms.ValueKind, text: str) -> None:
    with pytest.raises(Invalid):
        kind.read("value", text)


def test_moments_are_read_from_now_on_and_back() -> None:
    assert forms.moment("until", "", NOW) is None
    assert forms.moment("until", "2h", NOW) == NOW + timedelta(hours=2)
    assert forms.moment("until", "2026-01-31T12:00", NOW) == NOW
    assert forms.moment("until", "2026-01-31T13:00+01:00", NOW) == NOW
    assert forms.ago("since", "2h", NOW) == NOW - timedelta(hours=2)
    assert forms.ago("since", "2026-01-31T12:00", NOW) == NOW
    for reader in (forms.moment, forms.ago):
        for text in ("soon", "999999999d", "0001-01-01T00:00+14:00"):
            with pytest.raises(Invalid):
                reader("since", text, NOW)


def test_a_refused_form_keeps_what_was_typed_and_its_version() -> None:
    group = FormGroup("slots", "Slots", (FormField("capacity", "Capacity", forms.WHOLE),))
    form = Form(values={"do": "slots", "capacity": "many", "version": "old"})
    attempt = forms.refused(form, Invalid("capacity", "it must be a whole number"))
    form_group = forms.filled(group, LINE, "new", attempt)
    assert form_group.is_open
    assert form_group.version == "old"
    assert [(entry.text, entry.was) for entry in form_group.entries] == [("many", "10")]
    fresh = forms.filled(group, LINE, "new", Form())
    assert not fresh.is_open
    assert (fresh.version, fresh.entries[0].text) == ("new", "10")


def test_what_no_other_value_mends_is_raised() -> None:
    assert forms.refused(Form(), UnknownVO("x")).error
    with pytest.raises(ChangedMeanwhile):
        forms.refused(Form(), ChangedMeanwhile("CE lyon"))


def test_only_what_differs_is_shown_of_a_conflict() -> None:
    changes = {"capacity": 20, "backend": "sim", "trouble": None}
    assert differences(changes, LINE, NOW) == [Difference("Capacity", "10", "20")]
    assert written(timedelta(hours=2), NOW) == "2h"
    assert written(NOW, NOW) == "12:00:00Z"
    assert written({"a": 1, "b": None, "c": "x"}, NOW) == "a=1\nc=x"
    assert written(("a", "b"), NOW) == "a b"
    assert written((), NOW) == written(None, NOW) == "–"
    assert written(False, NOW) == "no"


def test_a_change_is_written_as_on_the_command_line() -> None:
    assert change({"capacity": 1, "tags": None}, {"capacity": 2, "tags": "a"}) == (
        "capacity 1 → 2, tags - → a"
    )
    assert change(None, {"name": "lyon", "capacity": 2, "enabled": True}) == "capacity 2, enabled"


def test_small_lengths_have_two_digits_that_matter() -> None:
    texts = [words.seconds(value) for value in (0.0, 0.0131, 0.13, 1.25, 12.4, 125.0)]
    assert texts == ["0 s", "0.013 s", "0.13 s", "1.2 s", "12 s", "2 min 5 s"]


def test_when_a_task_fires_is_said() -> None:
    assert tasks.fires(30.0, None) == "every 30 s"
    assert tasks.fires(None, "0 * * * *") == "by the cron line 0 * * * *"
