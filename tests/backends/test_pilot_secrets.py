"""Each back-end gives a pilot its secret in a file for it alone, and nowhere else."""

import os
import shutil
import stat
import subprocess
from base64 import b64encode
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from tests.backends.local_world import World as LocalWorld
from worker.backends import registry
from worker.backends.alike import alike
from worker.backends.arc.description import SCRIPT, describe
from worker.backends.arc.options import ArcOptions
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.output import OutputFolder
from worker.backends.htcondor.submit import description, program
from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.submit import batches
from worker.db.database import Database
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import GROUP_LENGTH, Status, numbered
from worker.domain.pilot_secret import PilotKeys

KEYS = PilotKeys(("k" * 40,))
URL = "https://pilotage.example.org/a'b"
GROUP = uuid4().hex[:GROUP_LENGTH]
SHOW = (
    'printf "%s\\n" "$PILOTAGE_URL"; cat "$PILOTAGE_SECRET_FILE"; '
    'ls -l "$PILOTAGE_SECRET_FILE" | cut -c 1-10'
)
"""A script that shows the address, the secret and the mode of its file."""


def order(number: int = 1, script: str = SHOW) -> Order:
    stamp = numbered(GROUP, number)
    return Order(stamp, "lhcb", script, (), KEYS.secret_of(stamp), URL)


def output_of(one: Order) -> str:
    return f"{URL}\n{one.secret}\n-rw-------\n"


def test_which_back_ends_give_secrets() -> None:
    names = {name for name, one in registry.discover().items() if one.gives_secrets}
    assert names == {"local", "slurm", "htcondor", "arc"}


def test_local(tmp_path: Path, sqlite_database: Database) -> None:
    world = LocalWorld(tmp_path / "with a space", sqlite_database.uow)
    try:
        one, silent = order(), Order(numbered(GROUP, 2), "lhcb", 'echo "<$PILOTAGE_SECRET_FILE>"')
        receipts = world.connect().submit([one, silent])
        jobs = sorted(Job(each.stamp, str(each.handle)) for each in receipts)
        assert [world.until_final(job).status for job in jobs] == [Status.DONE] * 2
        # Pilotage hides a secret that a pilot writes.
        assert world.connect().output(jobs[0]).text == output_of(one).replace(
            str(one.secret), "***"
        )
        own = world.place / one.stamp / "work" / ".pilotage-secret"
        assert own.read_text() == f"{one.secret}\n"
        assert world.connect().output(jobs[1]).text == "<>\n"
        assert str(one.secret) not in (world.place / one.stamp / "launch.json").read_text()
    finally:
        world.end()


