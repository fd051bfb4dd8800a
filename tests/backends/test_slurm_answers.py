"""Recorded answers of a real Slurm 22.05.8, and their observations."""

from datetime import UTC, datetime

import pytest

from worker.backends.slurm.answers import Shortened, exits, history_rows, queue_rows
from worker.backends.slurm.names import Names, ce_of, comment, numbers, spans
from worker.domain.errors import Unreadable
from worker.domain.pilot import Cause, Status

A, B = "a" * 24, "b" * 24
NAMES = Names("pilotage")

HEADER = (
    "ARRAY_JOB_ID\x1fARRAY_TASK_ID\x1fSTATE\x1fNAME\x1fREASON\x1fSTART_TIME\x1fEND_TIME"
    "\x1fCOMMENT\x1fNODELIST\x1f\x1e\n"
)
OURS = f"pilotage: vo=lhcb ce=hpc/one group={A}"
TIMES = "2026-11-21T14:24:15\x1f2026-11-21T14:24:16"
RAN = f"4\x1f1\x1fFAILED\x1fpilotage-{A}\x1fNonZeroExitCode\x1f{TIMES}\x1f{OURS}\x1fn7\x1f\x1e\n"
KILLED_ROW = RAN.replace("4\x1f1", "4\x1f2").replace("NonZeroExitCode", "JobLaunchFailure")
RUNS = (
    f"4\x1f5\x1fRUNNING\x1fpilotage-{A}\x1fNone\x1f2026-11-21T14:24:15\x1fNONE"
    f"\x1f{OURS}\x1fn[1-2]\x1f\x1e\n"
)
WAITS = (
    f"10\x1f30\x1fPENDING\x1fpilotage-{B}\x1fPartitionDown\x1f2026-11-21T15:00:00\x1fN/A"
    "\x1f(null)\x1f\x1f\x1e\n"
)
WHOLE = (
    f"11\x1fN/A\x1fCANCELLED\x1fpilotage-{B}\x1fPartitionDown\x1f{TIMES}\x1f(null)\x1f\x1f\x1e\n"
)
FOREIGN = f"48\x1fN/A\x1fCOMPLETED\x1fa\nb|c\x1fNone\x1f{TIMES}\x1f\x1fn7\x1f\x1e\n"
EXITS = (
    "ARRAY_JOB_ID      \x1fARRAY_TASK\x1fEXIT_CODE \x1f\x1e\n"
    "4                 \x1f1         \x1f768       \x1f\x1e\n"
    "4                 \x1f2         \x1f9         \x1f\x1e\n"
    "12                \x1fN/A       \x1f256       \x1f\x1e\n"
)
HISTORY = (
    "JobID\x1fState\x1fExitCode\x1fStart\x1fEnd\x1fReason\x1fNodeList\x1fJobName\x1fComment\n"
    f"4_0\x1fCOMPLETED\x1f0:0\x1f{TIMES}\x1fNone\x1fn7\x1fpilotage-{A}\x1f{OURS}\n"
    f"4_3\x1fCANCELLED by 0\x1f0:0\x1f{TIMES}\x1fNone\x1fn7\x1fpilotage-{A}\x1f\n"
    "39_[0-2,37]\x1fCANCELLED by 0\x1f0:0\x1fNone\x1f2026-11-21T14:26:27\x1fPartitionDown"
    f"\x1fNone assigned\x1fpilotage-{B}\x1f\n"
    f"49\x1fCOMPLETED\x1f0:0\x1f{TIMES}\x1fNone\x1fn7\x1fa\n"
    "b|c\x1f\n"
    f"5_0\x1fFAILED\x1f0:9\x1f{TIMES}\x1fNone\x1fn7\x1fpilotage-{A}\x1f\n"
)


