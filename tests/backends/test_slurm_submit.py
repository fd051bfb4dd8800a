"""The scripts and variables of pilots of a real Slurm, and orders that it refuses."""

import json
from collections import Counter
from hashlib import sha256

import pytest

from tests.backends.slurm_world import FOREVER, World, orders, until
from tests.testbeds.slurm import QUOTA
from worker.domain.ce_answers import Job, Order, Receipt
from worker.domain.errors import Unavailable
from worker.domain.pilot import GROUP_LENGTH, Cause, Status, numbered
from worker.domain.pilot_secret import PilotKeys

ENVIRONMENT = {"PILOTAGE_VO": "atlas", "ODD": "a, b=c;\n'\"$(touch /tmp/broken)` \\ ü"}


def jobs_of(receipts: list[Receipt]) -> list[Job]:
    return [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]


def outputs(world: World, receipts: list[Receipt]) -> list[str]:
    """Wait until pilots have ended well; return their outputs."""
    jobs = jobs_of(receipts)
    for job in jobs:
        assert world.until_final(job).status is Status.DONE, world.connect().output(job)
    return [world.connect().output(job).text for job in jobs]


def test_a_pilot_runs_the_script_of_its_vo(slurm_world: World) -> None:
    script = "#!/usr/bin/env python3\nimport json, os, sys\n"
    script += "print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    arguments = ("a b", "'; touch broken; '", "$HOME", "", "--x=\n")
    [order] = orders(1, "atlas", script=script, arguments=arguments)
    [text] = outputs(slurm_world, slurm_world.connect(environment=ENVIRONMENT).submit([order]))
    words, environment = json.loads(text)
    assert words == list(arguments)
    assert environment["ODD"] == ENVIRONMENT["ODD"]
    assert environment["PILOTAGE_STAMP"] == order.stamp
    assert environment["PILOTAGE_VO"] == "atlas"
    assert environment["PILOTAGE_CE"] == slurm_world.ce
    assert environment["PWD"].startswith("/tmp/pilotage."), "in a folder of its own"


def test_each_pilot_of_an_array_gets_its_own_secret(slurm_world: World) -> None:
    script = 'sha256sum <"$PILOTAGE_SECRET_FILE"; stat -c %a "$PILOTAGE_SECRET_FILE"; env'
    keys, url = PilotKeys(("k" * 40,)), "https://pilotage.example.org"
    some = [
        one._replace(secret=keys.secret_of(one.stamp), url=url) for one in orders(3, script=script)
    ]
    texts = outputs(slurm_world, slurm_world.connect().submit(some))
    for one, text in zip(some, texts, strict=True):
        digest = sha256(f"{one.secret}\n".encode()).hexdigest()
        assert text.startswith(f"{digest}  -\n600\n")
        assert f"\nPILOTAGE_URL={url}\n" in text
        assert "***" not in text  # a secret in a variable would be visible here


