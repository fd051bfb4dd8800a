"""Completion by the shell, called as the shell calls it."""

import shutil
from pathlib import Path

import pytest

from tests.cli.command import Cli, address, process
from tests.cli.conftest import furnish
from tests.databases import Postgresql
from tests.factories import MINUTE, NOW
from worker.db import tokens
from worker.db.database import Database
from worker.domain.access import Role
from worker.domain.token import Token

NIGHTLY = Token(
    name="nightly",
    role=Role.READ,
    made_at=NOW,
    made_by="me@here",
    expires_at=NOW + 1000 * MINUTE,
)
SHELLS = ("bash", "zsh", "fish")


def key_press(line: str) -> dict[str, str]:
    """Return the variables with which a shell asks how to complete a line."""
    place = str(len(line.split(" ")) - 1)
    return {"_PILOTAGE_COMPLETE": "bash_complete", "COMP_WORDS": line.strip(), "COMP_CWORD": place}


def words_of(out: str, err: str) -> list[str]:
    assert err == ""
    return [word.partition(",")[2] for word in out.splitlines() if word]


def complete(line: str, **environment: str) -> list[str]:
    """Return the words that the shell would offer at the end of a line."""
    answer = process(**key_press(line), **environment)
    return words_of(answer.out, answer.err)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("pilotage ce show ", {"lyon", "rome"}),
        ("pilotage ce show ly", {"lyon"}),
        ("pilotage ce maintenance list ro", {"rome"}),
        ("pilotage explain ly", {"lyon"}),
        ("pilotage task run dispatch --ce r", {"rome"}),
        ("pilotage vo set lh", {"lhcb"}),
        ("pilotage plan --vo ", {"default", "lhcb"}),
        ("pilotage ce add x --vo lh", {"lhcb"}),
        ("pilotage task run re", {"reconcile", "renew_credentials", "report"}),
        ("pilotage backend migrate s", {"sim", "slurm"}),
        ("pilotage pilot list --use s", {"short"}),
        ("pilotage token revoke ni", {"nightly"}),
        ("pilotage token create x --role r", {"read"}),
        ("pilotage token create y --role operate --vo lh", {"lhcb"}),
        ("pilotage token create ni", set()),
        ("pilotage ce add ly", set()),
        ("pilotage ce sh", {"show"}),
    ],
)
def test_names_are_completed(
    sqlite_database: Database,
    cli: Cli,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    names: set[str],
) -> None:
    with sqlite_database.uow() as tx:
        furnish(tx)
        tokens.add(tx, NIGHTLY, "hash")
    for name, value in key_press(line).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    with pytest.raises(SystemExit) as end:  # click ends every completion in this way
        cli()

    assert end.value.code == 0
    assert set(words_of(*capsys.readouterr())) == names


def test_names_are_completed_on_each_database(site: Database) -> None:
    url = address(site.url)
    assert complete("pilotage ce show ly", PILOTAGE_DATABASE_URL=url) == ["lyon"]


@pytest.mark.slow
def test_whatever_goes_wrong_completes_nothing(
    tmp_path: Path, postgresql_server: Postgresql
) -> None:
    home = tmp_path / "home"
    environments = {
        "no state folder yet": {"PILOTAGE_HOME": str(home)},
        "no tables": {"PILOTAGE_DATABASE_URL": address(postgresql_server.url("nowhere"))},
        "no server": {"PILOTAGE_DATABASE_URL": "postgresql://127.0.0.1:1/x"},
        "a wrong setting": {"PILOTAGE_BATCH": "0"},
    }
    for environment in environments.values():
        assert complete("pilotage ce show ", **environment) == []
    assert not home.exists(), "a key press makes no folder"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_its_script(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("needs bash, which says its version")
    script = process(_PILOTAGE_COMPLETE=f"{shell}_source")

    assert (script.code, script.err) == (0, "")
    assert "_PILOTAGE_COMPLETE" in script.out