def test_the_queue_is_read() -> None:
    rows = queue_rows(HEADER + RAN + RUNS + WAITS + WHOLE, NAMES)
    assert [row.handle for row in rows] == ["4_1", "4_5", "10_30", "11"]
    with_failure, runs, waits, whole = (row.with_exit(exits(EXITS)).observed() for row in rows)
    assert (with_failure.status, with_failure.cause, with_failure.exit_code) == (
        Status.FAILED,
        Cause.EXIT_CODE,
        3,
    )
    assert with_failure.started_at == datetime(2026, 11, 21, 14, 24, 15, tzinfo=UTC)
    assert with_failure.ended_at == datetime(2026, 11, 21, 14, 24, 16, tzinfo=UTC)
    assert (runs.status, runs.reason, runs.ended_at) == (Status.RUNNING, None, None)
    assert (waits.status, waits.raw, waits.reason) == (
        Status.SUBMITTED, "PENDING", "PartitionDown",
    )  # fmt: skip
    assert waits.started_at is None, "it is when it is expected to start"
    assert whole.status is Status.CANCELLED


def test_the_comment_of_a_job_says_of_which_ce_it_is() -> None:
    assert [row.ce for row in queue_rows(HEADER + RUNS + WAITS, NAMES)] == ["hpc/one", None]
    rows = {row.handle: row for row in history_rows(HISTORY, NAMES)}
    assert (rows["4_0"].ce, rows["4_3"].ce) == ("hpc/one", None)
    assert rows["4_0"].observed().ce == "hpc/one"


@pytest.mark.parametrize("ce", ["a", "hpc/one", "x" * 128, "a@b:1.2+3"])
def test_the_ce_is_read_from_the_comment_that_was_written(ce: str) -> None:
    for vo in ("lhcb", "v" * 128):
        assert ce_of(comment("p" * 24, vo, ce, A)) == ce


@pytest.mark.parametrize("text", ["", "(null)", "ce=a", OURS[:-30], f"{OURS} seen by the site"])
def test_a_comment_that_is_not_ours_says_nothing(text: str) -> None:
    assert ce_of(text) is None


def test_a_comment_that_somebody_changed_hides_no_job() -> None:
    text = RUNS.replace(OURS, "a\nb ce=other group=")
    assert [(row.handle, row.ce) for row in queue_rows(HEADER + text, NAMES)] == [("4_5", None)]
    text = HISTORY.replace(OURS, "a\nb\nc")
    assert len(history_rows(text, NAMES)) == 7


def test_a_signal_is_told_from_an_exit_code() -> None:
    [row] = queue_rows(HEADER + KILLED_ROW, NAMES)
    assert row.lacks_exit
    observation = row.with_exit(exits(EXITS)).observed()
    assert (observation.cause, observation.exit_code, observation.reason) == (
        Cause.SIGNAL,
        137,
        "signal 9 (SIGKILL)",
    )


def test_another_job_s_name_may_hold_anything() -> None:
    rows = queue_rows(HEADER + FOREIGN + RUNS, NAMES)
    assert [row.handle for row in rows] == ["4_5"]


def test_what_a_login_shell_says_before_is_left_out() -> None:
    assert len(queue_rows("Welcome to hpc!\nQuota: 3%\n" + HEADER + RUNS, NAMES)) == 1
    assert len(history_rows("Welcome to hpc!\n" + HISTORY, NAMES)) == 7


def test_an_answer_that_is_empty_is_none() -> None:
    for text in ("", "\n", "<html>Gateway Timeout</html>"):
        with pytest.raises(Unreadable):
            queue_rows(text, NAMES)
        with pytest.raises(Unreadable):
            history_rows(text, NAMES)


def test_no_jobs_are_an_answer() -> None:
    assert queue_rows(HEADER, NAMES) == []
    assert history_rows(HISTORY.splitlines(keepends=True)[0], NAMES) == []


def test_an_answer_that_is_cut_short_is_none() -> None:
    for text in (HEADER + RAN + RUNS[:60], HEADER[:-2]):
        with pytest.raises(Unreadable):
            queue_rows(text, NAMES)
    with pytest.raises(Unreadable):
        history_rows(HISTORY[:-3], NAMES)


def test_the_history_is_read() -> None:
    rows = {row.handle: row for row in history_rows(HISTORY, NAMES)}
    assert set(rows) == {"4_0", "4_3", "39_0", "39_1", "39_2", "39_37", "5_0"}
    observation = rows["39_37"].observed()
    assert (observation.status, observation.raw) == (Status.CANCELLED, "CANCELLED by 0")
    assert observation.started_at is None
    failure = rows["5_0"].observed()
    assert (failure.status, failure.cause, failure.exit_code) == (Status.FAILED, Cause.SIGNAL, 137)


