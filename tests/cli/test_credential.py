"""`pilotage credential`, `vo payload` and `ce test`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.command import Cli, contents, on_a_terminal, process
from tests.secrets import a_token, write
from worker.db.database import Database

ADD = ("credential", "add", "lhcb", "htcondor")


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A token that is still valid for one tenth of its time."""
    now = datetime.now(UTC)
    begins, ends = now - timedelta(hours=9), now + timedelta(hours=1)
    return a_token(tmp_path / "token", iat=int(begins.timestamp()), exp=int(ends.timestamp()))


def test_a_credential_is_added_listed_changed_and_forgotten(
    cli: Cli, site: Database, token: Path
) -> None:
    credential = cli.json(*ADD, "--token", str(token), "--renew", "renew 'my token' now")

    assert (credential["vo"], credential["state"], credential["renew"]) == (
        "lhcb",
        "short",
        ["renew", "my token", "now"],
    )
    assert 3500 < credential["seconds_left"] <= 3600
    assert cli.json("credential", "list")[0]["path"] == str(token)
    head, row = cli.ok("credential", "list").lines
    assert head.split()[:5] == ["vo", "backend", "kind", "state", "left"]
    assert row.split()[:6] == ["lhcb", "htcondor", "token", "short", "59", "min"]
    assert "renew 'my token' now" in row
    after = cli.json("credential", "set", "lhcb", "htcondor", "--renew", "none", "--kind", "token")
    assert after["renew"] is None
    assert "--yes" in cli.refused("credential", "remove", "lhcb", "htcondor")
    cli.ok("credential", "remove", "lhcb", "htcondor", "--yes")
    assert cli.ok("credential", "list").out == "no credentials found\n"
    assert token.exists()


def test_a_credential_for_all_vos(cli: Cli, site: Database, token: Path) -> None:
    cli.ok("credential", "add", "all", "htcondor", "--token", str(token))

    assert cli.json("credential", "show", "all", "htcondor")["vo"] == "all"


def test_what_is_wrong_with_a_file_is_said_without_its_content(
    cli: Cli, site: Database, tmp_path: Path
) -> None:
    path = write(tmp_path / "token", "hush-hush", mode=0o644)
    answer = cli(*ADD, "--token", str(path))
    text = answer.out + cli.ok("credential", "list").out

    assert answer.code == 0, "it is stored all the same"
    assert answer.err.startswith("warning: stored, but ")
    assert "its file is open to others" in answer.err
    assert "hush" not in answer.err
    assert "its file is open to others (mode 644; make it 600)" in text
    assert "hush" not in text
    assert "hush" not in str(contents(site))


@pytest.mark.parametrize(
    ("backend", "kind", "warning"),
    [
        ("sim", "token", "CEs of back-end sim do not use a token; they use no credential"),
        ("slurm", "token", "CEs of back-end slurm do not use a token; they use a key"),
        ("arc", "key", "CEs of back-end arc do not use a key; they use a proxy or a token"),
        ("htcondor", "token", None),
    ],
)
def test_a_credential_that_no_ce_asks_for_is_warned_of(
    cli: Cli, site: Database, token: Path, backend: str, kind: str, warning: str | None
) -> None:
    answer = cli("credential", "add", "lhcb", backend, f"--{kind}", str(token))

    assert answer.code == 0
    assert (warning or "") in answer.err
    assert ("do not use" in answer.err) is (warning is not None)


def test_a_credential_that_does_not_exist_is_answered_with_what_there_is(
    cli: Cli, site: Database, token: Path
) -> None:
    cli.ok(*ADD, "--token", str(token))

    assert "did you mean 'htcondor'?" in cli.refused("credential", "show", "lhcb", "htcondr")
    assert "known: token" in cli.refused("credential", "show", "lhcb", "htcondor", "--kind", "key")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*ADD,), "one of --proxy, --token, --key"),
        ((*ADD, "--key", "/a", "--token", "/b"), "one of --proxy, --token, --key"),
        ((*ADD, "--key", "a"), "it is not an absolute path"),
        ((*ADD, "--key", "/a", "--renew", "'"), "no closing quotation"),
        ((*ADD, "--key", "/a", "--renew", ""), "it names no program"),
        (("credential", "add", "lhcb", "smi", "--key", "/a"), "did you mean 'sim'?"),
        (("credential", "add", "nobody", "htcondor", "--key", "/a"), "nobody"),
        (("credential", "show", "lhcb", "htcondor"), "credential of lhcb for htcondor"),
        (("credential", "set", "lhcb", "htcondor"), "Name a value to change"),
        (("credential", "renew", "lhcb", "htcondor"), "credential of lhcb for htcondor"),
        (("vo", "payload", "lhcb", "--from", "/no/such"), "no such file"),
        (("vo", "payload", "nobody"), "nobody"),
        (("vo", "payload", "lhcb", "--clear", "--show"), "one of --from, --show, --clear"),
        (("ce", "test", "nowhere"), "no CE of this name: nowhere"),
    ],
)
def test_what_is_typed_wrongly_changes_nothing(
    cli: Cli, site: Database, words: tuple[str, ...], message: str
) -> None:
    before = contents(site)

    assert message in cli.refused(*words)
    assert contents(site) == before


