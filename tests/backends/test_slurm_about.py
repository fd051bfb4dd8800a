"""The description of a cluster is read again after a while, once for each way to it."""

import pytest

from worker.backends.remembered import Remembered
from worker.backends.slurm import client
from worker.backends.slurm.client import KEPT_FOR, About
from worker.backends.slurm.options import SlurmOptions
from worker.domain.errors import Unreadable

CONFIGURATION = """\
Configuration data as of 2026-11-21T14:00:00
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = hpc
MaxArraySize            = 1001
MinJobAge               = 300 sec
SLURM_VERSION           = 22.05.8
"""


class Cluster:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def ask(self) -> About:
        self.calls += 1
        return client.read_about(CONFIGURATION)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(client, "clusters", Remembered(KEPT_FOR, lambda: now[0]))
    return now


def test_it_is_read() -> None:
    assert client.read_about(CONFIGURATION) == About(
        name="hpc", version="22.05.8", array_size=1001, forget_after=300, accounting=True
    )
    without = CONFIGURATION.replace("accounting_storage/slurmdbd", "(null)")
    assert not client.read_about(without).accounting


@pytest.mark.parametrize("text", ["", CONFIGURATION.replace("1001", "many"), "<html>"])
def test_what_cannot_be_read_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        client.read_about(text)


def test_it_is_asked_for_once_in_ten_minutes(clock: list[float]) -> None:
    cluster, options = Cluster(), SlurmOptions()
    for _ in range(3):
        client.recall(options, cluster.ask)
    assert cluster.calls == 1
    clock[0] += KEPT_FOR
    client.recall(options, cluster.ask)
    assert cluster.calls == 2


def test_another_way_may_lead_to_another_cluster(clock: list[float]) -> None:
    cluster = Cluster()
    for options in (
        SlurmOptions(),
        SlurmOptions(cluster="other"),
        SlurmOptions(ssh="login.example.org"),
        SlurmOptions(slurm_conf="/etc/other/slurm.conf"),
    ):
        client.recall(options, cluster.ask)
        client.recall(options, cluster.ask)
    assert cluster.calls == 4
