"""The observations of a job, from recorded answers of ARC 6.17."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.backends.arc.answers import (
    Details,
    Judge,
    Word,
    read_description,
    read_diagnosis,
    read_info,
    read_word,
)
from worker.backends.arc.client import as_list
from worker.backends.arc.memory import JobRecord
from worker.domain.ce_answers import Observed
from worker.domain.pilot import Cause, Status

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JOB, STAMP = "ANJODmX90oAoOSAtDmABFKDmuFsDtn", "a" * 32

FAILED_JOB = json.loads("""
{"job":{"status-code":"200","reason":"OK","id":"ANJODmX90oAoOSAtDmABFKDmuFsDtn","info_document":
{"ComputingActivity":{"Name":"pilotage-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","Type":"single",
"State":["nordugrid:FAILED::INLRMS","file:inlrms","bes:Failed","arcrest:FAILED","emies:terminal",
"emiesattr:processing-failure"],"RestartState":["nordugrid:INLRMS","arcrest:OTHER"],
"ExitCode":"3","Error":"LRMS error: (3) Job finished with wrong exit code - 3 != 0",
"Queue":"fork","SubmissionTime":"2026-11-21T14:21:47Z","StartTime":"2026-11-21T14:21:50Z",
"ComputingManagerEndTime":"2026-11-21T14:21:50Z"}}}}
""")
FINISHED_JOB = json.loads("""
{"job":[{"status-code":"200","reason":"OK","id":"ANJODmX90oAoOSAtDmABFKDmuFsDtn","info_document":
{"ComputingActivity":{"Name":"n1","State":["nordugrid:FINISHED","arcrest:FINISHED",
"emies:terminal"],"ExitCode":"0","StartTime":"2026-11-21T14:21:50Z",
"ComputingManagerEndTime":"2026-11-21T14:21:52Z","EndTime":"2026-11-21T14:22:06Z"}}}]}
""")
NOT_GATHERED = json.loads("""
{"job":{"status-code":"200","reason":"OK","id":"ANJODmX90oAoOSAtDmABFKDmuFsDtn","info_document":
{"ComputingActivity":{"OtherInfo":"SubmittedVia=org.ogf.glue.emies.activitycreation",
"State":["arcrest:FAILED","emiesattr:client-stageout-possible","emiesattr:app-failure"],
"Associations":{"ComputingShareID":""}}}}}
""")
QUEUES = Details(states=("nordugrid:INLRMS:Q", "arcrest:QUEUING"))
RUNS = Details(states=("nordugrid:INLRMS:R", "arcrest:RUNNING"))
DIAGNOSIS = "nodename=vm\nLRMSStartTime=20261121142150Z\nLRMSEndTime=20261121142150Z\nexitcode=3\n"


def info(answer: Any) -> Details | None:
    [job] = as_list(answer, "job")
    return read_info(job)


def judge(
    state: str, record: JobRecord | None = None, *, code: str = "200", after: float = 0
) -> Judge:
    return Judge(
        now=NOW + timedelta(seconds=after),
        delay=timedelta(seconds=300),
        words={JOB: Word(code=code, state=state, reason="OK")},
        records={JOB: record} if record else {},
        owner="me",
    )


def observe(judge: Judge, details: Details | None = None) -> Observed:
    observation = judge.observed(STAMP, JOB, details)
    assert observation is not None
    return observation


def test_the_node_is_told_while_a_job_runs_and_after_its_end() -> None:
    assert observe(judge("RUNNING"), replace(RUNS, node="wn7")).node == "wn7"
    assert observe(judge("RUNNING"), replace(QUEUES, node="wn7")).node is None
    assert observe(judge("FAILED"), read_diagnosis(DIAGNOSIS, None)).node == "vm"
    answer = json.loads(json.dumps(FINISHED_JOB))
    answer["job"][0]["info_document"]["ComputingActivity"]["ExecutionNode"] = ["wn1", "wn2"]
    details = info(answer)
    assert details is not None
    assert observe(judge("FINISHED"), details).node == "wn1 wn2"


def test_a_list_of_one_is_no_list() -> None:
    assert as_list({"job": {"id": "a"}}, "job") == [{"id": "a"}]
    assert as_list({"job": [{"id": "a"}, {"id": "b"}]}, "job") == [{"id": "a"}, {"id": "b"}]
    assert as_list({"job": []}, "job") == as_list({}, "job") == as_list(None, "job") == []


def test_a_failed_job_has_its_code_its_times_and_its_cause() -> None:
    observation = observe(judge("FAILED"), info(FAILED_JOB))
    assert (observation.status, observation.cause, observation.exit_code) == (
        Status.FAILED,
        Cause.EXIT_CODE,
        3,
    )
    assert observation.started_at == datetime(2026, 11, 21, 14, 21, 50, tzinfo=UTC)
    assert observation.ended_at == observation.started_at
    assert observation.raw == "FAILED"
    assert observation.reason == "LRMS error: (3) Job finished with wrong exit code - 3 != 0"


def test_a_finished_job_is_done_if_its_exit_code_says_so() -> None:
    observation = observe(judge("FINISHED"), info(FINISHED_JOB))
    assert (observation.status, observation.exit_code, observation.cause) == (Status.DONE, 0, None)
    assert observation.ended_at == datetime(2026, 11, 21, 14, 21, 52, tzinfo=UTC)
    odd = observe(judge("FINISHED"), Details(exit_code="4"))
    assert (odd.status, odd.exit_code, odd.cause) == (Status.FAILED, 4, Cause.EXIT_CODE)


def test_information_that_was_not_gathered_tells_no_end() -> None:
    details = info(NOT_GATHERED)
    assert details is not None
    assert not details.is_over
    assert details.name is None
    assert info(FAILED_JOB).is_over  # type: ignore[union-attr]


def test_the_notes_of_a_job_tell_its_end() -> None:
    details = read_diagnosis(DIAGNOSIS, "LRMS error: (3) Job finished with wrong exit code\n")
    observation = observe(judge("FAILED"), details)
    assert (observation.cause, observation.exit_code) == (Cause.EXIT_CODE, 3)
    assert observation.started_at == datetime(2026, 11, 21, 14, 21, 50, tzinfo=UTC)
    assert observe(judge("FAILED"), read_diagnosis(None, None)).status is Status.FAILED


def test_a_cancelled_job_that_is_called_failed() -> None:
    details = read_diagnosis(None, "Job is canceled by external request\n")
    observation = observe(judge("FAILED"), details)
    assert (observation.status, observation.cause) == (Status.CANCELLED, None)


def test_a_queued_job_that_is_called_running_waits() -> None:
    first = judge("RUNNING")
    assert first.wants_details(JOB)
    for details in (None, QUEUES, Details(states=("arcrest:RUNNING",))):
        assert observe(first, details).status is Status.SUBMITTED
    assert observe(first, RUNS).status is Status.RUNNING


def test_what_was_known_to_run_goes_on() -> None:
    record = JobRecord(job=JOB, stamp=STAMP, owner="me", started_at=NOW)
    later = judge("RUNNING", record)
    assert not later.wants_details(JOB)
    assert observe(later).status is Status.RUNNING
    assert observe(judge("QUEUING", record)).status is Status.SUBMITTED


def test_a_ce_that_gathers_nothing_is_believed_after_a_while() -> None:
    record = JobRecord(job=JOB, stamp=STAMP, owner="me", running_at=NOW)
    assert observe(judge("RUNNING", record, after=299)).status is Status.SUBMITTED
    assert observe(judge("RUNNING", record, after=300)).status is Status.RUNNING


def test_what_is_learnt_is_kept_from_the_first_time() -> None:
    first = judge("RUNNING")
    learnt = first.learnt(observe(first), None)
    assert learnt == JobRecord(job=JOB, stamp=STAMP, owner="me", running_at=NOW)
    second = judge("RUNNING", learnt, after=60)
    learnt = second.learnt(observe(second, RUNS), RUNS)
    assert learnt is not None
    assert (learnt.running_at, learnt.started_at) == (NOW, NOW + timedelta(seconds=60))
    third = judge("RUNNING", learnt, after=90)
    assert third.learnt(observe(third), None) is None
    last = judge("FINISHED", learnt, after=120)
    learnt = last.learnt(observe(last, info(FINISHED_JOB)), info(FINISHED_JOB))
    assert learnt is not None
    assert learnt.ended_at == NOW + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("started_at", "status"), [(None, Status.SUBMITTED), (NOW, Status.RUNNING)]
)
def test_a_job_that_is_being_killed_is_what_it_was(
    started_at: datetime | None, status: Status
) -> None:
    record = JobRecord(job=JOB, stamp=STAMP, owner="me", started_at=started_at)
    observation = observe(judge("KILLING", record))
    assert (observation.status, observation.raw) == (status, "KILLING")


@pytest.mark.parametrize(("code", "state"), [("404", "None"), ("200", "WIPED"), ("200", "None")])
def test_an_unknown_job_is_absent(code: str, state: str) -> None:
    observation = observe(judge(state, code=code))
    assert observation.absent
    assert observation.status is None


def test_an_unknown_job_of_another_identity_is_not_absent() -> None:
    record = JobRecord(job=JOB, stamp=STAMP, owner="who I was before")
    other_judge = judge("None", record, code="404")
    assert other_judge.observed(STAMP, JOB, None) is None
    assert other_judge.is_hidden(JOB)
    assert observe(judge("FINISHED", record), info(FINISHED_JOB)).status is Status.DONE


@pytest.mark.parametrize("code", ["500", "505", ""])
def test_an_error_about_one_job_says_nothing_of_it(code: str) -> None:
    assert judge("RUNNING", code=code).observed(STAMP, JOB, None) is None
    assert not judge("RUNNING", code=code).wants_details(JOB)


def test_a_job_that_was_not_answered_is_left_out() -> None:
    assert judge("RUNNING").observed(STAMP, "another", None) is None


def test_an_unknown_word_is_no_status() -> None:
    observation = observe(judge("HIBERNATING"))
    assert (observation.status, observation.absent, observation.raw) == (None, False, "HIBERNATING")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status-code": "404", "info_document": ""},
        {"status-code": "200", "info_document": []},
        {"status-code": "200", "info_document": {"ComputingActivity": "x"}},
    ],
)
def test_information_of_another_shape_is_none(answer: Mapping[str, Any]) -> None:
    assert read_info(answer) is None


def test_odd_values_in_the_information_are_left_out() -> None:
    odd = {"Name": ["a"], "State": 5, "ExitCode": {}, "Error": {"a": 1}, "StartTime": "soon"}
    details = read_info({"status-code": 200, "info_document": {"ComputingActivity": odd}})
    assert details == Details(states=("5",))


def test_what_a_ce_says_is_made_harmless() -> None:
    word = read_word({"status-code": "200", "state": "A\x1b[2J", "reason": "\x00\ud800b"})
    assert word.state == "A\N{REPLACEMENT CHARACTER}[2J"
    assert word.reason == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"


def test_the_name_in_a_description() -> None:
    adl = '<?xml version="1.0"?><ActivityDescription><ActivityIdentification><Name>p-1</Name>'
    assert read_description(adl) == "p-1"
    assert read_description("<adl:Name>p-2</adl:Name>") == "p-2"
    assert read_description('&(executable="a")(jobname="p-3")') is None
    assert read_description(None) is None
