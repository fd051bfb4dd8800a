"""The revisions that we read from the files are those that Alembic finds."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.third_party import pilotage_tiny
from worker.backends.registry import discover
from worker.db.chains import CORE_CHAIN, Chain
from worker.db.revisions import newest, revisions
from worker.domain.errors import ConfigurationError

CHAINS = [
    CORE_CHAIN,
    pilotage_tiny.BACKEND.chain,
    *(backend.chain for backend in discover().values()),
]


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_they_are_those_of_alembic(chain: Chain) -> None:
    config = Config()
    config.set_main_option("script_location", str(chain.folder))
    scripts = ScriptDirectory.from_config(config)

    result = revisions(chain.folder)

    assert set(result) == {script.revision for script in scripts.walk_revisions()}
    assert newest(result, chain.name) == scripts.get_current_head()


def write(folder: Path, **lines: str) -> None:
    (folder / "versions").mkdir(exist_ok=True)
    for name, text in lines.items():
        (folder / "versions" / f"{name}.py").write_text(text, encoding="utf-8")


def test_annotations_and_merges_are_read_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="revision: str = '0001'  # the first\ndown_revision: str | None = None\n",
        left='revision = "0002"\ndown_revision = "0001"\n',
        right='revision = "0003"\ndown_revision = "0001"\n',
        both='revision = "0004"\ndown_revision = ("0002", "0003")\n',
    )

    assert newest(revisions(tmp_path), "tiny") == "0004"


def test_two_ends_are_refused(tmp_path: Path) -> None:
    write(
        tmp_path,
        base='revision = "0001"\ndown_revision = None\n',
        left='revision = "0002"\ndown_revision = "0001"\n',
        right='revision = "0003"\ndown_revision = "0001"\n',
    )

    with pytest.raises(ConfigurationError, match="0002, 0003"):
        newest(revisions(tmp_path), "tiny")
