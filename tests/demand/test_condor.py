"""The idle jobs of a real HTCondor."""

from typing import Any

import pytest

from tests.expectations import refused
from tests.patience import until
from tests.testbeds.condor import Condor
from tests.testbeds.condor.configuration import SCHEDD
from worker.demand import registry
from worker.domain.errors import DemandUnknown, Invalid

DESCRIPTION = """
executable = /bin/sleep
transfer_executable = false
arguments = 1000
requirements = false
+DemandOf = "{owner}"
queue {count}
"""


def options(condor: Condor, **more: Any) -> dict[str, Any]:
    return {
        "kind": "condor",
        "schedd": SCHEDD,
        "authentication": "idtokens",
        "credential_file": str(condor.token()),
        "config": str(condor.client),
        "programs": str(condor.programs),
        "timeout": 60,
        **more,
    }


@pytest.mark.testbed
def test_the_idle_jobs_that_a_constraint_chooses_are_counted(condor: Condor) -> None:
    source = options(condor, constraint='DemandOf == "{vo}"')
    assert registry.ask("lhcb", source) == 0
    for owner, count in (("lhcb", 3), ("cms", 2)):
        text = DESCRIPTION.format(owner=owner, count=count)
        condor.call("submit", "-name", SCHEDD, "-spool", said=text)
    until(lambda: registry.ask("lhcb", source) == 3, "the idle jobs")
    condor.call("hold", "-name", SCHEDD, "-constraint", 'DemandOf == "lhcb"')
    assert registry.ask("lhcb", source) == 0
    assert registry.ask("cms", source) == 2
    condor.call("rm", "-name", SCHEDD, "-constraint", "DemandOf =!= undefined")


@pytest.mark.testbed
def test_in_all_a_pilot_that_has_jobs_counts_beside_the_idle_ones(condor: Condor) -> None:
    text = DESCRIPTION.format(owner="atlas", count=6)
    condor.call("submit", "-name", SCHEDD, "-spool", said=text)
    source = options(condor, constraint='DemandOf == "{vo}"')
    until(lambda: registry.ask("atlas", source) == 6, "the idle jobs")
    condor.call("hold", "-name", SCHEDD, "-constraint", 'DemandOf == "atlas" && ProcId < 4')
    for process, machine in enumerate([f"{'a' * 32}@n1", f"{'a' * 32}@n1", f"{'b' * 32}@n2", "n3"]):
        ours = ["-constraint", f'DemandOf == "atlas" && ProcId == {process}']
        host = f'"slot1_{process}@{machine}"'
        condor.call("qedit", "-name", SCHEDD, *ours, "RemoteHost", host)
    assert registry.ask("atlas", source) == 2
    assert registry.ask("atlas", {**source, "counts": "total"}) == 2 + 2
    condor.call("rm", "-name", SCHEDD, "-constraint", "DemandOf =!= undefined")


@pytest.mark.testbed
def test_a_constraint_that_is_none_is_unknown(condor: Condor) -> None:
    with refused(DemandUnknown, "condor_q"):
        registry.ask("lhcb", options(condor, constraint="DemandOf =="))


def test_a_host_without_its_programs_is_unknown() -> None:
    with refused(DemandUnknown, "condor_q"):
        registry.ask("lhcb", {"kind": "condor", "programs": "/no/such/folder"})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"authentication": "idtokens"}, "needs a credential_file"),
        ({"credential_file": "/token"}, "needs an authentication"),
        ({"constraint": "a\nb"}, "constraint"),
        ({"schedd": "-name"}, "schedd"),
    ],
)
def test_options_that_cannot_be_are_refused(more: dict[str, Any], why: str) -> None:
    with refused(Invalid, why):
        registry.check_new({"kind": "condor", **more})