def test_a_pilot_inherits_nothing_of_the_worker(
    slurm_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_WORKER", "1")
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    [text] = outputs(slurm_world, slurm_world.connect(command="env").submit(orders()))
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert "OF_THE_WORKER" not in names
    assert {"PATH", "HOME", "USER", "SLURM_JOB_ID"} <= names
    assert {"TZ", "SLURM_TIME_FORMAT", "LC_ALL"}.isdisjoint(names), "ours are not its"


def test_a_pilot_may_start_from_the_login_environment(slurm_world: World) -> None:
    driver = slurm_world.connect(command="env", login_environment=True)
    [text] = outputs(slurm_world, driver.submit(orders()))
    assert "SLURM_EXPORT_ENV=NONE\n" in text


@pytest.mark.parametrize(
    "command",
    [
        "echo hello; exit 0",
        "#!/bin/bash\n[[ $0 ]] && echo hello",
        ("echo", "hello"),
        "#!/bin/sh -e\necho hello",
    ],
)
def test_the_command_of_a_ce(slurm_world: World, command: str | list[str]) -> None:
    assert outputs(slurm_world, slurm_world.connect(command=command).submit(orders())) == [
        "hello\n"
    ]


def test_what_differs_by_the_stamp_only_is_one_array(slurm_world: World) -> None:
    batch = [
        one._replace(
            script=f"#!/bin/sh\necho 'a {one.stamp} b' \"$@\"",
            arguments=[f"{one.stamp}", f"--x='{one.stamp}' y"],
        )
        for one in orders(5)
    ]
    receipts = slurm_world.connect().submit(batch)
    assert len({str(one.handle).partition("_")[0] for one in receipts}) == 1
    for text, receipt in zip(outputs(slurm_world, receipts), receipts, strict=True):
        stamp = receipt.stamp
        assert text == f"a {stamp} b {stamp} --x='{stamp}' y\n"


def test_a_script_may_look_like_slurms_own_words(slurm_world: World) -> None:
    script = "#SBATCH --partition=nowhere\ncat <<'PILOTAGE_END'\n#SBATCH --hold\nPILOTAGE_END\n"
    [order] = orders(script=script)
    assert outputs(slurm_world, slurm_world.connect().submit([order])) == ["#SBATCH --hold\n"]


def test_every_pilot_of_an_array_has_its_own_stamp(slurm_world: World) -> None:
    batch = [order for order in orders(20) if int(order.stamp, 16) % 3]
    receipts = slurm_world.connect(command="printf %s $PILOTAGE_STAMP").submit(batch)
    assert outputs(slurm_world, receipts) == [one.stamp for one in receipts]


def test_alike_pilots_are_one_array_and_others_another(slurm_world: World) -> None:
    group = "c" * GROUP_LENGTH
    batch = [
        Order(stamp=numbered(group, n), vo="atlas" if n % 2 else "cms", script="exec sleep 1000")
        for n in range(8)
    ]
    batch.append(batch[0]._replace(stamp=numbered(group, 8), script="sleep 999"))
    receipts = slurm_world.connect().submit(batch)
    arrays = Counter(str(one.handle).partition("_")[0] for one in receipts)
    assert sorted(arrays.values()) == [1, 4, 4]
    assert set(slurm_world.slurm.jobs(slurm_world.prefix)) == {one.stamp for one in batch}


@pytest.mark.parametrize(("size", "calls"), [(1001, 1), (4, 3), (1, 10), (0, 10)])
def test_a_group_may_need_several_arrays(slurm_world: World, size: int, calls: int) -> None:
    log = slurm_world.folder / "kept by pilots" / "calls"
    with slurm_world.replacing(f'echo x >>"{log}"', "sbatch"):
        receipts = slurm_world.connect(array_size=size).submit(orders(10))
    assert log.read_text().count("x") == calls
    jobs = jobs_of(receipts)
    assert len({job.handle for job in jobs}) == 10
    driver = slurm_world.connect()
    assert {(job.stamp, job.handle) for job in driver.find().jobs} == {
        (job.stamp, job.handle) for job in jobs
    }
    assert {one.stamp for one in driver.poll(jobs) if one.status} == {job.stamp for job in jobs}
    assert all(answer.accepted for answer in driver.cancel(jobs))
    for job in jobs:
        assert slurm_world.until_final(job).status is Status.CANCELLED


def test_what_a_limit_on_our_jobs_leaves_room_for_is_taken(slurm_world: World) -> None:
    options = {"qos": "small", "account": "pilots"}
    receipts = slurm_world.connect(**options).submit(orders(40))
    successes = [one for one in receipts if one.handle]
    assert len(successes) == QUOTA
    assert {one.refused for one in receipts if not one.handle} == {Cause.QUOTA}
    again = slurm_world.connect(**options).submit(orders(3))
    assert {one.refused for one in again} == {Cause.QUOTA}
    assert "QOSMaxSubmitJobPerUserLimit" in str(again[0].reason)


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "nowhere"},
        {"qos": "nowhere"},
        {"account": "nowhere"},
        {"constraint": "nowhere"},
        {"arguments": ["--frobnicate"]},
        {"gres": "gpu:1"},
    ],
)
def test_what_slurm_never_takes_is_refused(slurm_world: World, options: dict[str, str]) -> None:
    receipts = slurm_world.connect(**options).submit(orders(3))
    assert {one.refused for one in receipts} == {Cause.REFUSED}
    assert all(one.reason for one in receipts)
    assert slurm_world.slurm.jobs(slurm_world.prefix) == {}