def test_a_credential_is_renewed_by_hand(
    cli: Cli, site: Database, token: Path, tmp_path: Path
) -> None:
    new = a_token(tmp_path / "new", exp=int(datetime.now(UTC).timestamp()) + 36_000)
    cli.ok(*ADD, "--token", str(token), "--renew", f"cp {new} {token}")
    assert cli.ok("credential", "renew", "lhcb", "htcondor").lines == [
        "the token of VO lhcb for htcondor was renewed"
    ]
    cli.ok("credential", "set", "lhcb", "htcondor", "--renew", "false")
    answer = cli("credential", "renew", "lhcb", "htcondor")
    assert answer.code == 1
    assert "its command ended with exit code 1" in answer.err


def test_status_says_which_credential_is_near_its_end(
    cli: Cli, site: Database, token: Path, tmp_path: Path
) -> None:
    cli.ok(*ADD, "--token", str(token))
    cli("credential", "add", "all", "slurm", "--key", str(tmp_path / "missing"))
    plain = cli.ok("status").out

    assert "! the token of lhcb for htcondor expires in 59 min" in plain
    assert "! the key of all VOs for slurm cannot be used: its file is missing" in plain
    assert [one["state"] for one in cli.json("status")["credentials"]] == ["unusable", "short"]


def test_colours_are_for_terminals(sqlite_database: Database, token: Path) -> None:
    url = {"PILOTAGE_DATABASE_URL": str(sqlite_database.url)}
    process("credential", "add", "all", "htcondor", "--token", str(token), **url)

    assert "\x1b[" in on_a_terminal("credential", "list", **url)
    assert "\x1b[" not in process("credential", "list", **url).out


@pytest.mark.usefixtures("world")
def test_a_payload_is_set_and_shown_as_it_is_at_a_ce(cli: Cli, tmp_path: Path) -> None:
    cli.ok("ce", "add", "lyon", "--backend", "sim", "--capacity", "1")
    (tmp_path / "pilot.sh").write_text("run @{queue}\n", encoding="utf-8")
    file = tmp_path / "p.toml"
    file.write_text(
        'script = "pilot.sh"\narguments = ["@{stamp}"]\n'
        '[variables.queue]\ndefault = "short"\n[at.lyon]\nqueue = "long"\n',
        encoding="utf-8",
    )
    assert "has no payload" in cli.ok("vo", "payload", "default").out
    cli.ok("vo", "payload", "default", "--from", str(file))

    assert cli.json("vo", "payload", "default")["variables"]["queue"]["default"] == "short"
    assert cli.ok("vo", "payload", "default", "--ce", "lyon").lines == [
        'arguments    ["@{stamp}"]',
        'variables    queue = "long"',
        "useful_after 0 s, until it is learnt from the run times of the pilots",
        "",
        "run long",
    ]
    cli.ok("vo", "payload", "default", "--clear")
    assert cli.json("vo", "payload", "default") == {}


@pytest.mark.usefixtures("world")
def test_a_pilot_runs_its_payload_and_ce_test_sees_it_to_its_end(cli: Cli, tmp_path: Path) -> None:
    cli.ok("ce", "add", "here", "--capacity", "1", "--option", "check_soonest=0.5")
    file = tmp_path / "p.toml"
    file.write_text("script_text = 'echo I am $PILOTAGE_VO'\n", encoding="utf-8")
    cli.ok("vo", "payload", "default", "--from", str(file))
    lines = cli.ok("ce", "test", "here", "--pilot").lines

    assert [line.split()[0] for line in lines if not line.startswith(" ")][:5] == ["ok"] * 5
    assert lines[-1].strip() == "I am default"
    [pilot] = cli.json("pilot", "list")["items"]
    assert cli.json("pilot", "output", str(pilot["id"]), "--tail", "1") == {
        "text": "I am default\n",
        "truncated": False,
        "kept_at": None,
    }


