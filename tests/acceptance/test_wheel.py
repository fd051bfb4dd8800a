"""Pilotage from a wheel works in a folder that has modules with the names of ours."""

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.processes import CELERY, ROOT, Processes
from tests.patience import until

SOURCES = (
    "pilotage",
    "worker",
    "recipes",
    "celeryconfig.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
OFFLINE = ("--no-index", "--no-deps")
FOREIGN = 'raise SystemExit("this module is not one of Pilotage")\n'


@dataclass(frozen=True)
class Installation:
    """A virtual environment with Pilotage from its wheel."""

    wheel: Path
    pilotage: str
    python: str


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("installation")
    wheel = _wheel(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    _lend_dependencies(folder)
    into = [*PIP, "--python", str(python), "install", *OFFLINE, str(wheel)]
    subprocess.run(into, check=True)
    return Installation(wheel, str(python.with_name("pilotage")), str(python))


def _wheel(folder: Path) -> Path:
    # A build leaves files in its source.
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    words = [*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder)]
    result = subprocess.run(
        [*words, str(folder / "source")], check=False, capture_output=True, text=True
    )
    if result.returncode != 0 and "No module named" in result.stderr:
        pytest.skip(f"no wheel can be built here: {result.stderr.strip().splitlines()[-1]}")
    assert result.returncode == 0, result.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


def _lend_dependencies(folder: Path) -> None:
    """Lend the new environment the packages of this one, except Pilotage."""
    dependencies = folder / "dependencies"
    dependencies.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("__editable__", "pilotage")) and package.suffix != ".pth":
            (dependencies / package.name).symlink_to(package)
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PILOTAGE_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}


def make_foreign(folder: Path) -> None:
    (folder / "worker").mkdir(parents=True)
    (folder / "worker" / "__init__.py").write_text(FOREIGN, encoding="utf-8")
    (folder / "celeryconfig.py").write_text(FOREIGN, encoding="utf-8")


def wait_for_text(log: Path, text: str) -> None:
    """Wait for a text in a log; give up when the log does not grow."""

    def output() -> str:
        return log.read_text(errors="replace") if log.exists() else ""

    until(lambda: text in output(), f"{text!r} in {log.name}", progress=output, pause=0.1)


def test_a_wheel_has_one_top_level_name_and_all_our_files(installation: Installation) -> None:
    names = zipfile.ZipFile(installation.wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    modules = {name.removeprefix("pilotage/") for name in names if name.startswith("pilotage/")}
    ours = [
        path for top in ("worker", "recipes") for path in (ROOT / top).rglob("*") if path.is_file()
    ]

    assert {top for top in tops if not top.endswith(".dist-info")} == {"pilotage"}
    assert {str(path.relative_to(ROOT)) for path in ours if path.suffix != ".pyc"} <= modules | {
        "celeryconfig.py"
    }


def test_foreign_modules_of_our_names_are_never_taken_for_ours(
    installation: Installation, processes: Processes, environment: dict[str, str], tmp_path: Path
) -> None:
    make_foreign(tmp_path)
    pilotage = installation.pilotage
    celery = [installation.python, "-m", "celery", "-A", "pilotage"]

    def ok(*words: str) -> str:
        result = processes.run(words, environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    assert "version" in ok(pilotage, "--version")
    assert "version" in ok(installation.python, "-m", "pilotage", "--version")
    ok(pilotage, "db", "setup")
    ok(pilotage, "db", "verify")
    ok(pilotage, "ce", "add", "lyon", "--backend", "sim", "--capacity", "3")
    ok(*celery, "call", "submit_pilots", "--args", '["default"]', "--queue", "plan")

    make_foreign(tmp_path / "worker-here")
    processes.start("worker-here", [*celery, "worker", "--loglevel", "INFO"], environment)
    wait_for_text(processes.log("worker-here"), "submit_pilots default: reserved 3")
    make_foreign(tmp_path / "beat-here")
    words = [*celery, "beat", "--loglevel", "INFO", "--pidfile="]
    processes.start("beat-here", words, environment)
    wait_for_text(processes.log("beat-here"), "beat: Starting")
    processes.end()

    assert len(json.loads(ok(pilotage, "pilot", "list", "--json"))["items"]) == 3


def test_children_of_up_are_ours_in_a_foreign_folder(
    installation: Installation, processes: Processes, environment: dict[str, str], tmp_path: Path
) -> None:
    make_foreign(tmp_path / "up")
    (tmp_path / "up" / "celery.py").write_text(FOREIGN, encoding="utf-8")
    (tmp_path / "up" / "pilotage").mkdir()
    processes.start("up", [installation.pilotage, "up"], environment)
    wait_for_text(tmp_path / "home" / "log" / "plan.log", " ready.")
    assert "ended with" not in processes.said("up")
    processes.end()


def test_in_a_checkout_the_application_is_worker_too(
    processes: Processes, environment: dict[str, str]
) -> None:
    words = [*CELERY[:-1], "worker", "report"]
    report = processes.run(["env", "--chdir", str(ROOT), *words], environment)

    assert report.returncode == 0, report.stdout + report.stderr
    assert "beat_scheduler: 'worker.messaging.beat:DatabaseScheduler'" in report.stdout


def test_a_second_copy_under_another_name_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="write 'import worker' after 'import pilotage'"):
        __import__("pilotage.worker")