def test_an_order_that_cannot_be_sent_harms_no_other(slurm_world: World) -> None:
    good, *bad = orders(4)
    bad[0] = bad[0]._replace(script="echo \0")
    bad[1] = bad[1]._replace(script="exit 0", arguments=("\0",))
    bad[2] = bad[2]._replace(script="echo \ud800")
    receipts = {one.stamp: one for one in slurm_world.connect().submit([*bad, good])}
    assert {receipts[one.stamp].refused for one in bad} == {Cause.REFUSED}
    assert set(slurm_world.slurm.jobs(slurm_world.prefix)) == {good.stamp}


def test_chatter_about_the_number_of_the_job_does_no_harm(slurm_world: World) -> None:
    chatter = 'echo "lua: 12 pilots welcome"; real "$@"; code=$?; echo "See you"; exit $code'
    with slurm_world.replacing(chatter, "sbatch"):
        receipts = slurm_world.connect().submit(orders(2))
    assert all(one.handle for one in receipts)
    slurm_world.until_status(jobs_of(receipts)[0], Status.RUNNING)


def test_another_cluster_of_the_same_installation(slurm_world: World) -> None:
    slurm_world.options["cluster"] = "testbed"
    driver = slurm_world.connect()
    assert "cluster testbed" in driver.hello()
    job, other = slurm_world.send(2, command="echo here; [ $SLURM_ARRAY_TASK_ID = 0 ] || sleep 99")
    assert slurm_world.until_final(job).status is Status.DONE
    assert driver.output(job).text == "here\n"
    assert {one.stamp for one in driver.find().jobs} == {job.stamp, other.stamp}
    assert driver.cancel([other])[0].accepted
    assert slurm_world.until_final(other).status is Status.CANCELLED


def test_a_cluster_that_nobody_knows(slurm_world: World) -> None:
    driver = slurm_world.connect(cluster="nowhere")
    for call in (driver.hello, driver.find):
        with pytest.raises(Unavailable, match="nowhere"):
            call()


def test_hostile_values_of_options_stay_values(slurm_world: World) -> None:
    hostile = "x --array=0-99 ; touch /tmp/broken $(id) ' \" `"
    receipts = slurm_world.connect(reservation=hostile).submit(orders(2))
    assert {one.refused for one in receipts} == {Cause.REFUSED}
    receipts = slurm_world.connect(arguments=[f"--mcs-label={hostile}"]).submit(orders(2))
    assert len(slurm_world.slurm.jobs(slurm_world.prefix)) in (0, 2)


def test_a_missing_program_is_named(slurm_world: World) -> None:
    with pytest.raises(Unavailable, match="scontrol"):
        slurm_world.connect(programs="/nowhere").find()


def test_a_missing_folder_for_output_stops_no_pilot(slurm_world: World) -> None:
    receipts = slurm_world.connect(output_folder="/proc/nowhere", command="exit 0").submit(orders())
    [job] = jobs_of(receipts)
    assert slurm_world.until_final(job).status is Status.DONE
    assert slurm_world.connect(output_folder="/proc/nowhere").output(job).text == ""
    receipts = slurm_world.connect(command="exit 0").submit(orders())
    until(lambda: slurm_world.until_final(jobs_of(receipts)[0]), "the end of the pilot")


def test_a_signal_reaches_the_pilot_and_its_script(slurm_world: World) -> None:
    script = "trap 'echo ending; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    [job] = jobs_of(slurm_world.connect(command=script).submit(orders()))
    driver = slurm_world.connect()
    until(lambda: "ready" in driver.output(job).text or None, "the pilot to start its work")
    slurm_world.slurm.call("scancel", "--batch", "--signal=TERM", job.handle)
    observation = slurm_world.until_final(job)
    assert (observation.status, observation.cause, observation.exit_code) == (
        Status.FAILED,
        Cause.EXIT_CODE,
        7,
    )
    assert driver.output(job).text == "ready\nending\n"


def test_a_pilot_that_is_killed_is_told_so(slurm_world: World) -> None:
    command = f"[ $SLURM_ARRAY_TASK_ID = 0 ] && kill -9 $$; echo ready; {FOREVER}"
    job, victim = slurm_world.send(2, command=command)
    observation = slurm_world.until_final(job)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.SIGNAL)
    driver = slurm_world.connect()
    until(lambda: driver.output(victim).text or None, "the pilot to start its work")
    slurm_world.slurm.call("scancel", "--batch", "--signal=KILL", victim.handle)
    observation = slurm_world.until_final(victim)
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.SIGNAL)
