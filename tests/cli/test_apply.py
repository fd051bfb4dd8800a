"""`pilotage apply`: the database becomes exactly what a file says."""

from pathlib import Path

import pytest

from tests.cli.command import Cli, contents
from tests.factories import a_ce, a_pilot
from worker.db.database import Database

SITE = """
[vo.lhcb]
share = 2
limit = 500

[ce.lyon]
backend = "sim"
capacity = 100
waiting_limit = 10
vos = ["lhcb"]
tags = ["eu"]
options = { queue_time = 60 }

[schedules.submit_pilots]
every = 30

[schedules.submit_pilots.vo.lhcb]
cron = "*/5 * * * *"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    return path


def test_a_dry_run_shows_the_difference_and_changes_nothing(
    cli: Cli, world: Database, site: Path
) -> None:
    before = contents(world)
    data = cli.json("apply", str(site), "--dry-run")

    assert data["applied"] is False
    assert [change["what"] for change in data["changes"]] == [
        "VO lhcb",
        "CE lyon",
        "CE lyon only for",
        "schedule submit_pilots",
        "schedule submit_pilots of VO lhcb",
    ]
    assert contents(world) == before


@pytest.mark.usefixtures("world")
def test_the_database_becomes_what_the_file_says_and_then_stays(cli: Cli, site: Path) -> None:
    changes = cli.json("apply", str(site), "--dry-run")["changes"]
    data = cli.json("apply", str(site))

    assert data == {"changes": changes, "applied": True}
    lyon = cli.json("ce", "show", "lyon")
    assert (lyon["capacity"], lyon["waiting_limit"]) == (100, 10)
    assert (lyon["only_for"], lyon["tags"]) == (["lhcb"], ["eu"])
    assert lyon["options"] == {"queue_time": 60}
    assert cli.json("vo", "show", "lhcb")["limit"] == 500
    fires = {(t["name"], t["vo"]): t["fires"] for t in cli.json("task", "list")}
    assert fires["submit_pilots", None].endswith("30 s")
    assert fires["submit_pilots", "lhcb"] == "*/5 * * * *"
    assert cli.json("apply", str(site))["changes"] == []


@pytest.mark.usefixtures("world")
def test_what_export_writes_changes_nothing_where_it_was_written(cli: Cli, site: Path) -> None:
    cli.ok("apply", str(site))
    # A simulated CE needs no proxy: the command warns of that, and stores the path.
    answer = cli("credential", "add", "lhcb", "sim", "--proxy", "/etc/pilotage/lhcb.pem")
    assert answer.code == 0
    text = cli.ok("export").out
    site.write_text(text, encoding="utf-8")

    assert cli.json("apply", str(site))["changes"] == []
    assert cli.ok("export").out == text
    assert '[vo.lhcb.credentials.sim]\nproxy = { path = "/etc/pilotage/lhcb.pem" }' in text


@pytest.mark.usefixtures("world")
def test_an_inventory_moves_to_an_empty_database_by_a_file(
    cli: Cli, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("apply", str(site))
    text = cli.ok("export").out
    site.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", f"sqlite:///{tmp_path / 'other.sqlite'}")
    cli.ok("db", "setup")
    cli.ok("apply", str(site))

    assert cli.ok("export").out == text


@pytest.mark.usefixtures("world")
def test_an_empty_list_of_vos_closes_a_ce(cli: Cli, site: Path) -> None:
    cli.ok("apply", str(site))
    site.write_text(SITE.replace('vos = ["lhcb"]', "vos = []"), encoding="utf-8")
    [change] = cli.json("apply", str(site))["changes"]

    assert (change["was"], change["becomes"]) == ("lhcb", "nobody")
    assert cli.json("apply", str(site))["changes"] == []


@pytest.mark.usefixtures("world")
def test_what_the_file_changes_is_named_value_by_value(cli: Cli, site: Path) -> None:
    cli.ok("apply", str(site))
    site.write_text(
        SITE.replace("capacity = 100", "capacity = 50").replace('vos = ["lhcb"]\n', ""),
        encoding="utf-8",
    )
    changes = cli.json("apply", str(site))["changes"]

    assert changes == [
        {"what": "CE lyon capacity", "was": "100", "becomes": "50"},
        {"what": "CE lyon only for", "was": "lhcb", "becomes": "all"},
    ]
    assert cli.json("ce", "show", "lyon")["open_to_all"] is True


@pytest.mark.usefixtures("world")
def test_what_the_file_does_not_name_is_disabled_and_kept(cli: Cli, site: Path) -> None:
    cli.ok("ce", "add", "old", "--backend", "sim", "--capacity", "1")
    cli.ok("vo", "add", "older")
    cli.ok("apply", str(site))

    assert cli.json("ce", "show", "old")["enabled"] is False
    assert cli.json("vo", "show", "older")["enabled"] is False
    assert cli.json("vo", "show", "default")["enabled"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ce.x]\nbackend='sim'\ncapacity=-1", "ce.x: capacity: -1 is below 0"),
        ("[ce.x]\nbackend='smi'\ncapacity=1", "did you mean 'sim'?"),
        ("[ce.x]\nbackend='sim'", "ce.x.capacity: it must be given"),
        ("[ce.x]\nbackend='sim'\ncapcity=1\ncapacity=1", "did you mean 'capacity'?"),
        (
            "[ce.x]\nbackend='sim'\ncapcity=1",
            "x: unknown key 'capcity': did you mean 'capacity'?",
        ),
        ("[ce.x]\nbackned='sim'\ncapacity=1", "did you mean 'backend'?"),
        ("[ce.x]\nbackend='sim'\ncapacity='many'", "ce.x.capacity: it must be a whole number"),
        ("[ce.x]\nbackend='sim'\ncapacity=1\nvos=['nobody']", "no VO of this name: nobody"),
        ("[ce.x]\nbackend='sim'\ncapacity=1\noptions={queue_tim=1}", "did you mean 'queue_time'?"),
        ("[ce.x]\nbackend='sim'\ncapacity=1\nvos='lhcb'", "ce.x.vos: it must be a list"),
        ("[site]\n", "used: unknown key 'site': known: ce, credentials, schedules, vo"),
        ("[schedules.submit]\nevery=1", "did you mean 'submit_pilots'?"),
        ("[schedules.learn]\ncron='x'", "cron line"),
        ("[schedules.learn.vo.lhcb]\nevery=5", "give no VO"),
        ("[ce", "it is not TOML"),
        ("ce = 1", "ce: it must be a table"),
        ("[vo.y]\nenabled='no'", "vo.y.enabled: it must be true or false"),
    ],
)
def test_a_file_that_cannot_be_is_refused_whole(
    cli: Cli, world: Database, site: Path, text: str, message: str
) -> None:
    site.write_text(f"[vo.good]\n{'' if text.startswith('ce =') else text}", encoding="utf-8")
    if text.startswith("ce ="):
        site.write_text(text, encoding="utf-8")
    before = contents(world)

    assert message in cli.refused("apply", str(site))
    assert contents(world) == before


def test_a_dry_run_says_when_disabling_cancels_reserved_pilots(
    cli: Cli, world: Database, site: Path
) -> None:
    with world.uow() as tx:
        old = a_ce().named("old").with_capacity(5).create(tx)
        for _ in range(3):
            a_pilot().reserved().on(old).create(tx)

    changes = cli.json("apply", str(site), "--dry-run")["changes"]
    [disabling] = [change for change in changes if change["what"] == "CE old"]
    assert disabling["becomes"] == "disabled; 3 reserved pilots are cancelled"
