"""The input for HTCondor is safe: options, program, description and ids."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from worker.backends.alike import alike
from worker.backends.htcondor import BACKEND
from worker.backends.htcondor.answers import RANGES, expressions, parsed
from worker.backends.htcondor.options import HTCondorAuthentication, HTCondorOptions
from worker.backends.htcondor.submit import description, program
from worker.backends.registry import check_options
from worker.domain.ce_answers import Order
from worker.domain.credential import CredentialKind
from worker.domain.errors import Invalid
from worker.domain.pilot import numbered

GROUP = "0123456789abcdef01234567"
HOSTILE = (
    "", " ", "a b", "'", '"', "''", "\\", "$HOME", "$(touch broken)", "`touch broken`", "a\nb",
    "\n", "$$(OpSys)", "$(PilotStamp)", "; exit 9", "&", "|", "*", "-n", "%s", "é 😀", "\t", "\r",
    "A='b c'", "queue 5",
)  # fmt: skip


def order(**what: Any) -> Order:
    return Order(stamp=numbered(GROUP, 1), vo="lhcb", **what)


def text_of(what: Order, **options: Any) -> str:
    return program(alike(what), "ce", HTCondorOptions(**options))


def run(text: str, folder: Path) -> bytes:
    """Run a program as HTCondor does, in its own folder and with the stamp; return its output."""
    path = folder / "program"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    result = subprocess.run(
        [str(path)], cwd=folder, env={"PILOTAGE_STAMP": "s"}, capture_output=True, check=True
    )
    assert not (folder / "broken").exists()
    return result.stdout


def test_hostile_values_reach_a_payload_as_they_are(tmp_path: Path) -> None:
    environment = {f"V{n}": value for n, value in enumerate(HOSTILE)}
    payload = "#!/bin/sh\nenv -0\nprintf '%s\\0' ARGUMENTS \"$@\"\n"
    text = text_of(order(script=payload, arguments=HOSTILE), environment=environment)
    output = run(text, tmp_path)
    variables, _, arguments = output.decode().partition("ARGUMENTS\0")
    by_name = dict(one.partition("=")[::2] for one in variables.rstrip("\0").split("\0"))
    assert {name: by_name[name] for name in environment} == environment
    assert (by_name["PILOTAGE_VO"], by_name["PILOTAGE_CE"], by_name["PILOTAGE_STAMP"]) == (
        "lhcb",
        "ce",
        "s",
    )
    assert tuple(arguments.removesuffix("\0").split("\0")) == HOSTILE


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_reach_a_command_as_they_are(tmp_path: Path, value: str) -> None:
    text = text_of(order(), command=["printf", "%s.", value], environment={"V": value})
    assert run(text, tmp_path).decode() == f"{value}."


def test_a_payload_without_a_first_line_is_for_the_shell(tmp_path: Path) -> None:
    assert run(text_of(order(script="echo $1'$x'", arguments=["a"])), tmp_path) == b"a$x\n"


def test_a_payload_may_be_long_and_in_any_language(tmp_path: Path) -> None:
    payload = "#!/usr/bin/env python3\nprint('é')\n" + "# filling\n" * 50_000
    assert run(text_of(order(script=payload)), tmp_path).decode() == "é\n"


def commands_for(**options: Any) -> dict[str, str]:
    text = description(
        [numbered(GROUP, n) for n in (0, 1)],
        alike(Order(stamp=numbered(GROUP, 0), vo="lhcb")),
        names={"prefix": "p", "batch": "p-ce", "instance_and_ce": "p/ce"},
        options=HTCondorOptions(**options),
        executable=Path("/a b/$(x)"),
        folder=Path("/out $$"),
    )
    lines, _, items = text.partition("queue PilotStamp, PilotGroup from (\n")
    assert items == f"{GROUP}00000000 {GROUP}\n{GROUP}00000001 {GROUP}\n)\n"
    commands = dict(line.split(" = ", 1) for line in lines.splitlines())
    assert len(commands) == len(lines.splitlines()), "every line is one command of its own"
    return commands


def test_the_description_says_who_the_pilots_are() -> None:
    commands = commands_for()
    assert commands["+PilotageStamp"] == '"$(PilotStamp)"'
    assert commands["+PilotageInstance"] == '"p/ce"'
    assert commands["description"] == "p-$(PilotStamp)"
    assert commands["executable"] == "/a b/$(DOLLAR)(x)"
    assert commands["initialdir"] == "/out $(DOLLAR)$(DOLLAR)/$(PilotGroup)"
    assert "periodic_remove" not in commands
    assert "leave_in_queue" not in commands


def test_what_options_ask_for_is_in_the_description() -> None:
    commands = commands_for(
        cpus=8, memory=2000, disk=3, walltime=60, spool=True, keep_output=90.5,
        submit={"+maxWallTime": "2", "requirements": 'OpSys == "LINUX"'},
    )  # fmt: skip
    assert commands["request_cpus"] == "8"
    assert commands["request_memory"] == "2000"
    assert commands["request_disk"] == "3072"
    assert commands["+maxWallTime"] == "2"
    assert commands["requirements"] == 'OpSys == "LINUX"'
    assert commands["periodic_remove"].endswith("> 60")
    assert commands["leave_in_queue"].endswith("< 90")


@pytest.mark.parametrize(
    "options",
    [
        {"submit": {"queue": "100"}},
        {"submit": {"Include": "/etc/passwd"}},
        {"submit": {"executable": "/bin/true"}},
        {"submit": {"+PilotageStamp": '"x"'}},
        {"submit": {"MY.PilotageInstance": '"x"'}},
        {"submit": {"a = b\nqueue": "1"}},
        {"submit": {"x": "1\nqueue 100"}},
        {"submit": {"x": "1 \\"}},
        {"submit": {"x": "1\r"}},
        {"submit": {"": "1"}},
        {"schedd": "-all"},
        {"schedd": "a b"},
        {"pool": "host\n"},
        {"config": "relative"},
        {"programs": "/a\n/b"},
        {"output_folder": "/a\\"},
        {"environment": {"A B": "c"}},
        {"environment": {"A": "\0"}},
        {"command": " "},
        {"command": []},
        {"command": ["a", "\0"]},
        {"walltime": 0},
        {"authentication": "password"},
        {"colour": "red"},
    ],
)
def test_hostile_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as error:
        check_options({"htcondor": BACKEND}, "htcondor", options)
    assert "\n" not in str(error.value)


def test_authentication_says_which_credential_is_asked_for() -> None:
    kinds = {way: HTCondorOptions(authentication=way).credential for way in HTCondorAuthentication}
    assert kinds == {
        HTCondorAuthentication.NONE: None,
        HTCondorAuthentication.IDTOKENS: CredentialKind.TOKEN,
        HTCondorAuthentication.SCITOKENS: CredentialKind.TOKEN,
        HTCondorAuthentication.SSL: CredentialKind.PROXY,
    }


def test_ids_that_follow_each_other_are_one_range() -> None:
    ids = [(2, 5), (1, 0), (1, 1), (1, 2), (1, 4), (1, 1)]
    assert list(expressions(ids)) == [
        (
            "((ClusterId == 1 && ProcId >= 0 && ProcId <= 2)"
            " || (ClusterId == 1 && ProcId >= 4 && ProcId <= 4)"
            " || (ClusterId == 2 && ProcId >= 5 && ProcId <= 5))"
        )
    ]
    assert list(expressions([])) == []


def test_any_number_of_ids_fits_words_of_a_command_line() -> None:
    commands = list(expressions((999_999_999, 2 * n) for n in range(1000)))
    assert len(commands) == -(-1000 // RANGES)
    assert all(len(one) < 100_000 for one in commands)


@pytest.mark.parametrize(
    "handle", ["", " ", "1", "1.", "1.2.3", "-1.0", "1.0 ", "1.0\n", "a.b", "9" * 40, "１.０"]
)
def test_what_is_no_id_is_none(handle: str) -> None:
    assert parsed(handle) is None
    assert parsed("12.345") == (12, 345)
