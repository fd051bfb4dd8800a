"""An installed back-end of somebody else is found and migrated like ours."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import refused
from tests.migrations.chains import BACKENDS
from worker.backends import registry
from worker.db.database import Database
from worker.domain.errors import ConfigurationError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "third_party"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the tiny back-end into a folder of its own, without any network."""
    folder = tmp_path_factory.mktemp("third-party")
    # A build leaves files in its source folder.
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    words = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    process = subprocess.run(
        [*PIP, *words, str(folder / "source")], check=False, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return folder / "site"


def visit(database: Database, site: Path) -> "subprocess.CompletedProcess[str]":
    url = database.url.render_as_string(hide_password=False)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.migrations.visiting"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PILOTAGE_DATABASE_URL": url},
    )


def test_an_installed_back_end_is_found_migrated_and_verified(
    blank: Database, site_folder: Path
) -> None:
    process = visit(blank, site_folder)
    assert process.returncode == 0, process.stderr
    report: dict[str, Any] = json.loads(process.stdout)

    names = sorted([*(chain.name for chain in BACKENDS), "tiny"])
    assert list(report["backends"]) == names
    assert report["backends"]["tiny"] == "Jobs of a tiny batch system."
    assert [(one["chain"], one["status"]) for one in report["first"]] == [
        (name, "created") for name in ["core", *names]
    ]
    assert {one["status"] for one in report["again"]} == {"unchanged"}
    assert report["differences"] == []
    assert report["tables"]["tiny"] == {"tiny_letters": 0, "tiny_stamps": 0}


def test_it_is_not_there_where_it_is_not_installed() -> None:
    assert "tiny" not in registry.discover()


MODULE = """
from pathlib import Path
from sqlalchemy import Column, Integer, MetaData, Table
from worker.backends.contract import Backend
from worker.db.chains import Chain

metadata = MetaData()
Table("{table}", metadata, Column("id", Integer, primary_key=True))
BACKEND = Backend(
    name="{name}",
    about="Broken.",
    chain=Chain(name="{chain}", tables=("{table}",), metadata=metadata, folder=Path("/nowhere")),
    driver=lambda ce, options, means: None,
)
SOMETHING = 42
"""

BROKEN: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "a table of another prefix": (
        {"name": "odd", "chain": "odd", "table": "strange_table"},
        "odd_backend:BACKEND",
        ["back-end odd", "cannot be loaded", "strange_table does not begin with odd_"],
    ),
    "a table of the core": (
        {"name": "odd", "chain": "odd", "table": "pilots"},
        "odd_backend:BACKEND",
        ["back-end odd", "pilots does not begin with odd_"],
    ),
    "a name of another": (
        {"name": "sim", "chain": "sim", "table": "sim_extra"},
        "odd_backend:BACKEND",
        ["back-end odd", "it calls itself sim"],
    ),
    "a chain of another": (
        {"name": "odd", "chain": "sim", "table": "sim_extra"},
        "odd_backend:BACKEND",
        ["back-end odd", "it calls itself odd, sim"],
    ),
    "no back-end at all": (
        {"name": "odd", "chain": "odd", "table": "odd_jobs"},
        "odd_backend:SOMETHING",
        ["back-end odd", "is not a Backend"],
    ),
    "a name that is not there": (
        {"name": "odd", "chain": "odd", "table": "odd_jobs"},
        "odd_backend:ABSENT",
        ["back-end odd", "cannot be loaded: AttributeError"],
    ),
    "a module that is not there": (
        {"name": "odd", "chain": "odd", "table": "odd_jobs"},
        "odd_absent:BACKEND",
        ["back-end odd", "cannot be loaded: ModuleNotFoundError"],
    ),
    "a module that raises": (
        {"name": "odd", "chain": "odd", "table": "odd_jobs"},
        "odd_raising:BACKEND",
        ["back-end odd", "cannot be loaded: ZeroDivisionError: no reason"],
    ),
}


def distribution(site: Path, name: str, entry: str) -> None:
    """Write the files that an installer leaves of a distribution with one back-end."""
    folder = site / f"{name}_distribution-1.0.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}-distribution\nVersion: 1.0\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    (folder / "entry_points.txt").write_text(
        f"[{registry.GROUP}]\n{name} = {entry}\n", encoding="utf-8"
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "odd_backend", raising=False)
    return tmp_path


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_one_is_one_clear_line(site: Path, what: str) -> None:
    values, entry, words = BROKEN[what]
    (site / "odd_backend.py").write_text(MODULE.format(**values), encoding="utf-8")
    (site / "odd_raising.py").write_text(
        "raise ZeroDivisionError('no\\n  reason')", encoding="utf-8"
    )
    distribution(site, "odd", entry)

    with refused(ConfigurationError, *words):
        registry.discover()


def test_two_that_bring_the_same_one_are_one_clear_line(site: Path) -> None:
    values = {"name": "sim", "chain": "sim", "table": "sim_extra"}
    (site / "odd_backend.py").write_text(MODULE.format(**values), encoding="utf-8")
    distribution(site, "sim", "odd_backend:BACKEND")

    with refused(ConfigurationError, "back-end sim", "two distributions bring it"):
        registry.discover()
