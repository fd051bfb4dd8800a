"""Any file, option, answer of a source or message is read or refused.

A refusal is an error of the domain, in one line.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.foreign import ANY_TIME, FOLDER, READERS, VALUES, kept
from worker import settings
from worker.demand.answers import AnswerOptions, number_in
from worker.domain.errors import PilotageError
from worker.domain.pairs import parse_pairs
from worker.domain.validation import read_options
from worker.messaging import consumer
from worker.services import payloads
from worker.services.files import read_toml
from worker.services.observe import simulate
from worker.services.operate import inventory_file
from worker.wiring import backends

TEXTS = st.text(max_size=60)


def is_tame(reader: Callable[[], Any]) -> Any:
    """Read; check that a refusal is one line."""
    try:
        return reader()
    except PilotageError as error:
        message = str(error)
    assert "\n" not in message
    message.encode()
    return None


def toml(draw: st.DrawFn, tables: list[str], keys: list[str]) -> str:
    """Draw a file that is nearly right: known tables and keys with any values."""
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from(tables)))
        lines.append(f"{draw(st.sampled_from(keys))} = {draw(TOML_VALUES)}")
    return "\n".join(lines)


TOML_VALUES = st.one_of(
    st.sampled_from(
        [
            "1", "-1", "1e400", "nan", "inf", "0x" + "f" * 40, "9" * 5000, "true", "[]", "{}",
            '""', '"x"', '["a", 1]', "2026-01-01", "0001-01-01T00:00:00Z", "07:32:00",
            '"\\u0000"', '"' + "x" * 300 + '"', "[[[[]]]]", "{a = {b = 1}}", '"@{x}"', "[1, {}]",
        ]
    ),
    st.integers().map(str),
    st.text("abc./@{}$ 09_-", max_size=12).map(json.dumps),
)  # fmt: skip
INVENTORY = (
    ["[vo.a]", "[ce.b]", "[vo.a.source]", "[ce.b.options]", "[schedules.prune]", "[vo.a.payload]",
     "[credentials.c]", "[[ce]]", '[vo."\\u0000"]', "[vo]"],
    ["share", "limit", "demand", "enabled", "backend", "capacity", "waiting_limit", "tags", "vos",
     "success_rate", "every", "cron", "vo", "source", "kind", "file", "renew", "script", "payload",
     "script_text", "arguments", "variables", "options", "partition", "name", "at"],
)  # fmt: skip
PAYLOAD = (
    ["[variables.x]", "[at.ce]", "[variables]", "[[at]]"],
    ["script", "script_text", "arguments", "variables", "at", "value", "secret", "ce", "tag"],
)
SCENARIO = (
    ["[[ce]]", "[[vo]]", "[[trouble]]", "[[drift]]", "[ce]"],
    ["name", "count", "capacity", "hours", "seed", "ce", "kind", "begins", "ends", "share", "jobs",
     "of", "low", "high", "period", "burst", "spread", "tick_seconds", "queue_minutes"],
)  # fmt: skip
SETTINGS = (
    ["[schedules.prune]", "[parameters]", "[schedules.submit_pilots.vo.a]", "[home]"],
    ["home", "database_url", "broker_url", "instance", "budget", "policy", "time_limit", "every",
     "cron", "keep_final_days", "log_level", "half_life", "pool_size", "schedules", "enabled"],
)  # fmt: skip


@st.composite
def files(draw: st.DrawFn, kind: tuple[list[str], list[str]]) -> str:
    return draw(TEXTS) if draw(st.integers(0, 9)) == 0 else toml(draw, *kind)


def read_as(folder: Path, text: str, reader: Callable[[Path], Any]) -> None:
    path = folder / "file.toml"
    with suppress(UnicodeEncodeError):
        path.write_text(text, encoding="utf-8")
        is_tame(lambda: reader(path))


@kept("toml", "text")
@ANY_TIME
@given(text=st.one_of(TEXTS, files(INVENTORY)))
def test_whatever_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    read_as(tmp_path, text, read_toml)


@kept("inventory", "text")
@ANY_TIME
@given(text=files(INVENTORY))
def test_whatever_an_inventory_says_is_read_or_refused(tmp_path: Path, text: str) -> None:
    read_as(tmp_path, text, lambda path: inventory_file.read(path, backends()))


@kept("payload", "text")
@ANY_TIME
@given(text=files(PAYLOAD))
def test_whatever_a_payload_says_is_read_or_refused(tmp_path: Path, text: str) -> None:
    read_as(tmp_path, text, payloads.read_file)


@kept("scenario", "text")
@ANY_TIME
@given(text=files(SCENARIO))
def test_whatever_a_scenario_says_is_read_or_refused(tmp_path: Path, text: str) -> None:
    read_as(tmp_path, text, lambda path: simulate.load(str(path)))


@kept("settings", "text")
@ANY_TIME
@given(text=files(SETTINGS))
def test_whatever_the_settings_say_is_read_or_refused(tmp_path: Path, text: str) -> None:
    def load(path: Path) -> object:
        return settings.load({"PILOTAGE_CONFIG": str(path), "HOME": str(tmp_path)})

    read_as(tmp_path, text, load)


@ANY_TIME
@given(name=st.sampled_from(sorted(settings.Settings.model_fields)), value=TEXTS)
@example(name="time_limit", value="9" * 5000)
@example(name="home", value="\0")
def test_whatever_a_variable_says_is_read_or_refused(name: str, value: str) -> None:
    is_tame(lambda: settings.load({f"PILOTAGE_{name.upper()}": value}))


@kept("option", "text")
@ANY_TIME
@given(text=TEXTS | VALUES.map(lambda value: f"x={json.dumps(value)}"))
@example(text="x=" + "[" * 100_000)
@example(text="x=" + "9" * 5000)
@example(text="x=1e400")
def test_whatever_an_option_says_is_read_or_refused(text: str) -> None:
    values = is_tame(lambda: parse_pairs([text]))
    if values is not None:
        json.dumps(values, allow_nan=False)


OPTIONS = {
    name: sorted(field.alias or key for key, field in one.options.model_fields.items())
    for name, one in backends().items()
}


@st.composite
def options(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw options of a back-end with any values."""
    name = draw(st.sampled_from(sorted(OPTIONS)))
    keys = st.sampled_from(OPTIONS[name]) if OPTIONS[name] else TEXTS
    return name, draw(st.dictionaries(keys | TEXTS, VALUES, max_size=4))


