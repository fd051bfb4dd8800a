"""The memory of the back-end htcondor: marks in the history, and the output of pilots."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.backends.htcondor_site import LIVES, CondorSite
from tests.factories import NOW
from tests.testbeds.condor import Condor
from worker.backends.conformance import Life
from worker.backends.htcondor.memory import Marks
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.output import LIMIT, OutputFolder
from worker.db.database import Database
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Job
from worker.domain.errors import CredentialProblem
from worker.domain.pilot import FINAL, Status, numbered

SPAN = timedelta(minutes=10)
GROUPS = ("0123456789abcdef01234567", "f" * 24)


@pytest.fixture
def site(condor: Condor, sqlite_database: Database) -> Iterator[CondorSite]:
    site = CondorSite(condor, sqlite_database.uow)
    yield site
    site.close()


def test_a_mark_is_what_was_newest_a_span_ago(uow: UnitOfWork) -> None:
    marks, other = Marks("ce", uow, SPAN), Marks("other", uow, SPAN)
    assert (marks.read(), marks.is_due(NOW)) == (None, True)
    marks.move("1.0", NOW)
    assert (marks.read(), marks.is_due(NOW + SPAN / 2)) == (None, False)
    marks.move("2.0", NOW + SPAN / 2)
    assert marks.read() is None, "another execution was faster"
    assert marks.is_due(NOW + SPAN)
    marks.move("3.0", NOW + SPAN)
    assert marks.read() == "1.0"
    marks.move("4.0", NOW + 2 * SPAN)
    assert marks.read() == "3.0"
    assert (other.read(), other.is_due(NOW)) == (None, True)


def test_the_history_is_read_back_to_the_mark_and_no_end_is_missed(
    site: CondorSite, tmp_path: Path
) -> None:
    calls = tmp_path / "asked"
    noting = f'echo "$*" >> {calls}; exec "$real" "$@"'
    now = NOW
    site.clock = lambda: now

    def end_one() -> str:
        [job] = jobs = site.send(site.orders(1), command=LIVES[Life.SHORT])
        driver = site.driver()
        site.until(lambda: driver.poll(jobs)[0].status in FINAL, "the end")
        site.leaves(f'PilotageStamp == "{job.stamp}"')
        jobs_that_ended.append(job)
        return job.handle

    jobs_that_ended: list[Job] = []
    driver = site.driver()
    first = end_one()
    assert {one.handle for one in driver.find().jobs} == {first}
    now += timedelta(seconds=700)
    second = end_one()
    assert {one.handle for one in driver.find().jobs} == {first, second}
    now += timedelta(seconds=700)
    third = end_one()
    with site.replacing(history=noting):
        assert {one.handle for one in driver.find().jobs} == {second, third}
        assert f"-since {first}" in calls.read_text()
        calls.unlink()
        assert [one.status for one in driver.poll(jobs_that_ended[2:])] == [Status.DONE]
        assert len(calls.read_text().splitlines()) == 1
        calls.unlink()
        assert [one.status for one in driver.poll(jobs_that_ended)] == [Status.DONE] * 3
        assert ["-since" in line for line in calls.read_text().splitlines()] == [True, False]


def test_a_mark_does_not_move_while_a_vo_cannot_be_listed(site: CondorSite) -> None:
    site.credentials["other"] = CredentialProblem("it has expired")
    driver = site.driver()
    site.send(site.orders(1), command=LIVES[Life.LONG])
    driver.find()
    assert driver.marks.is_due(NOW)


def store(place: Path, group: str, age: float, text: str = "said") -> str:
    """Write the output of a pilot, with an age in seconds; return its stamp."""
    stamp = numbered(group, 7)
    (place / group).mkdir(parents=True)
    (place / group / f"{stamp}.out").write_text(text)
    os.utime(place / group, (time.time() - age, time.time() - age))
    return stamp


def test_output_is_kept_for_a_while_and_for_those_who_live(tmp_path: Path) -> None:
    options = HTCondorOptions(output_folder=tmp_path, keep_output=100)
    place = OutputFolder("a/ce", options, Path("unused"))
    assert place.folder == tmp_path / "a%2Fce"
    old, alive = (store(place.folder, group, age=1000) for group in GROUPS)
    young = store(place.folder, "a" * 24, age=10)
    (place.folder / "mine").mkdir()
    os.utime(place.folder / "mine", (0, 0))
    place.tidy([alive])
    assert place.output(old).text == ""
    assert place.output(alive).text == place.output(young).text == "said"
    assert (place.folder / "mine").exists()


def test_the_middle_of_a_long_output_is_left_out(tmp_path: Path) -> None:
    place = OutputFolder("ce", HTCondorOptions(output_folder=tmp_path), Path("unused"))
    stamp = store(place.folder, GROUPS[0], age=0, text="a" * LIMIT + "b" * LIMIT)
    output = place.output(stamp)
    assert output.truncated
    assert output.text.startswith("aaa")
    assert output.text.endswith("bbb")
    assert f"{LIMIT} bytes are left out" in output.text


@pytest.mark.finding("L7")
def test_a_program_is_gone_when_it_was_submitted(tmp_path: Path) -> None:
    place = OutputFolder("ce", HTCondorOptions(output_folder=tmp_path), Path("unused"))
    place.prepare([numbered(GROUPS[0], 0)])
    with place.program("é") as path:
        assert path.read_text(encoding="utf-8") == "é"
        assert path.stat().st_mode & 0o077 == 0
    assert {path.name for path in place.folder.iterdir()} == {GROUPS[0]}
    (place.folder / ".sending-left").touch()
    os.utime(place.folder / ".sending-left", (0, 0))
    place.tidy([])
    assert not (place.folder / ".sending-left").exists()
