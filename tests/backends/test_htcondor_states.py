"""The observations from recorded ads of a real pool (23.9.6)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from worker.backends.htcondor import answers
from worker.backends.htcondor.states import ALIVE, COMPLETED, HOLDS, REMOVED, WORDS, hold_of
from worker.domain.errors import Unreadable
from worker.domain.pilot import Cause, Status

ADS = json.loads(Path(__file__).with_name("htcondor_ads.json").read_text())
STAMP = "5a5dd74734f407aa79da3da700000000"
MEANINGS = {
    "idle": (Status.SUBMITTED, None, "Idle", None),
    "running": (Status.RUNNING, None, "Running", None),
    "held": (Status.SUBMITTED, None, "Held UserRequest", None),
    "memory": (Status.SUBMITTED, None, "Held StartdHeldJob", None),
    "done": (Status.DONE, None, "Completed", 0),
    "exit 3": (Status.FAILED, Cause.EXIT_CODE, "Completed", 3),
    "signal": (Status.FAILED, Cause.SIGNAL, "Completed", 137),
    "walltime": (Status.FAILED, Cause.WALLTIME, "Removed", None),
    "cancelled": (Status.CANCELLED, None, "Removed", None),
    "removed": (Status.CANCELLED, None, "Removed", None),
    "held given up": (Status.FAILED, Cause.HELD, "Removed Held UserRequest", None),
    "memory given up": (Status.FAILED, Cause.OUT_OF_MEMORY, "Removed Held StartdHeldJob", None),
}
# Each JobStatus in the manual, and its meaning for a job in the queue.
MANUAL = {
    1: ("Idle", Status.SUBMITTED),
    2: ("Running", Status.RUNNING),
    3: ("Removed", Status.SUBMITTED),
    4: ("Completed", Status.DONE),
    5: ("Held", Status.SUBMITTED),
    6: ("TransferringOutput", Status.RUNNING),
    7: ("Suspended", Status.RUNNING),
}


def ad(name: str = "running", **changes: Any) -> dict[str, Any]:
    """Return a recorded ad with changes; `None` removes an attribute."""
    attributes = {**ADS[name], "PilotageStamp": STAMP, **changes}
    return {key: value for key, value in attributes.items() if value is not None}


@pytest.mark.parametrize("name", ADS)
def test_recorded_ads(name: str) -> None:
    tell = answers.live if ADS[name]["from"] == "queue" else answers.ended
    observation = tell(ad(name))
    assert (
        observation.status,
        observation.cause,
        observation.raw,
        observation.exit_code,
    ) == MEANINGS[name]
    assert (observation.stamp, observation.vo) == (STAMP, "default")
    assert not observation.absent


@pytest.mark.parametrize(
    ("changes", "node"),
    [
        ({"RemoteHost": "slot1_2@wn7.site.org"}, "wn7.site.org"),
        ({"LastRemoteHost": "slot1@wn8"}, "wn8"),
        ({"RemoteHost": "wn9", "LastRemoteHost": "slot1@wn8"}, "wn9"),
        ({"RemoteHost": 7}, None),
        ({}, None),
    ],
)
def test_the_node_is_that_of_the_slot(changes: dict[str, Any], node: str | None) -> None:
    assert answers.live(ad(**changes)).node == node
    assert {"RemoteHost", "LastRemoteHost"} <= set(answers.ATTRIBUTES)


def test_every_word_of_the_manual_is_known() -> None:
    assert {code: word for code, (word, _) in MANUAL.items()} == WORDS
    assert set(ALIVE) | {REMOVED, COMPLETED} == set(WORDS)
    assert set(HOLDS) == set(range(49))


@pytest.mark.parametrize("code", MANUAL)
def test_each_job_status_in_the_queue(code: int) -> None:
    observation = answers.live(ad(JobStatus=code, ExitCode=0, LastJobStatus=1))
    assert observation.status is MANUAL[code][1]
    assert str(observation.raw).startswith(MANUAL[code][0])


@pytest.mark.parametrize("code", [0, 8, 99, "Idle", True, None, {}, 2.0])
def test_a_status_that_nobody_knows_is_kept_and_is_none(code: Any) -> None:
    observation = answers.live(ad(JobStatus=code))
    assert observation.status is None
    assert str(observation.raw).startswith("JobStatus")


def test_a_running_job_that_is_being_removed_holds_its_slot() -> None:
    assert answers.live(ad(JobStatus=3, LastJobStatus=2)).status is Status.RUNNING


def test_a_job_that_had_completed_when_it_was_removed_is_what_it_was() -> None:
    observation = answers.ended(ad("removed", LastJobStatus=4, ExitCode=0, ExitBySignal=False))
    assert observation.status is Status.DONE


def test_a_completed_job_without_an_exit_code_is_not_judged_before_its_record() -> None:
    bare = ad("done", ExitCode=None)
    assert answers.live(bare).status is Status.RUNNING
    assert (answers.ended(bare).status, answers.ended(bare).cause) == (Status.FAILED, Cause.UNKNOWN)


def test_a_shell_that_passes_a_signal_on() -> None:
    observation = answers.ended(ad("exit 3", ExitCode=143))
    assert (observation.cause, observation.exit_code, observation.reason) == (
        Cause.SIGNAL,
        143,
        "signal 15 (SIGTERM)",
    )


def test_a_job_that_waits_again_says_so() -> None:
    observation = answers.live(ad("idle", NumJobStarts=2))
    assert (observation.status, observation.raw, observation.started_at) == (
        Status.SUBMITTED,
        "Idle again",
        None,
    )


def test_times_know_their_zone() -> None:
    observation = answers.ended(ad("done"))
    assert observation.ended_at == datetime.fromtimestamp(ADS["done"]["CompletionDate"], tz=UTC)
    assert observation.started_at is not None
    assert observation.started_at <= observation.ended_at
    assert answers.ended(ad("done", CompletionDate=10**30)).ended_at is not None


@pytest.mark.parametrize(
    ("code", "subcode", "cause", "waits"),
    [
        (1, 0, Cause.HELD, True),
        (16, 0, Cause.HELD, True),
        (3, 0, Cause.HELD, False),
        (21, 0, Cause.HELD, False),
        (21, 102, Cause.OUT_OF_MEMORY, False),
        (34, 0, Cause.OUT_OF_MEMORY, False),
        (46, 0, Cause.WALLTIME, False),
        (47, 0, Cause.WALLTIME, False),
        (4711, 0, Cause.HELD, True),
        (None, None, Cause.HELD, True),
    ],
)
def test_holds(code: int | None, subcode: int | None, cause: Cause, waits: bool) -> None:
    hold = hold_of(code, subcode)
    assert (hold.cause, hold.waits) == (cause, waits)


def test_patience_with_a_hold_runs_by_the_schedd_s_clock() -> None:
    since = ADS["held"]["EnteredCurrentStatus"]
    now = datetime.fromtimestamp(since, tz=UTC) + timedelta(hours=5)
    assert not answers.is_given_up(ad("held", ServerTime=since + 60), now, patience=60)
    assert answers.is_given_up(ad("held", ServerTime=since + 61), now, patience=60)
    assert answers.is_given_up(ad("held", ServerTime=None), now, patience=60)
    assert answers.is_given_up(ad("memory", ServerTime=since), now, patience=10**6)
    assert not answers.is_given_up(ad("running", ServerTime=None), now, patience=0)


def test_what_bears_no_stamp_is_not_ours() -> None:
    ads = [ad(), ad(PilotageStamp=None), ad(PilotageStamp=7), ad(ProcId="x"), ad(ClusterId=None)]
    assert [answers.handle(one) for one in answers.read(json.dumps(ads))] == ["6.0"]


@pytest.mark.parametrize("text", ["", "<html>", "{}", "[1]", "[", '[{"ClusterId": 1'])
def test_what_is_no_list_of_ads_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable) as error:
        answers.read(text)
    assert error.value.raw == text


def test_control_characters_in_a_reason_are_read_and_made_harmless() -> None:
    [one] = answers.read(json.dumps([ad("held", HoldReason="a\x01b")]).replace("\\u0001", "\x01"))
    assert answers.live(one).reason == "a�b"