@ANY_TIME
@given(of=options())
def test_whatever_the_options_of_a_ce_are_they_are_read_or_refused(
    of: tuple[str, dict[str, Any]],
) -> None:
    name, values = of
    is_tame(lambda: read_options(backends()[name].options, values, f"back-end {name}"))


@kept("demand", "text", path=None)
@ANY_TIME
@given(
    text=st.one_of(TEXTS, VALUES.map(json.dumps)),
    path=st.none() | st.sampled_from(["0", "a.0", "²", "9" * 5000, "-1", "..", ""]) | TEXTS,
)
@example(text="[" * 100_000, path=None)
@example(text="[1, 2, 3]", path="²")
@example(text="[1, 2, 3]", path="9" * 5000)
@example(text="9" * 5000, path=None)
@example(text="1e308", path=None)
@example(text='{"a": "\\ud800"}', path="a")
def test_whatever_a_source_answers_is_a_number_or_unknown(text: str, path: str | None) -> None:
    number = is_tame(lambda: number_in(text, AnswerOptions(path=path)))

    assert number is None or type(number) is int


def test_each_input_that_is_kept_is_tried_by_a_test() -> None:
    import_module("tests.backends.test_foreign_text")
    names = [path.name for path in FOLDER.glob("*.txt")]

    assert names
    assert {name.partition("-")[0] for name in names} <= READERS


class Message:
    """A message, as kombu delivers it."""

    def __init__(self, body: bytes, headers: Any, decoded: Any) -> None:
        self.body, self.headers, self._decoded = body, headers, decoded

    def decode(self) -> Any:
        return self._decoded


HEADERS = st.dictionaries(
    st.sampled_from(
        ["id", "task", "retries", "eta", "expires", "timelimit", "chord", "pilotage_until", "group"]
    ),
    VALUES | st.sampled_from(["prune", "check_pilots", "2026-01-01T00:00:00+00:00"]),
)


@ANY_TIME
@given(headers=HEADERS | VALUES, decoded=VALUES | st.tuples(VALUES, VALUES, VALUES))
@example(headers={"task": ["x"], "id": "x"}, decoded=[[], {}, {}])
@example(headers={"task": "prune", "id": "x", "timelimit": 7}, decoded=[[], {}, {}])
def test_whatever_a_message_says_is_taken_or_dropped(headers: Any, decoded: Any) -> None:
    why = consumer.problem(Message(b"", headers, decoded))

    assert why is None or "\n" not in why