@pytest.mark.usefixtures("world")
def test_ce_test_fails_with_what_is_wrong(cli: Cli) -> None:
    cli.ok("ce", "add", "here", "--capacity", "0", "--option", "command=exit 1")
    answer = cli("ce", "test", "here", "--pilot")

    assert answer.code == 1
    assert answer.err.count("\n") == 1
    assert answer.err.endswith("ce test here: steps that failed: pilot\n")
    assert "no slot of here is free" in answer.out
    assert "no slot of here is free" not in answer.err, "it is said once"
    assert [line.split()[0] for line in answer.out.splitlines()][-2:] == ["failed", "→"]
    cli.ok("ce", "set", "here", "--capacity", "1")
    assert "exit code 1" in cli("ce", "test", "here", "--pilot", "--json").out


SITE = """
[credentials.sim]
token = "TOKEN"

[vo.lhcb.credentials.sim]
token = { path = "TOKEN", renew = ["renew", "lhcb"] }
key = "/etc/key"

[vo.atlas.credentials.sim]
token = "TOKEN"
renew = ["renew", "atlas"]

[vo.lhcb.payload]
script = "pilot.sh"

[vo.lhcb.payload.variables.queue]
default = "short"

[vo.lhcb.payload.at.lyon]
queue = "long"

[ce.lyon]
backend = "sim"
capacity = 1
"""


@pytest.mark.usefixtures("world")
def test_a_file_tells_of_credentials_and_payloads(cli: Cli, token: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.replace("TOKEN", str(token)), encoding="utf-8")
    (tmp_path / "pilot.sh").write_text("run @{queue}\n", encoding="utf-8")
    whole = [change["what"] for change in cli.json("apply", str(site))["changes"]]

    assert whole[-5:] == [
        "the token of all VOs for sim",
        "the token of VO lhcb for sim",
        "the key of VO lhcb for sim",
        "the token of VO atlas for sim",
        "VO lhcb payload",
    ]
    assert cli.json("apply", str(site))["changes"] == []
    assert cli.ok("vo", "payload", "lhcb", "--ce", "lyon").lines[-1] == "run long"
    renews = {(c["vo"], c["kind"]): c["renew"] for c in cli.json("credential", "list")}
    assert renews == {
        ("all", "token"): None,
        ("atlas", "token"): ["renew", "atlas"],
        ("lhcb", "token"): ["renew", "lhcb"],
        ("lhcb", "key"): None,
    }
    (tmp_path / "pilot.sh").write_text("run it\n", encoding="utf-8")
    site.write_text(site.read_text().replace("/etc/key", "/etc/other"), encoding="utf-8")
    changes = cli.json("apply", str(site))["changes"]
    assert [c["what"] for c in changes] == ["the key of VO lhcb for sim: path", "VO lhcb payload"]
    assert changes[0]["becomes"] == "/etc/other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[credentials.smi]\ntoken = '/a'", "did you mean 'sim'?"),
        ("[credentials.sim]\nrenew = ['a']", "name its file with one of"),
        (
            "[credentials.sim]\ntoken = '/a'\nkey = '/b'\nrenew = ['a']",
            "give renew for each of them",
        ),
        ("[credentials.sim]\ntoken = 'a'", "not an absolute path"),
        (
            "[credentials.sim]\ntoken = '/a'\nrenew = 'a b'",
            "sim.renew: it must be a list",
        ),
        ("[credentials.sim]\npassword = 'a'", "credentials.sim: unknown key 'password'"),
        ("credentials = 1", "credentials: it must be a table"),
        (
            "[vo.x.credentials.sim]\ntoken = {renew = ['a']}",
            "sim.token.path: it must be given",
        ),
        ("[vo.x.payload]\nscript = 'missing'", "missing: no such file"),
        ("[vo.x.payload]\nscript_text = 'a'\n[vo.x.payload.at.rome]\n", "rome"),
    ],
)
def test_a_file_that_cannot_be_changes_nothing(
    cli: Cli, world: Database, tmp_path: Path, text: str, message: str
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(text, encoding="utf-8")
    before = contents(world)

    assert message in cli.refused("apply", str(site))
    assert contents(world) == before


def test_what_a_check_of_a_ce_finds_is_printed_once(
    cli: Cli, world: Database, tmp_path: Path
) -> None:
    options = ("--option", f"programs={tmp_path}/missing", "--option", "partition=main")
    cli.ok("ce", "add", "hpc", "--backend", "slurm", "--capacity", "1", *options)
    answer = cli("ce", "test", "hpc")

    [failure] = [line for line in answer.lines if line.startswith("failed")]
    sentence = failure.split(maxsplit=2)[2]
    assert sentence not in answer.err
    assert answer.err.endswith(f"ce test hpc: steps that failed: {failure.split()[1]}\n")
