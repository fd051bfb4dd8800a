"""Texts of others, cleaned so that they can be stored and shown."""

from pathlib import Path

import pytest

from worker.backends import outputs
from worker.domain.texts import legible, one_line

HOSTILE = " a\x1b[2Jb\nc\td\ud800 "


def test_a_text_keeps_its_lines_and_nothing_that_a_terminal_obeys() -> None:
    assert legible(HOSTILE) == " a\ufffd[2Jb\nc\td\ufffd "
    assert legible("x" * 100, 10) == "x" * 10


def test_a_line_is_one_line() -> None:
    assert one_line(HOSTILE) == "a\ufffd[2Jb c d\ufffd"
    assert one_line("x" * 100, 10) == "x" * 10


@pytest.mark.parametrize("size", [0, 1, 19, 20])
def test_a_short_output_is_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"x" * size)
    output = outputs.read(path, shown=10)
    assert (output.text, output.truncated) == ("x" * size, False)


def test_the_middle_of_a_long_output_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"a" * 10 + b"-" * 7 + b"z" * 10)
    output = outputs.read(path, shown=10)
    assert output.truncated
    assert output.text == "a" * 10 + "\n[... 7 bytes are left out here ...]\n" + "z" * 10


def test_an_output_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert outputs.read(tmp_path / "nowhere").text == ""
    (tmp_path / "file").touch()
    assert outputs.read(tmp_path / "file" / "out").text == ""