def test_the_nodes_of_a_job_that_ran_are_read() -> None:
    with_failure, runs, waits, whole = queue_rows(HEADER + RAN + RUNS + WAITS + WHOLE, NAMES)
    assert [row.observed().node for row in (with_failure, runs, waits, whole)] == [
        *("n7", "n[1-2]", None, None)
    ]
    nodes = {row.handle: row.observed().node for row in history_rows(HISTORY, NAMES)}
    assert (nodes["4_0"], nodes["39_37"]) == ("n7", None)


def test_a_word_that_nobody_knows_is_kept_and_is_no_status() -> None:
    [row] = queue_rows(HEADER + RUNS.replace("RUNNING", "PONDERS"), NAMES)
    observation = row.observed()
    assert (observation.status, observation.raw) == (None, "PONDERS")


def test_exit_codes_are_told_apart() -> None:
    assert exits(EXITS) == {"4_1": (3, 0), "4_2": (0, 9), "12": (1, 0)}
    for text in ("", EXITS[:-5]):
        with pytest.raises(Unreadable):
            exits(text)


def test_a_failed_job_whose_exit_nobody_tells_still_lacks_it() -> None:
    with_failure, runs = queue_rows(HEADER + RAN + RUNS, NAMES)
    assert with_failure.with_exit({}).lacks_exit
    assert not runs.lacks_exit


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("0", [0]),
        ("0-3,7", [0, 1, 2, 3, 7]),
        ("0-6:2%5", [0, 2, 4, 6]),
        ("1,2%1", [1, 2]),
        ("0-3,...", []),
        ("", []),
        ("x", []),
    ],
)
def test_elements_of_an_array_are_read(text: str, elements: list[int]) -> None:
    assert numbers(text) == elements


def test_elements_of_an_array_are_written() -> None:
    assert spans([3, 0, 1, 2, 7, 9, 10]) == "0-3,7,9-10"
    assert numbers(spans(list(range(0, 1000, 3)))) == list(range(0, 1000, 3))


def test_elements_that_share_a_line_are_a_row_each() -> None:
    together = WAITS.replace("\x1f30\x1f", "\x1f0-2,7-9:2%5\x1f")
    rows = queue_rows(HEADER + together + RUNS, NAMES)
    elements = [row for row in rows if row.array == "10"]
    assert [row.handle for row in elements] == ["10_0", "10_1", "10_2", "10_7", "10_9"]
    assert [row.stamp for row in elements] == [f"{B}{n:08x}" for n in (0, 1, 2, 7, 9)]
    assert {row.observed().status for row in elements} == {Status.SUBMITTED}


def test_a_line_that_stands_for_a_whole_array_has_no_stamp() -> None:
    [whole] = queue_rows(HEADER + WHOLE, NAMES)
    assert (whole.handle, whole.element, whole.stamp) == ("11", None, "")


def test_a_list_of_elements_that_is_cut_short_is_no_answer() -> None:
    with pytest.raises(Shortened):
        queue_rows(HEADER + WAITS.replace("\x1f30\x1f", "\x1f0-3,...\x1f"), NAMES)
    with pytest.raises(Shortened):
        history_rows(HISTORY.replace("[0-2,37]", "[0-2,...]"), NAMES)


def test_a_name_and_an_index_make_the_stamp() -> None:
    names = Names("pilotage")

    def stamp(name: str, index: int | None) -> str:
        name_parts = names.read(name)
        assert name_parts is not None
        return name_parts.stamp(index)

    assert stamp(names.array(A, 0), 5) == f"{A}00000005"
    assert stamp(names.array(A, 200), 5) == f"{A}000000cd"
    assert stamp(names.single(A, 4_000_000_000), None) == f"{A}ee6b2800"
    assert stamp(names.array(A, 0), None) == "", "the index is needed"
    for strange in ("", "pilotage", "pilotage-", f"other-{A}", f"pilotage-{A}x", f"pilotage-{A}+x"):
        assert names.read(strange) is None
    assert Names("pilot").read(names.array(A, 0)) is None, "another installation's"
