"""The judge, as anybody runs it: it finds each defect that is planted in a file of evidence."""

import json
import lzma
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

JUDGE = Path(__file__).parent / "judge.py"

Lines = list[dict[str, Any]]


def pilot(stamp: str = "a", status: str = "done", **more: Any) -> dict[str, Any]:
    fields = {"kind": "pilot", "stamp": stamp, "ce": "ce", "vo": "vo", "status": status}
    return {**fields, "cause": None, "code": None, **more}


def job(stamp: str = "a", code: int | None = 0, **more: Any) -> dict[str, Any]:
    fields = {"kind": "job", "stamp": stamp, "started": True, "began": 2.5, "ended": 3.5}
    return {**fields, "code": code, "goes_on": False, "lie": None, "broke": False, **more}


def life(*statuses: str, stamp: str = "a", at: float = 0) -> Lines:
    return [
        {"kind": "step", "at": at + n, "stamp": stamp, "from": was, "to": became}
        for n, (was, became) in enumerate(zip((None, *statuses), statuses, strict=False), 1)
    ]


def limit(of: str, most: int | None, at: float = 0) -> dict[str, Any]:
    name = "vo" if of == "vo" else "ce"
    return {"kind": "limit", "at": at, "of": of, "name": name, "most": most}


WHOLE = life("reserved", "submitting", "running", "done")
LIMITS = [limit("capacity", 1), limit("waiting", 1), limit("vo", None)]
CLEAN = [*LIMITS, pilot(), *WHOLE, job()]


def judge_file(folder: Path, lines: Sequence[Mapping[str, Any]]) -> tuple[int, dict[str, int]]:
    """Let the judge read a file of these lines; return its exit code and its counts."""
    path = folder / "evidence.jsonl.xz"
    with lzma.open(path, "wt") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
    # Without our packages on its path: it shares nothing with the program.
    words = [sys.executable, "-I", "-S", str(JUDGE), str(path)]
    process = subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)
    counts = [line.split(" ", 1) for line in process.stdout.splitlines()[1:] if line[:1] != " "]
    assert process.stderr == ""
    return process.returncode, {kind: int(number) for number, kind in counts if int(number)}


def other(*statuses: str, at: float = 0) -> Lines:
    return life(*statuses, stamp="b", at=at)


def late(*more: dict[str, Any]) -> Lines:
    """A lost pilot turns up when another one has its place."""
    return [
        limit("capacity", 1),
        pilot(),
        *life("reserved", "submitting", "lost"),
        pilot("b", "cancelled"),
        *other("reserved", at=3),
        *life("lost", "running", at=5)[1:],
        *more,
        *other("reserved", "cancelled", at=8)[1:],
        *life("running", "done", at=10)[1:],
        job(ended=11.0),
    ]


def test_who_turned_up_late_is_no_violation_and_neither_is_a_clean_run(tmp_path: Path) -> None:
    assert judge_file(tmp_path, CLEAN) == (0, {})
    assert judge_file(tmp_path, late()) == (0, {})


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        ([*CLEAN, job("b")], {"lost": 1}),
        ([*LIMITS, pilot(), *WHOLE], {"lost": 1}),
        ([*LIMITS, pilot(), *WHOLE, job(code=3)], {"lost": 1}),
        ([*LIMITS, pilot(), *WHOLE, job(goes_on=True)], {"lost": 1}),
        ([*LIMITS, pilot(), *WHOLE, job(started=False)], {"lost": 1}),
        ([pilot("a", "lost"), *life("reserved", "submitting", "lost"), job()], {"lost": 1}),
        ([*CLEAN, job()], {"doubled": 1}),
        ([*CLEAN, job(started=False)], {"lost": 1, "doubled": 1}),
        ([*CLEAN, pilot()], {"doubled": 1}),
        ([*LIMITS, pilot("a", "running"), *WHOLE[:3], job()], {"stuck": 1}),
        ([*LIMITS, pilot(), *WHOLE, job(ended=4.5)], {"freed too soon": 1}),
        ([*CLEAN, *life("done", "running", at=9)[1:]], {"impossible moves": 2}),
        ([*LIMITS, pilot(), *WHOLE[:2], WHOLE[3], job()], {"impossible moves": 1}),
        ([*LIMITS, pilot(), *WHOLE[1:], job()], {"impossible moves": 1}),
        ([*LIMITS, pilot("a", "failed", code=3), *WHOLE, job(code=3)], {"impossible moves": 1}),
        (
            [pilot("a", "failed", cause="removed"), *life("reserved", "submitting", "failed")],
            {"ended though wanted": 1},
        ),
        ([limit("capacity", 0), *CLEAN[1:]], {"exceeded": 3}),
        ([limit("waiting", 0), pilot(), *WHOLE, job()], {"exceeded": 2}),
        ([limit("vo", 0), pilot(), *WHOLE, job()], {"exceeded": 3}),
        ([limit("capacity", 1), limit("capacity", 0, at=2.5), *CLEAN[3:]], {"exceeded": 1}),
        (
            late(pilot("c", "cancelled"), *life("reserved", "cancelled", stamp="c", at=6.5)),
            {"exceeded": 1},
        ),
    ],
)
def test_each_planted_defect_is_found(
    tmp_path: Path, lines: Lines, counts: Mapping[str, int]
) -> None:
    assert judge_file(tmp_path, lines) == (1, counts)


def test_a_liar_that_ended_its_keeper_may_come_to_any_end_but_must_end(tmp_path: Path) -> None:
    broke = job(code=None, broke=True, lie="huge")

    assert judge_file(tmp_path, [*LIMITS, pilot(), *WHOLE, broke]) == (0, {})
    assert judge_file(tmp_path, [*LIMITS, pilot(), *WHOLE, {**broke, "goes_on": True}])[0] == 1
    assert judge_file(tmp_path, [*LIMITS, pilot(), *WHOLE, {**broke, "ended": 9.0}])[0] == 1


def test_what_is_no_evidence_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_text("nothing")
    for words in ([], [str(path)], [str(tmp_path / "none")]):
        process = subprocess.run(
            [sys.executable, str(JUDGE), *words], check=False, capture_output=True, text=True
        )
        assert process.returncode == 2
        assert len(process.stdout.splitlines()) == 1
        assert process.stderr == ""


def test_the_judge_is_small_and_shares_no_code() -> None:
    lines = JUDGE.read_text(encoding="utf-8").splitlines()
    imports = {
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))
    }

    assert len(lines) <= 200
    assert imports <= set(sys.stdlib_module_names)
