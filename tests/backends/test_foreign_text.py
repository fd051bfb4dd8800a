"""Any text from batch systems, ads, APIs and files of pilots can be read.

The only errors are those of the domain, and a bad line does not harm the others.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.foreign import ANY_TIME, TEXTS, VALUES, kept
from worker.backends.arc import answers as arc
from worker.backends.arc.client import RestReply, as_list
from worker.backends.arc.memory import JobRecord
from worker.backends.arc.submit import _receipt as arc_receipt
from worker.backends.htcondor import answers as htcondor
from worker.backends.htcondor.client import HTCondorClient
from worker.backends.shell import Completed
from worker.backends.slurm import answers as slurm
from worker.backends.slurm import output as slurm_files
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.names import Names
from worker.domain import bounds
from worker.domain.ce_answers import Observed, Order
from worker.domain.errors import BackendError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GROUP = "0123456789abcdef01234567"
STAMPS = [f"{GROUP}{number:08x}" for number in range(4)]


def check(observation: Observed | None) -> None:
    """Check that an observation can be bounded, and so be stored."""
    if observation is not None:
        bounded = bounds.observed(observation, NOW)
        assert bounded.exit_code is None or bounds.is_exit_code(bounded.exit_code)
        for text in (bounded.handle, bounded.raw, bounded.reason, bounded.node):
            assert "\0" not in (text or "")
            (text or "").encode()


def is_tame(read: Callable[[], Any]) -> Any:
    with suppress(BackendError):
        return read()
    return None


OURS = st.sampled_from([f"p-{GROUP}", f"p-{GROUP}.0", f"p-{GROUP}+{'9' * 9}", "p-", "another's"])
NAMES = Names("p")


@st.composite
def rows(draw: st.DrawFn, name_at: int) -> list[str]:
    """Return lines of nine fields, mostly about a job of ours."""
    fields = draw(st.lists(TEXTS, min_size=9, max_size=9))
    fields[name_at] = draw(OURS)
    return fields


@ANY_TIME
@given(lines=st.lists(rows(name_at=3), max_size=4), end=TEXTS)
@example(lines=[["1", "²", "R", f"p-{GROUP}", *[""] * 5]], end="")
@example(lines=[["1", "9" * 5000, "R", f"p-{GROUP}", *[""] * 5]], end="")
def test_whatever_squeue_says_is_read(lines: list[list[str]], end: str) -> None:
    records = ["".join(f"{field}\x1f" for field in line) for line in lines]
    text = "\x1e\n".join(["ARRAY_JOB_ID\x1f", *records, end])

    for row in is_tame(lambda: slurm.queue_rows(text, NAMES)) or ():
        check(row.observed())


@ANY_TIME
@given(lines=st.lists(st.lists(TEXTS, max_size=4), max_size=4))
@example(lines=[["1"]])
@example(lines=[["1", "2", "9" * 5000, ""]])
@example(lines=[["1", "²", "²", ""]])
def test_whatever_squeue_says_of_exit_codes_is_read(lines: list[list[str]]) -> None:
    text = "\x1e\n".join(["ARRAY_JOB_ID\x1f", *("\x1f".join(line) for line in lines), ""])

    is_tame(lambda: slurm.exits(text))


@ANY_TIME
@given(lines=st.lists(rows(name_at=7), max_size=4))
@example(lines=[["1", "FAILED", f"{'9' * 5000}:0", "", "", "", "", f"p-{GROUP}.0", ""]])
@example(lines=[["1", "FAILED", "²:²", "", "", "", "", f"p-{GROUP}.0", ""]])
def test_whatever_sacct_says_is_read(lines: list[list[str]]) -> None:
    text = "\n".join(["JobID\x1f", *("\x1f".join(line) for line in lines), ""])

    for row in is_tame(lambda: slurm.history_rows(text, NAMES)) or ():
        check(row.observed())


@kept("slurm", "text")
@ANY_TIME
@given(text=st.text(max_size=200).map(lambda text: f"ARRAY_JOB_ID\x1f\x1e\n{text}"))
def test_whatever_a_program_of_slurm_prints_is_read_or_unreadable(text: str) -> None:
    is_tame(lambda: slurm.exits(text))
    is_tame(lambda: slurm.queue_rows(text, NAMES))
    is_tame(lambda: slurm.history_rows(text, NAMES))


def printing(text: str) -> Any:
    """Return a client whose programs all print this text."""
    result = Completed(stdout=text, stderr="", exit_code=0, seconds=0)
    return SimpleNamespace(
        _options=SimpleNamespace(spool=False),
        _reach=SimpleNamespace(run=lambda *_: result),
        _run=lambda *_, **__: result,
        _where=list,
        _clusters=list,
        _configuration=dict,
        _left=lambda _: 1.0,
    )


RECEIPTS = st.lists(
    st.text(max_size=20) | st.text("0123456789. -;\n", max_size=40), max_size=3
).map("\n".join)


@kept("receipt", "text")
@ANY_TIME
@given(text=RECEIPTS)
@example(text="1.0 - 1.99999999999")
@example(text=f"1.0 - 1.{'9' * 5000}")
@example(text=f"{'9' * 5000}.0 - {'9' * 5000}.1")
@example(text="²")
def test_whatever_a_receipt_says_it_names_jobs_or_is_unreadable(text: str) -> None:
    is_tame(lambda: SlurmClient.submit(printing(text), [], ""))
    is_tame(lambda: HTCondorClient.submit(printing(text), ""))


@ANY_TIME
@given(answer=st.dictionaries(st.sampled_from(["id", "status-code", "reason", "state"]), VALUES))
def test_whatever_arc_says_of_a_new_job_is_a_receipt(answer: dict[str, Any]) -> None:
    receipt = arc_receipt(cast(Order, SimpleNamespace(stamp=STAMPS[0])), answer)

    assert receipt.stamp == STAMPS[0]
    assert (receipt.handle is None) == (receipt.refused is not None)


class Here:
    """Runs the scripts for the files of pilots, as a login node does."""

    def shell(self, script: str, *words: str, stdin: str = "") -> str:
        return subprocess.run(
            ["/bin/sh", "-c", script, "sh", *words],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=20,
        ).stdout


def files(folder: Path) -> slurm_files.Files:
    return slurm_files.Files(cast(SlurmClient, Here()), str(folder), "p")


@pytest.mark.finding("H2")
@ANY_TIME
@given(lines=st.lists(TEXTS, max_size=5))
@example(lines=["1 0 99999999999999999 1"])
@example(lines=["1 " + "9" * 5000 + " 1 1"])
def test_whatever_end_files_say_is_read(lines: list[str]) -> None:
    class Answer:
        def shell(self, *_: str, stdin: str = "") -> str:
            good = f"{GROUP}/{STAMPS[1]} 7_1 0 1700000000 1700000001\n"
            return "".join(f"{GROUP}/{STAMPS[0]} {line}\n" for line in lines) + good + "done\n"

    ends = slurm_files.Files(cast(SlurmClient, Answer()), "x", "p").ends_since(60)

    for end in ends.values():
        check(end.observed(end.handle))
    assert ends[STAMPS[1]].code == 0


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _large(path: Path) -> None:
    path.write_text("1" * 10_000_000)


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: void(path.write_text(text))


def void(_: object) -> None:
    return None


OBJECTS: dict[str, Callable[[Path], None]] = {
    "fifo": _fifo,
    "directory": Path.mkdir,
    "symlink": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "10 MB": _large,
    "huge": _text("7_1 99999999999 1700000000 1700000001\n"),
    "negative": _text("7_1 -1 1700000000 1700000001\n"),
    "5000 digits": _text(f"7_1 {'9' * 300} 1700000000 1700000001\n"),
    "the year 3 billion": _text("7_1 0 99999999999999999 1700000001\n"),
    "NUL": _text("\0" * 100),
    "empty": _text(""),
    "another's": _text(f"x\x0b{GROUP}/{STAMPS[1]} 7_1 9 1 1\n"),
}


@pytest.mark.finding("H2")
@pytest.mark.skipif(shutil.which("find") is None, reason="needs the program find")
@pytest.mark.parametrize("lie", OBJECTS)
def test_what_a_pilot_puts_in_the_place_of_its_end_spoils_no_other(
    tmp_path: Path, lie: str
) -> None:
    folder = tmp_path / "p" / GROUP
    folder.mkdir(parents=True)
    for stamp in (STAMPS[0], STAMPS[2]):
        (folder / f"{stamp}.end").write_text(f"7_{stamp[-1]} 3 1700000000 1700000001\n")
    OBJECTS[lie](folder / f"{STAMPS[1]}.end")

    for ends in (files(tmp_path).ends(STAMPS), files(tmp_path).ends_since(60)):
        assert set(ends) == {STAMPS[0], STAMPS[2]}
        assert ends[STAMPS[2]].observed("7_2").exit_code == 3
    files(tmp_path).tidy(0)


@pytest.mark.slow
@ANY_TIME
@given(ads=st.lists(st.dictionaries(st.sampled_from(htcondor.ATTRIBUTES), VALUES), max_size=4))
@example(ads=[{"JobStatus": 4, "ExitCode": 10**30}])
@example(ads=[{"JobStatus": 4, "ExitCode": 0, "CompletionDate": 10**18}])
@example(ads=[{"JobStatus": 4, "ExitBySignal": True, "ExitSignal": -(10**30)}])
def test_whatever_ads_say_is_read(ads: list[dict[str, Any]]) -> None:
    common = {"ClusterId": 1, "ProcId": 0, "PilotageStamp": STAMPS[0]}
    text = json.dumps([{**ad, **common} for ad in ads] + ads)

    for ad in is_tame(lambda: htcondor.read(text)) or ():
        check(htcondor.live(ad))
        check(htcondor.ended(ad))
        htcondor.is_given_up(ad, NOW, 60)


@kept("htcondor", "text")
@ANY_TIME
@given(text=st.text(max_size=200))
@example(text="[" * 100_000)
@example(text='{"a": ' * 100_000)
def test_what_is_no_list_of_ads_is_unreadable(text: str) -> None:
    is_tame(lambda: htcondor.read(text))


def test_a_number_without_end_in_one_ad_hides_no_other() -> None:
    common = {"ProcId": 0, "PilotageStamp": STAMPS[0], "JobStatus": 4, "ExitCode": 777}
    text = json.dumps([{"ClusterId": 1, **common}, {"ClusterId": 2, **common}])

    ads = htcondor.read(text.replace("777", "9" * 5000, 1))

    assert [htcondor.ended(ad).exit_code for ad in ads] == [None, 777]


DETAILS = st.dictionaries(
    st.sampled_from(
        ["Name", "State", "ExitCode", "Error", "StartTime", "EndTime", "ExecutionNode"]
    ),
    VALUES,
)


@ANY_TIME
@given(
    word=st.fixed_dictionaries(
        {"status-code": st.sampled_from(["200", 200, "404", None])},
        optional={
            "state": st.sampled_from(["FINISHED", "FAILED", "RUNNING", "KILLED", 7, ["x"], None]),
            "reason": VALUES,
        },
    ),
    details=DETAILS,
    diagnosis=TEXTS,
)
@example({"status-code": "200", "state": "FAILED"}, {"ExitCode": "9" * 5000}, "exitcode=²")
@example({"status-code": "200", "state": "FINISHED"}, {"EndTime": "9999-12-31T23:59:59Z"}, "")
def test_whatever_arc_says_of_a_job_is_read(
    word: dict[str, Any], details: dict[str, Any], diagnosis: str
) -> None:
    document = {"info_document": {"ComputingActivity": details}, "status-code": "200"}
    judge = arc.Judge(
        now=NOW,
        delay=timedelta(minutes=1),
        words={"j": arc.read_word(word)},
        records={"j": JobRecord(job="j", stamp=STAMPS[0], owner="me")},
        owner="me",
    )

    for one in (arc.read_info(document), arc.read_diagnosis(f"x={diagnosis}", diagnosis), None):
        judge.wants_details("j")
        check(judge.observed(STAMPS[0], "j", one))
    arc.read_description(diagnosis)


@ANY_TIME
@given(body=st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value).encode()))
@example(body=b"[" * 100_000)
@example(body=b'{"job": {"id": ' + b"9" * 5000 + b"}}")
def test_whatever_arc_answers_is_json_or_unreadable(body: bytes) -> None:
    reply = RestReply(status=200, reason="OK", headers={}, body=body)

    as_list(is_tame(lambda: reply.json("ce")), "job")
