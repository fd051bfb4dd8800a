"""Lines of a log, for people or as JSON: they name their subject and show no secret."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from tests.cli.command import forget
from worker import logs, wiring
from worker.messaging import app as door
from worker.services.log_lines import JsonLines, TextLines, about, lines_of
from worker.services.runtime import TaskResult
from worker.services.tasks import execute

SECRET = "S3cr3t-of-ours"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger; it is restored afterwards."""
    one = logging.getLogger()
    level, handlers = one.level, list(one.handlers)
    yield one
    one.handlers, one.level = handlers, level


@pytest.fixture
def stream(root: logging.Logger) -> StringIO:
    """The stream that gets the log as JSON."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    return stream


def events(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_event_is_one_line_also_with_a_traceback(stream: StringIO) -> None:
    log = logging.getLogger("worker.x")
    log.info("two\nlines of %s", "lyon")
    try:
        raise ValueError("it broke\nin two lines")
    except ValueError:
        log.exception("it failed")

    first, second = events(stream)
    assert (first["level"], first["logger"]) == ("info", "worker.x")
    assert first["message"] == "two\nlines of lyon"
    assert first["at"].endswith("+00:00")
    assert "it broke\nin two lines" in second["traceback"]


def test_a_line_says_what_the_work_is_about_and_what_triggered_it(stream: StringIO) -> None:
    with about(task_id="4f1c", by="nudge"), about(task="dispatch", ce="lyon", vo=None):
        logging.getLogger("x").info("sent", extra={"pilot": 17, "stamp": "ab" * 16})
    logging.getLogger("x").info("outside")

    inside, outside = events(stream)
    facts = {"task": "dispatch", "task_id": "4f1c", "by": "nudge", "ce": "lyon"}
    assert facts.items() <= inside.items()
    assert (inside["pilot"], inside["stamp"], "vo" in inside) == ("17", "ab" * 16, False)
    assert set(outside) == {"at", "level", "logger", "message"}


@pytest.mark.parametrize(("header", "by"), [("tick", "tick"), (["x"], None), ("hand; x", None)])
def test_a_message_says_what_triggered_it_and_nothing_else(
    stream: StringIO, monkeypatch: pytest.MonkeyPatch, header: object, by: str | None
) -> None:
    def say(*_: object) -> TaskResult:
        logging.getLogger("x").info("works")
        return TaskResult()

    monkeypatch.setattr(wiring, "runtime", lambda **_: None)
    monkeypatch.setattr(execute, "execute", say)
    task = door.app.tasks["learn"]
    task.push_request(id="one", retries=0, **{door.BY: header})
    try:
        task.run()
    finally:
        task.pop_request()
    [event] = events(stream)
    assert (event["task_id"], event.get("by")) == ("one", by)


def test_no_secret_is_written_in_either_form() -> None:
    for form in (JsonLines(), TextLines()):
        stream = StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(form)
        log = logging.getLogger(f"only.{type(form).__name__}")
        log.addHandler(handler)
        try:
            raise ValueError(f'redis://:{SECRET}@host/0 "password": "{SECRET}"')
        except ValueError:
            with about(vo=f"token={SECRET}"):
                log.exception("token=%s", SECRET, extra={"pilot": f"password={SECRET}"})
        assert SECRET not in stream.getvalue()
        assert "token=***" in stream.getvalue()


@pytest.mark.parametrize(
    ("form", "is_read_by_people", "kind"),
    [
        ("auto", True, TextLines),
        ("auto", False, JsonLines),
        ("text", False, TextLines),
        ("json", True, JsonLines),
    ],
)
def test_people_read_text_and_programs_json_if_nobody_says_otherwise(
    form: str, is_read_by_people: bool, kind: type[logging.Formatter]
) -> None:
    assert isinstance(lines_of(form, is_read_by_people=is_read_by_people), kind)


def test_the_level_can_be_changed_while_a_process_runs(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path))
    forget()
    logs.set_up(wiring.settings())
    file = tmp_path / logs.LEVEL_FILE

    levels = []
    for word in ("debug", "WARNING\n", "nonsense"):
        file.write_text(word)
        logs.follow_level()
        levels.append(root.level)
    file.write_text("error")
    logs.follow_level()
    file.unlink()
    logs.follow_level()
    assert levels == [logging.DEBUG, logging.WARNING, logging.INFO]
    assert root.level == logging.INFO
