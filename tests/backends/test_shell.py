"""The function with which back-ends run other programs."""

import logging
import os
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE, until
from worker.backends.local.keeper.process import children_of, start_ticks
from worker.backends.shell import Secret, run, shown
from worker.domain.errors import NotSent, NotSetUp, Unavailable, Unreadable


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_it_returns_what_the_program_wrote_and_its_exit_code() -> None:
    result = run(sh("echo out; echo err >&2; exit 3"), timeout=PATIENCE)
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert 0 < result.seconds < 10


def test_no_shell_reads_the_words() -> None:
    result = run(["/bin/echo", "$HOME;", "`id`", "a  b"], timeout=PATIENCE)
    assert result.stdout == "$HOME; `id` a  b\n"


def test_a_signal_is_an_exit_code_below_zero() -> None:
    assert run(sh("kill -KILL $$"), timeout=PATIENCE).exit_code == -9


def test_input_and_output_of_any_length_pass_together() -> None:
    text = "0123456789\n" * 300_000
    assert run(["cat"], timeout=PATIENCE, input=text).stdout == text


def test_input_that_nobody_reads_is_no_error() -> None:
    assert run(["true"], timeout=PATIENCE, input="x" * 10**6).exit_code == 0


def test_the_environment_is_the_one_that_is_given() -> None:
    result = run(["/usr/bin/env"], timeout=PATIENCE, env={"ONE": "1"})
    assert result.stdout == "ONE=1\n"


def test_broken_characters_are_replaced() -> None:
    result = run(sh(r"printf 'a\377b'; printf '\200' >&2"), timeout=PATIENCE)
    assert (result.stdout, result.stderr) == (
        "a\N{REPLACEMENT CHARACTER}b",
        "\N{REPLACEMENT CHARACTER}",
    )


@pytest.mark.parametrize("program", ["/", "/etc/passwd", "a\0b"])
def test_what_cannot_be_started_was_not_asked(program: str) -> None:
    with pytest.raises(NotSent, match="cannot be started"):
        run([program], timeout=PATIENCE)


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program"])
def test_a_program_that_is_missing_is_called_by_its_name(program: str) -> None:
    with pytest.raises(NotSetUp, match=f"{program} is not installed on this host"):
        run([program], timeout=PATIENCE)


def test_a_script_whose_interpreter_is_missing_is_there_and_cannot_be_started(
    tmp_path: Path,
) -> None:
    script = tmp_path / "condor_submit"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with pytest.raises(NotSent, match="it cannot be started"):
        run([str(script)], timeout=PATIENCE)


def test_the_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > '{tmp_path}/pid'; echo so far >&2; trap '' TERM; wait"
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s.*so far"):
        run(sh(script), timeout=0.3)
    assert time.monotonic() - began < 500, "it does not wait for the program"
    child = int((tmp_path / "pid").read_text())
    until(lambda: start_ticks(child) is None, "the end of the child")


def test_a_program_that_says_nothing_is_named_with_a_round_time() -> None:
    with pytest.raises(Unavailable) as caught:
        run(["sleep", "60"], timeout=0.29957)
    assert caught.value.details == ("sleep", "no answer within 0.3 s")


def test_what_a_program_leaves_behind_neither_holds_us_up_nor_lives(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > '{tmp_path}/pid'; echo done"
    result = run(sh(script), timeout=PATIENCE)
    assert (result.stdout, result.exit_code) == ("done\n", 0)
    child = int((tmp_path / "pid").read_text())
    until(lambda: start_ticks(child) is None, "the end of the child")


def test_too_much_output_is_an_error_and_no_shorter_answer() -> None:
    with pytest.raises(Unreadable, match="more than 1000 bytes") as caught:
        run(["yes"], timeout=PATIENCE, limit=1000)
    assert caught.value.raw.startswith("y\ny\n")


def test_closed_pipes_are_not_the_end() -> None:
    result = run(sh("exec >&- 2>&- <&-; sleep 0.2; exit 4"), timeout=PATIENCE)
    assert result.exit_code == 4
    assert result.seconds >= 0.2


def test_nothing_of_it_is_left_in_this_process() -> None:
    before = children_of(os.getpid()), sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    run(["true"], timeout=PATIENCE)
    with pytest.raises(Unavailable):
        run(["sleep", "1000"], timeout=0.1)
    with pytest.raises(Unreadable):
        run(["yes"], timeout=PATIENCE, limit=10)
    assert (children_of(os.getpid()), sorted(os.listdir("/proc/self/fd"))) == before  # noqa: PTH208


def test_a_program_inherits_no_files() -> None:
    reader, writer = os.pipe()
    script = "import os; print(*sorted(os.listdir('/proc/self/fd')))"
    descriptors = run([sys.executable, "-I", "-c", script], timeout=PATIENCE).stdout.split()
    os.close(reader)
    os.close(writer)
    assert descriptors == ["0", "1", "2", "3"], "3 is the folder that is listed"


def test_a_secret_word_is_passed_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    argv = ["/bin/echo", "--token", Secret("hush"), "x"]
    with caplog.at_level(logging.DEBUG):
        assert run(argv, timeout=PATIENCE).stdout == "--token hush x\n"
        with pytest.raises(Unavailable) as caught:
            run(["/no/such", Secret("hush")], timeout=PATIENCE)
    assert shown(argv) == "/bin/echo --token *** x"
    assert "--token *** x" in caplog.text
    assert "hush" not in caplog.text + repr(argv) + str(caught.value)
