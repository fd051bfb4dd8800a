"""What the documents tell a new operator to type works as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import ROOT, check_command
from tests.testbeds.arc.__main__ import HOW as ARC
from tests.testbeds.condor.__main__ import HOW as CONDOR
from tests.testbeds.slurm.__main__ import HOW as SLURM

HOW_TO = ROOT / "docs" / "how-to"
NOBODY, STRANGER = 65534, 65533

AS_ANOTHER_USER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from worker.backends.credentials import look
from worker.domain.credential import Credential, CredentialKind

def problem(path):
    key = Credential(backend="slurm", kind=CredentialKind.KEY, path=str(path))
    return look(key, datetime.now(UTC)).problem

folder, user = Path(sys.argv[1]), int(sys.argv[2])
assert problem(folder / "lhcb.pem") is None  # loads all modules, which the user may not read
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
for name in ("database_url", "broker_url"):
    (folder / "pilotage" / name).read_text()
print(problem(folder / "pilotage" / "lhcb.pem"))
(folder / "lib-pilotage" / "credentials" / "renewed").touch()
"""


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_readme_installs_the_command_before_it_uses_it() -> None:
    lines = "\n".join(blocks(ROOT / "README.md", "sh")).splitlines()
    install = next(number for number, line in enumerate(lines) if "pip install ." in line)
    uses = [number for number, line in enumerate(lines) if line.startswith(("pilotage", "celery"))]

    assert install < min(uses)


# -- the testbeds


@pytest.mark.parametrize("how", [SLURM, CONDOR, ARC], ids=["slurm", "condor", "arc"])
def test_a_testbed_prints_every_command_from_the_database_to_the_first_pilot(how: str) -> None:
    text = re.sub(r"{\w+}", "/x", how).replace("\\\n", " ")
    commands = [line.strip() for line in text.splitlines() if line.startswith("  pilotage ")]
    for command in commands:
        check_command(shlex.split(command))

    verbs = [" ".join(command.split()[1:3]) for command in commands if "credential" not in command]
    assert verbs == ["db setup", "ce add", "ce test", "up"]
    assert ("credential add" in text) is (how is ARC)


# -- the files of a deployment


@pytest.fixture
def etc() -> Iterator[Path]:
    """Make a folder that every user can reach; pytest's own are closed."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run_installs(page: Path, folder: Path) -> None:
    """Run the lines of a page that install files, in another place and for another user."""
    lines = "\n".join(blocks(page, "sh")).splitlines()
    for line in lines:
        if line.startswith("install "):
            words = [
                word.replace("/etc/", f"{folder}/").replace("/var/lib/", f"{folder}/lib-")
                for word in shlex.split(line)
            ]
            ids = {"pilotage": str(NOBODY)}
            subprocess.run([ids.get(word, word) for word in words], check=True, cwd=folder)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_the_service_can_read_its_settings_and_use_its_credentials(etc: Path) -> None:
    for name in ("database_url", "broker_url"):
        (etc / name).write_text(f"sqlite:///{etc}/{name}.sqlite\n", encoding="utf-8")
    key = [*("ssh-keygen", "-q", "-t", "ed25519", "-N", ""), "-f", str(etc / "lhcb.pem")]
    subprocess.run(key, check=True)
    run_installs(HOW_TO / "deploy.md", etc)
    (etc / "lib-pilotage").mkdir(mode=0o755)
    run_installs(HOW_TO / "credentials.md", etc)

    def act(user: int) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-c", AS_ANOTHER_USER, str(etc), str(user)]
        return subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT)

    service, stranger = act(NOBODY), act(STRANGER)
    assert service.returncode == 0, service.stderr
    assert service.stdout == "None\n"
    assert "PermissionError" in stranger.stderr


UNITS = {
    "pilotage-worker@.service": (
        "deploy.md",
        "ExecStart=/opt/pilotage/bin/celery -A pilotage worker",
    ),
    "pilotage-beat.service": ("deploy.md", "ExecStart=/opt/pilotage/bin/celery -A pilotage beat"),
    "pilotage-metrics.service": ("monitor.md", "ExecStart=/opt/pilotage/bin/pilotage metrics"),
    "pilotage-metrics.timer": ("monitor.md", "OnCalendar="),
}


def test_each_unit_is_given_whole_and_systemd_has_nothing_against_it(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    for name, (page, line) in UNITS.items():
        [unit] = [block for block in blocks(HOW_TO / page, "ini") if line in block]
        assert "Description=" in unit
        real = unit.replace("/opt/pilotage/bin/celery", "/bin/true")
        text = real.replace("/opt/pilotage/bin/pilotage", "/bin/true")
        (tmp_path / name).write_text(text, encoding="utf-8")
    paths = [str(tmp_path / name.replace("@", "@plan")) for name in UNITS]
    (tmp_path / "pilotage-worker@plan.service").symlink_to(tmp_path / "pilotage-worker@.service")

    words = [verify, "verify", *paths]
    process = subprocess.run(words, check=False, capture_output=True, text=True)

    about = [line for line in process.stderr.splitlines() if "pilotage" in line]
    assert about == []
