"""The options of a CE of this back-end, and the arguments of sbatch."""

from typing import Any

import pytest

from tests.backends.slurm_world import orders
from worker.backends import registry
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.script import OPEN
from worker.backends.slurm.submit import Batch, batches
from worker.domain.ce_answers import Order
from worker.domain.errors import Invalid
from worker.domain.pilot import GROUP_LENGTH, numbered

NAMES = Names("pilotage")


def words(options: SlurmOptions, some: list[Order] | None = None) -> list[str]:
    [batch] = batches(some or orders(3), 1001)
    return batch.arguments("hpc", NAMES, options)


def test_each_option_is_one_word() -> None:
    options = SlurmOptions(
        partition="main,short", account="pilots", qos="small", constraint="a&b", reservation="r 1",
        gres="gpu:1", cpus=2, memory=2000, walltime=5400, requeue=False, nice=100,
        arguments=("--exclusive", "--mail-user=a b"),
    )  # fmt: skip
    assert words(options)[-13:] == [
        "--export=ALL", "--partition=main,short", "--account=pilots", "--qos=small",
        "--constraint=a&b", "--reservation=r 1", "--gres=gpu:1", "--cpus-per-task=2", "--mem=2000M",
        "--time=90:00", "--nice=100", "--no-requeue", "--exclusive", "--mail-user=a b",
    ][-13:]  # fmt: skip


def test_an_array_has_the_numbers_that_were_claimed() -> None:
    group = "a" * GROUP_LENGTH
    some = [Order(stamp=numbered(group, n), vo="atlas") for n in (0, 1, 2, 7, 9)]
    arguments = words(SlurmOptions(), some)
    assert arguments[0] == f"--job-name=pilotage-{group}"
    assert arguments[1] == "--array=0-2,7,9"
    assert arguments[2] == f"--comment=pilotage: vo=atlas ce=hpc group={group}"


def test_a_thousand_pilots_are_one_array_and_small_arrays_are_several() -> None:
    all_orders = orders(1000)
    [whole] = batches(all_orders, 1001)
    assert len(whole.receipts("12")) == 1000
    parts: list[Batch] = list(batches(all_orders, 300))
    assert [part.offset for part in parts] == [0, 300, 600, 900]
    handles = {one.stamp: one.handle for part in parts for one in part.receipts("12")}
    assert handles[all_orders[650].stamp] == "12_50"
    name_parts = NAMES.read(NAMES.array(all_orders[0].stamp[:GROUP_LENGTH], 600))
    assert name_parts is not None
    assert name_parts.stamp(50) == all_orders[650].stamp


def test_a_stamp_in_the_words_is_each_pilots_own() -> None:
    group = "a" * GROUP_LENGTH
    one, two = numbered(group, 1), numbered(group, 2)
    # The script of the last pilot has the stamp of another pilot.
    all_orders = [
        Order(stamp=one, vo="atlas", script=f"echo {one}"),
        Order(stamp=two, vo="atlas", script=f"echo {two}"),
        Order(stamp=numbered(group, 3), vo="atlas", script=f"echo {two}"),
    ]
    first, other = batches(all_orders, 1001)
    assert first.stamps() == [one, two]
    assert first.what.script == f"echo {OPEN}"
    assert other.what.script == f"echo {two}"


@pytest.mark.parametrize("size", [0, 1])
def test_without_arrays_each_pilot_is_a_job_of_its_own(size: int) -> None:
    all_orders = orders(3)
    alone = list(batches(all_orders, size))
    assert [(one.offset, one.stamps()) for one in alone] == [(None, [o.stamp]) for o in all_orders]
    assert alone[2].receipts("12")[0].handle == "12"


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "a\nb"},
        {"partition": ""},
        {"qos": "x\x1b[2J"},
        {"account": "a\0b"},
        {"cluster": "a b"},
        {"cluster": "--help"},
        {"arguments": ["--array=0-9"]},
        {"arguments": ["--arr=0-9"]},
        {"arguments": ["--job-n=x"]},
        {"arguments": ["--wrap=id"]},
        {"arguments": ["--export=HOME"]},
        {"arguments": ["-N", "2"]},
        {"arguments": ["script.sh"]},
        {"arguments": ["--"]},
        {"arguments": ["--mail-user=a\n--array=1"]},
        {"arguments": "--exclusive"},
        {"command": ""},
        {"command": "a\0b"},
        {"command": []},
        {"command": [""]},
        {"environment": {"A B": "1"}},
        {"environment": {"A;id": "1"}},
        {"environment": {"A": "\0"}},
        {"ssh": "-oProxyCommand=id"},
        {"ssh": "host; id"},
        {"ssh": ""},
        {"ssh_port": 22},
        {"vo_keys": True},
        {"ssh": "host", "vo_keys": True, "ssh_key": "/a/key"},
        {"ssh": "host", "ssh_users": {"atlas": "me"}},
        {"ssh": "host", "vo_keys": True, "ssh_users": {"atlas": "-oProxyCommand=id"}},
        {"ssh": "host", "ssh_key": "relative"},
        {"programs": "relative"},
        {"slurm_conf": "/a\nb"},
        {"walltime": 0},
        {"walltime": float("inf")},
        {"cpus": 0},
        {"memory": "1G"},
        {"array_size": -1},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        registry.check_options(registry.discover(), "slurm", options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"partition": "main,short", "constraint": "[a|b]*2"},
        {"arguments": ["--exclusive", "--mail-type=END,FAIL", "--nodes=1"]},
        {"command": ["python3", "-c", "print('\n')"]},
        {"environment": {"A": "a\nb"}},
        {"ssh": "me@hpc.example.org", "ssh_port": 22, "ssh_key": "/etc/key of mine"},
        {"ssh": "hpc"},
        {"ssh": "hpc", "vo_keys": True, "ssh_users": {"atlas": "atlaspilots"}},
        {"output_folder": None},
    ],
)
def test_what_can_be_meant_is_taken(options: dict[str, Any]) -> None:
    assert registry.check_options(registry.discover(), "slurm", options)


def test_a_time_limit_is_written_in_minutes_and_seconds() -> None:
    assert "--time=0:01" in words(SlurmOptions(walltime=0.2))
    assert "--time=1440:00" in words(SlurmOptions(walltime=86400))


NOT_FOR_THE_OPERATOR = ("uid", "gid", "wrap", "jobid", "clusters", "cluster-constraint", "export")
"""Options of sbatch that change the user, the place or the work of a job."""


def beginnings(name: str) -> list[str]:
    return [name[:length] for length in range(1, len(name) + 1)]


@pytest.mark.finding("L9")
@pytest.mark.parametrize("name", NOT_FOR_THE_OPERATOR)
def test_l9_no_argument_says_as_whom_or_where_a_job_runs(name: str) -> None:
    for word in beginnings(name):
        for argument in (f"--{word}", f"--{word}=0"):
            with pytest.raises(Invalid, match="is set by Pilotage itself") as refusal:
                registry.check_options(registry.discover(), "slurm", {"arguments": [argument]})
            assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("word", ["--gres=gpu:1", "--uses", "--exclusive", "--nodelist=n1"])
def test_an_argument_that_only_looks_like_one_of_them_is_taken(word: str) -> None:
    registry.check_options(registry.discover(), "slurm", {"arguments": [word]})