def slurm(some: list[Order], number: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one element of an array as Slurm does: its script from a file, with its index."""
    [batch] = batches(some, 1001)
    words = batch.arguments("hpc", Names("pilotage"), SlurmOptions())
    assert not [word for word in words for one in some if str(one.secret)[-43:] in word]
    script = folder / "slurm_script"
    script.write_text(batch.script("hpc", Names("pilotage"), SlurmOptions(output_folder=None)))
    environment = {**os.environ, "TMPDIR": str(folder), "SLURM_ARRAY_TASK_ID": str(number)}
    return subprocess.run(
        ["/bin/sh", str(script)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("grep") is None, reason="needs grep, as every node has it")
@pytest.mark.parametrize("number", [0, 3, 10])
def test_slurm_cuts_the_secrets_of_an_array_down_to_one(tmp_path: Path, number: int) -> None:
    some = [order(n) for n in range(12)]
    result = slurm(some, number, tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == (output_of(some[number]), "", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["slurm_script"]


def test_slurm_shows_a_pilot_no_variable_with_a_secret(tmp_path: Path) -> None:
    some = [order(n, "env; cat /proc/$PPID/cmdline /proc/$$/cmdline") for n in range(3)]
    output = slurm(some, 1, tmp_path).stdout
    assert "PILOTAGE_SECRET_FILE=" in output
    assert not [one for one in some if str(one.secret)[-43:] in output]


def test_slurm_keeps_pilots_with_and_without_a_secret_apart() -> None:
    some = [order(0), Order(numbered(GROUP, 1), "lhcb", SHOW), order(2)]
    with_one, without = batches(some, 1001)
    assert with_one.stamps() == [some[0].stamp, some[2].stamp]
    assert "pilotage-secret" not in without.script("hpc", Names("pilotage"), SlurmOptions())
    part = with_one.part(0, 1).script("hpc", Names("pilotage"), SlurmOptions())
    assert str(some[0].secret) in part
    assert str(some[2].secret) not in part


def test_htcondor_transfers_a_file_for_each_pilot(tmp_path: Path) -> None:
    options, some = HTCondorOptions(), [order(n) for n in range(3)]
    place = OutputFolder("ce", options, tmp_path)
    place.prepare(one.stamp for one in some)
    for _ in range(2):
        place.write_secrets({one.stamp: str(one.secret) for one in some})
    files = [place.folder / GROUP / f"{one.stamp}.secret" for one in some]
    assert [path.read_text() for path in files] == [f"{one.secret}\n" for one in some]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}

    names = {"prefix": "p", "instance_and_ce": "p", "batch": "b"}
    stamps = [one.stamp for one in some]
    executable = tmp_path / "x"
    text_of_description = description(
        stamps,
        alike(some[1]),
        names=names,
        options=options,
        executable=executable,
        folder=place.folder,
    )
    assert "transfer_input_files = $(PilotStamp).secret\n" in text_of_description
    text = program(alike(some[1]), "ce", options)
    assert not [one for one in some if str(one.secret)[-43:] in text_of_description + text]

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / files[1].name).write_text(files[1].read_text())
    (scratch / "condor_exec.exe").write_text(text)
    result = subprocess.run(
        ["/bin/sh", "./condor_exec.exe"], cwd=scratch, env={"PILOTAGE_STAMP": some[1].stamp},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.stdout, result.stderr) == (output_of(some[1]), "")


def test_htcondor_keeps_pilots_with_and_without_a_secret_apart() -> None:
    assert alike(order()) != alike(Order(numbered(GROUP, 1), "lhcb", SHOW))
    assert "SECRET" not in program(alike(Order(GROUP, "lhcb", "exit 0")), "ce", HTCondorOptions())


def test_htcondor_clears_the_secrets_away_with_what_pilots_wrote(tmp_path: Path) -> None:
    place = OutputFolder("ce", HTCondorOptions(keep_output=0), tmp_path)
    one = order()
    place.prepare([one.stamp])
    place.write_secrets({one.stamp: str(one.secret)})
    os.utime(place.folder / GROUP, (0, 0))
    place.tidy([])
    assert list(place.folder.iterdir()) == []


def test_arc_uploads_it_and_says_it_in_no_description(tmp_path: Path) -> None:
    options = ArcOptions.model_validate({"url": "https://ce.example.org"})
    one = order()
    arc_description = describe(one, "ce1", "pilotage", options)
    assert arc_description.upload is not None
    secret = str(one.secret)
    for text in (secret[-43:], b64encode(arc_description.upload).decode()[:400]):
        assert text.encode() not in arc_description.xml
    root = ET.fromstring(arc_description.xml)
    assert [name.text for name in root.iter() if name.tag.endswith("}Argument")] == [SCRIPT]

    (tmp_path / SCRIPT).write_bytes(arc_description.upload)
    result = subprocess.run(
        ["/bin/sh", SCRIPT], cwd=tmp_path, env={"PATH": os.environ["PATH"], "PILOTAGE_URL": URL},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.stdout, result.stderr) == (output_of(one), "")
    assert stat.S_IMODE((tmp_path / SCRIPT).stat().st_mode) == 0o600
